"""Differences of systems to a baseline: of every class on the clips that both have, and of every stratum from the paired tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from reaudio_eval.frames.statistics import BASELINE_DIFFERENCES, CLASS_DIFFERENCES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.class_table import ClassTable, all_metrics, class_table, score_arrays
from reaudio_eval.statistics.intervals import Draws, holm, mean_interval
from reaudio_eval.statistics.rows import Row
from reaudio_eval.statistics.thresholds import MIN_CLASS_CLIPS


def class_differences(
    systems: Sequence[SystemScores],
    baseline: str,
    dataset: Dataset,
    strata: Sequence[Stratum],
    *,
    seed: int = 0,
    n_draws: int = 2000,
) -> pd.DataFrame:
    """System minus baseline for every class, metric with a value per clip or label, and system, over the clips where both have one.

    Intervals are over the clips of the class (expanded percentile bootstrap, t below ten clips) and not corrected for the number of
    classes; a class with fewer than ``MIN_CLASS_CLIPS`` has none.

    Args:
        systems: scored on the same clips, the baseline among them.
        baseline: name of the system that the others are compared with.
        dataset: the prompts of those clips, and training counts.
        strata: that partition the counts.
        seed: of the bootstrap, 0 or more; the draws of a class depend on it and on the class's clips only.
        n_draws: bootstrap samples.

    Returns:
        ``frames.statistics.CLASS_DIFFERENCES``; metrics and systems in their order, classes from the most to the least frequent.

    Raises:
        StopIteration: no system is called ``baseline``.
    """
    table = class_table(dataset, strata)
    draws = Draws(seed, n_draws, keep=max(1, len(table.labels)))
    values = {s.system.name: score_arrays(s, table) for s in systems}
    own = values[next(s.system.name for s in systems if s.system.name == baseline)]
    order = sorted(range(len(table.labels)), key=lambda i: (-int(table.n_train[i]), table.labels[i]))
    rows: list[Row] = []
    for metric in all_metrics(systems):
        for system in (s.system.name for s in systems if s.system.name != baseline):
            if metric.name in own and metric.name in values[system]:
                who = {"metric": metric.name, "system": system, "baseline": baseline}
                a, b = values[system][metric.name], own[metric.name]
                rows += [who | row for i in order if (row := _class_row(i, a, b, table, dataset, draws))]
    return CLASS_DIFFERENCES.frame(rows)


def _class_row(i: int, a: Floats, b: Floats, table: ClassTable, dataset: Dataset, draws: Draws) -> Row | None:
    """The difference of one class; None where no clip of it has both values."""
    rows = np.flatnonzero(table.member[:, i])
    ours, theirs = (x[rows] if x.ndim == 1 else x[rows, i] for x in (a, b))
    both = np.isfinite(ours) & np.isfinite(theirs)
    if not both.any():
        return None
    difference, label, n = (ours - theirs)[both], table.labels[i], int(both.sum())
    row: Row = {
        "label": label,
        "name": dataset.label_names.get(label, label),
        "n_train": int(table.n_train[i]),
        "stratum": table.strata[table.stratum[i]].name,
        "n_clips": n,
        "value": float(ours[both].mean()),
        "baseline_value": float(theirs[both].mean()),
        "difference": float(difference.mean()),
        "ci_method": "none",
    }
    if n < MIN_CLASS_CLIPS:
        return row | {"reason": f"fewer than {MIN_CLASS_CLIPS} clips: no interval"}
    interval = mean_interval(difference, draws, tuple(table.clip_ids[r] for r in rows[both]), "clips")
    return row | {
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_method": interval.method,
        "reason": interval.reason,
    }


def against_baseline(
    paired: pd.DataFrame, baseline: str, compared: Sequence[str], landmarks: Sequence[str] = ()
) -> pd.DataFrame:
    """The rows of ``LongtailAnalysis.paired`` that hold the baseline, turned so that the difference is system minus baseline.

    ``p_holm`` is computed anew: Holm's correction over the compared systems and all quantities of a metric, which is what was asked,
    instead of over all pairs of systems. Landmarks (the real audio) are no part of that question and are corrected among themselves.

    Args:
        paired: of the analysis.
        baseline: name of a system.
        compared, landmarks: names of the systems to keep.

    Returns:
        ``frames.statistics.BASELINE_DIFFERENCES``.
    """
    flip = (paired["system_a"] != baseline).to_numpy()
    rows = paired.assign(system=paired["system_b"].where(~flip, paired["system_a"]), baseline=baseline)
    # A difference a - b with the baseline as a is turned around.
    for new, old in (("difference", "difference"), ("ci_low", "ci_high"), ("ci_high", "ci_low")):
        rows[new] = paired[new].where(flip, -paired[old])
    has_baseline = (paired["system_a"] == baseline) | (paired["system_b"] == baseline)
    families = [rows[has_baseline & rows["system"].isin(names)] for names in (compared, landmarks)]
    for family in families:
        for _, own in family.groupby("metric"):
            rows.loc[own.index, "p_holm"] = holm(own["p_value"].to_numpy(dtype="float64"))
    kept = rows.loc[sorted(i for family in families for i in family.index)]
    return BASELINE_DIFFERENCES.cast(kept).reset_index(drop=True)
