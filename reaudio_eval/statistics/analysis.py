"""Result of a long-tail analysis, and alerts about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.scores.system_scores import MetricInfo


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a reader must know before believing a number. level: "warning" or "note"."""

    level: Literal["warning", "note"]
    message: str


@dataclass(frozen=True)
class CopyingAnalysis:
    """What retrieval gave away and what was pasted. Undefined numbers are NaN, with a ``reason`` column beside.

    Frames (columns in order):
        retrieved:   system, clip_id, rank, neighbour_id, caption, source_id, similarity
        leaks:       system, kind, n, n_prompts, share     (kind in {"target", "same_source", "identical_caption", "any"})
        leak_scores: metric, group, system, minus, value, ci_low, ci_high, ci_method, n_clips, reason
                     (group in {"affected", "clean"}; minus is "" for the system's own mean, or the system without retrieval
                     whose value on the same clips is taken off)
        copies:      system, embedder, clip_id, neighbour_id, similarity, real_similarity, excess
        summary:     system, embedder, quantity, value, ci_low, ci_high, ci_method, n_clips, reason
                     (quantity in {"similarity", "real_similarity", "excess", "near_copies", "limit"}; near_copies is the share
                     of the clips whose similarity is above limit)

    Attributes:
        neighbours_of: system -> whose neighbours its clips were compared with.
    """

    retrieved: pd.DataFrame = field(default_factory=pd.DataFrame)
    leaks: pd.DataFrame = field(default_factory=pd.DataFrame)
    leak_scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    copies: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    neighbours_of: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LongtailAnalysis:
    """Everything the long-tail report shows. Undefined numbers are NaN in frames, with a ``reason`` column beside.

    Frames (columns in order):
        labels:     label, name, n_train, n_test, stratum
        strata_sizes: stratum, low, high, n_classes_train, n_classes_test, n_clips_any, n_clips_rarest
        overall:    system, metric, value, ci_low, ci_high, ci_method, n_clips, floor, matched, floor_n, reason
        by_stratum: system, metric, stratum, value, ci_low, ci_high, ci_method, n_classes, n_clips, normalised, floor, reason
                    (clip/label metrics: macro over classes; set metrics: clips partitioned by rarest label;
                    normalised = (value - noise) / (real - noise) where both exist, else NaN)
        per_class:  system, metric, label, name, n_train, stratum, n_clips, value, normalised
        curve:      system, metric, n_train, value, ci_low, ci_high     (smooth of class scores on log10(1 + n_train))
        bins:       system, metric, n_train, value, ci_low, ci_high, n_classes     (binned class means)
        trend:      system, metric, statistic, value, ci_low, ci_high, n_classes, reason
                    statistic in {"slope", "gap_head_tail", "ratio_tail_head", "spearman", "kendall", "worst_10pct",
                    "macro", "micro", "frequency_weighted", "macro_without_ubiquitous", "harmonic_strata"}
        paired:     metric, quantity, system_a, system_b, difference, ci_low, ci_high, p_value, p_holm,
                    detectable, n_clips, n_classes, reason
                    (difference = a - b; quantity in {"all", a stratum's name, "gap_head_tail", "slope"})
        clip_scores: system, clip_id, metric, value     (label-level metrics averaged over the clip's labels)
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

    def metric(self, name: str) -> MetricInfo:
        return next(m for m in self.metrics if m.name == name)
