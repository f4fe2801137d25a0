"""Differences of systems to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval.frames.statistics import BASELINE_DIFFERENCES, CLASS_DIFFERENCES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.class_table import ClassTable, Summary, all_metrics, class_table, score_arrays, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import linear
from reaudio_eval.statistics.families import corrected
from reaudio_eval.statistics.rows import Row
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.thresholds import MIN_CLASS_CLIPS
from reaudio_model.common.errors import one_of


def class_differences(
    systems: Sequence[SystemScores],
    baseline: str,
    dataset: Dataset,
    strata: Sequence[Stratum],
) -> pd.DataFrame:
    """System minus baseline for every class, clip- or label-level metric and system, over the clips where both have a value.

    Intervals are those of other clips of the same class, by the variance components of all classes, and not corrected for the number of
    classes; a class with fewer than ``MIN_CLASS_CLIPS`` has none.

    Args:
        systems: each with scores of all prompts or some of them, the baseline among them.
        baseline: name of the system that the others are compared with.
        dataset, strata: the prompts of those clips with training counts, and strata that partition the counts.

    Returns:
        ``frames.statistics.CLASS_DIFFERENCES``; metrics and systems in their order, classes from the most to the least frequent.

    Raises:
        UnknownNameError: no system is called ``baseline``.
    """
    table = class_table(dataset, strata)
    context = Context(table, min_classes=1, estimand="fixed-classes")
    values = {s.system.name: score_arrays(s, table) for s in systems}
    reference = values[one_of("system", baseline, values)]
    order = sorted(range(len(table.labels)), key=lambda i: (-int(table.n_train[i]), table.labels[i]))
    rows: list[Row] = []
    for metric in all_metrics(systems):
        for system in (s.system.name for s in systems if s.system.name != baseline):
            if metric.name in reference and metric.name in values[system]:
                keys = {"metric": metric.name, "system": system, "baseline": baseline}
                pair = _Pair.of(metric, values[system][metric.name], reference[metric.name], table)
                rows += [keys | _class_row(i, pair, dataset, context) for i in order if pair.difference.defined[i]]
    return CLASS_DIFFERENCES.frame(rows)


class _Pair(NamedTuple):
    """A metric of a system, of the baseline, and their difference, on the clips that have both."""

    ours: Summary
    theirs: Summary
    difference: Summary

    @classmethod
    def of(cls, metric: MetricInfo, ours: Floats, theirs: Floats, table: ClassTable) -> _Pair:
        both = np.where(np.isfinite(ours) & np.isfinite(theirs), 0.0, np.nan)
        scale = Scale.of(metric.range)
        return cls(
            summarise(ours + both, table, scale),
            summarise(theirs + both, table, scale),
            summarise(ours - theirs, table, scale.difference()),
        )


def _class_row(i: int, pair: _Pair, dataset: Dataset, context: Context) -> Row:
    """The difference of one class with a clip that has both values."""
    table, n = context.table, int(pair.difference.class_counts[i])
    label = table.labels[i]
    row: Row = {
        "label": label,
        "name": dataset.label_names.get(label, label),
        "n_train": int(table.n_train[i]),
        "stratum": table.strata[table.stratum[i]].name,
        "n_clips": n,
        "value": float(pair.ours.class_means[i]),
        "baseline_value": float(pair.theirs.class_means[i]),
        "difference": float(pair.difference.class_means[i]),
        "ci_method": "none",
    }
    if n < MIN_CLASS_CLIPS:
        return row | {"reason": f"fewer than {MIN_CLASS_CLIPS} clips: no interval"}
    interval = linear(pair.difference, (np.arange(len(table.labels)) == i).astype(np.float64), context).interval
    return row | {
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_method": interval.method,
        "reason": interval.reason,
    }


def against_baseline(
    paired: pd.DataFrame,
    metrics: Sequence[MetricInfo],
    baseline: str,
    compared: Sequence[str],
    landmarks: Sequence[str] = (),
) -> pd.DataFrame:
    """The rows of ``LongtailAnalysis.paired`` with the baseline, as system minus baseline.

    Each family of tests is corrected over the rows that are left, instead of over all pairs of systems.

    Args:
        paired, metrics: of the analysis.
        baseline: name of a system.
        compared, landmarks: names of the systems to keep.

    Returns:
        ``frames.statistics.BASELINE_DIFFERENCES``.
    """
    flip = (paired["system_a"] != baseline).to_numpy()
    rows = paired.assign(system=paired["system_b"].where(~flip, paired["system_a"]), baseline=baseline)
    # A difference whose system_a is the baseline changes its sign.
    for new, old in (("difference", "difference"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        rows[new] = paired[new].where(flip, -paired[old])
    has_baseline = (paired["system_a"] == baseline) | (paired["system_b"] == baseline)
    kept = rows[has_baseline & rows["system"].isin([*compared, *landmarks])]
    return BASELINE_DIFFERENCES.cast(corrected(kept, metrics)).reset_index(drop=True)
