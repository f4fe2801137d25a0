"""Result of a long-tail analysis, and alerts about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.feature_set import NO_CHECKPOINT
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.families import Family
from reaudio_eval.statistics.margins import Margin


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a reader must know before believing a number.

    Attributes:
        level: "warning" or "note".
        message: a sentence or more.
        first_screen: whether pages show it above the numbers, and not only among the alerts.
    """

    level: Literal["warning", "note"]
    message: str
    first_screen: bool = False


@dataclass(frozen=True, slots=True)
class NotComputed:
    """A metric without any value in a report. reason: why, with the option that would change it."""

    metric: MetricInfo
    reason: str


def not_computed_line(left_out: Sequence[NotComputed]) -> str:
    """One line on the metrics that have no value and the shortest remedy of each; "" for none."""
    groups: dict[str, list[str]] = {}
    for each in left_out:
        missing = each.reason.startswith(NO_CHECKPOINT)
        why = f"give --checkpoint {each.metric.embedder}=PATH" if missing else each.reason
        groups.setdefault(why, []).append(each.metric.name)
    listed = "; ".join(f"{', '.join(names)} ({why})" for why, names in groups.items())
    return f"Not computed: {listed}." if listed else ""


@dataclass(frozen=True)
class CopyingAnalysis:
    """Leakage and copying of the systems of a report.

    Attributes:
        retrieved, leaks, leak_scores, copies, summary: DataFrames, columns as in ``frames.statistics.COPYING_FRAMES``.
        neighbours_of: system -> the system whose neighbours its clips were compared with.
    """

    retrieved: pd.DataFrame = field(default_factory=pd.DataFrame)
    leaks: pd.DataFrame = field(default_factory=pd.DataFrame)
    leak_scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    copies: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    neighbours_of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LongtailAnalysis:
    """Everything the long-tail report shows; undefined numbers are NaN, with a ``reason``.

    Attributes:
        dataset_name, split, list_sha256, prompts, references, banner: of the dataset.
        systems, metrics, strata: in the order given; metrics are those with at least one value.
        not_computed: the other metrics.
        no_strata: why no metric has a value by stratum, or "".
        primary: name of the metric shown first, None without metrics.
        family: the confirmatory tests among ``paired``.
        margin: by which systems were tested for non-inferiority and equivalence; None without.
        labels, strata_sizes, overall, by_stratum, per_class, curve, bins, trend, paired, clip_scores: DataFrames, columns as in
            ``frames.statistics.LONGTAIL_FRAMES``.
        tail_shape: Gini coefficient and imbalance ratio of the training counts, and numbers of classes.
        alerts: what a reader must know.
        provenance: where the numbers come from, JSON-able.
        audit: system -> findings about its audio files.
        copying: leakage and copying.
    """

    dataset_name: str
    split: str
    list_sha256: str
    systems: tuple[SystemInfo, ...]
    metrics: tuple[MetricInfo, ...]
    primary: str | None
    strata: tuple[Stratum, ...]
    prompts: tuple[Prompt, ...]
    labels: pd.DataFrame
    strata_sizes: pd.DataFrame
    overall: pd.DataFrame
    by_stratum: pd.DataFrame
    per_class: pd.DataFrame
    curve: pd.DataFrame
    bins: pd.DataFrame
    trend: pd.DataFrame
    paired: pd.DataFrame
    clip_scores: pd.DataFrame
    tail_shape: Mapping[str, float]
    alerts: tuple[Alert, ...] = ()
    references: Mapping[str, Path] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    banner: str = ""
    copying: CopyingAnalysis = field(default_factory=CopyingAnalysis)
    not_computed: tuple[NotComputed, ...] = ()
    no_strata: str = ""
    family: Family = field(default_factory=Family)
    margin: Margin | None = None

    def metric(self, name: str) -> MetricInfo:
        return next(m for m in (*self.metrics, *(each.metric for each in self.not_computed)) if m.name == name)
