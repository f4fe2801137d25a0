"""Metrics with values in a report, and those without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import NotComputed
from reaudio_eval.statistics.rows import ALL
from reaudio_model.common.errors import ReaudioError

WITH_VALUES = ("overall", "by_stratum", "per_class")  # frames in which a metric can have a value
WITHOUT_VALUE, SHOWN = "no clip has a value", "will be shown"


def split_metrics(
    systems: Sequence[SystemScores], metrics: Sequence[MetricInfo], frames: Mapping[str, pd.DataFrame]
) -> tuple[tuple[MetricInfo, ...], tuple[NotComputed, ...]]:
    """The metrics with a value of any system, and the others with the reason.

    Args:
        systems: their reasons; that of a generated system comes first.
        metrics: of these systems.
        frames: at least those of ``WITH_VALUES``, columns as in ``frames.statistics.LONGTAIL_FRAMES``.
    """
    known = _with_values(frames[name] for name in WITH_VALUES)
    overall = frames["overall"]
    ordered = sorted(systems, key=lambda s: s.system.kind != "generated")
    left_out = []
    for metric in (m for m in metrics if m.name not in known):
        rows = overall[overall["metric"] == metric.name]
        stated = dict(zip(rows["system"], rows["reason"], strict=True))
        reasons = (s.undefined.get(metric.name) or stated.get(s.system.name) for s in ordered)
        left_out.append(NotComputed(metric, next((r for r in reasons if isinstance(r, str) and r), WITHOUT_VALUE)))
    return tuple(m for m in metrics if m.name in known), tuple(left_out)


def metrics_with_values(scores: SystemScores) -> set[str]:
    """Names of the metrics that have a value of this system."""
    return _with_values([scores.scores, scores.set_values])


def _with_values(frames: Iterable[pd.DataFrame]) -> set[str]:
    """Metrics with a finite number in the column "value"."""
    return {
        metric for frame in frames for metric in frame.loc[np.isfinite(frame["value"].to_numpy(dtype=np.float64)), "metric"]
    }


def planned(scores: Sequence[SystemScores], metrics: Sequence[MetricInfo]) -> dict[str, str]:
    """Metric -> "will be shown" or why not, for the plan of a report made of finished runs."""
    known = set().union(*map(metrics_with_values, scores))
    reasons = {name: reason for each in scores for name, reason in each.undefined.items()}
    return {m.name: SHOWN if m.name in known else reasons.get(m.name, WITHOUT_VALUE) for m in metrics}


def check_primary(primary: str | None, metrics: Mapping[str, str]) -> None:
    """Refuse a primary metric that is known and has no value; an unknown one is refused by the analysis. ``metrics``: of :func:`planned`.

    Raises:
        ReaudioError: with the reason.
    """
    reason = metrics.get(primary or "", SHOWN)
    if reason != SHOWN:
        raise ReaudioError(f"--primary {primary} has no value in these runs: {reason.rstrip('.')}.")


def over_all_clips_only(systems: Sequence[SystemScores]) -> set[str]:
    """Metrics of sets of clips that no system has by stratum, such as the inception score."""
    values = [s.set_values for s in systems]
    return {m for v in values for m in v["metric"]} - {m for v in values for m in v.loc[v["stratum"] != ALL, "metric"]}


def why_no_strata(dataset: Dataset, metrics: Sequence[MetricInfo], by_stratum: pd.DataFrame) -> str:
    """Why no metric has a value by stratum, a sentence; "" where one has."""
    if np.isfinite(by_stratum["value"].to_numpy(dtype=np.float64)).any():
        return ""
    if dataset.why_no_stratum:
        return dataset.why_no_stratum
    if not metrics:
        return "No metric has a value, so there is no stratum."
    if all(m.level == "set" for m in metrics):
        return "Every metric here is of all clips, or needs more clips than a stratum has, so there is no stratum."
    return "No clip with known labels has a value, so there is no stratum."
