"""Differences of systems to a baseline."""

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
from reaudio_model.common.errors import one_of


def class_differences(
    systems: Sequence[SystemScores],
    baseline: str,
    dataset: Dataset,
    strata: Sequence[Stratum],
    *,
    seed: int = 0,
    n_draws: int = 2000,
) -> pd.DataFrame:
    """System minus baseline for every class, clip- or label-level metric and system, over the clips where both have a value.

    Intervals are over the clips of the class (expanded percentile bootstrap, Student's t below ten clips) and not corrected for the number
    of classes; a class with fewer than ``MIN_CLASS_CLIPS`` has none.

    Args:
        systems: scored on the same clips, the baseline among them.
        baseline: name of the system that the others are compared with.
        dataset, strata: the prompts of those clips with training counts, and strata that partition the counts.
        seed, n_draws: of the bootstrap; the draws of a class depend on the seed and the clips of the class only.

    Returns:
        ``frames.statistics.CLASS_DIFFERENCES``; metrics and systems in their order, classes from the most to the least frequent.

    Raises:
        UnknownNameError: no system is called ``baseline``.
    """
    table = class_table(dataset, strata)
    draws = Draws(seed, n_draws, keep=max(1, len(table.labels)))
    values = {s.system.name: score_arrays(s, table) for s in systems}
    reference = values[one_of("system", baseline, values)]
    order = sorted(range(len(table.labels)), key=lambda i: (-int(table.n_train[i]), table.labels[i]))
    rows: list[Row] = []
    for metric in all_metrics(systems):
        for system in (s.system.name for s in systems if s.system.name != baseline):
            if metric.name in reference and metric.name in values[system]:
                keys = {"metric": metric.name, "system": system, "baseline": baseline}
                a, b = values[system][metric.name], reference[metric.name]
                rows += [keys | row for i in order if (row := _class_row(i, a, b, table, dataset, draws))]
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
    """The rows of ``LongtailAnalysis.paired`` with the baseline, as system minus baseline.

    ``p_holm`` is corrected over the compared systems and all quantities of a metric, instead of over all pairs of systems; landmarks (the
    real audio) are corrected among themselves.

    Args:
        paired: of the analysis.
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
    families = [rows[has_baseline & rows["system"].isin(names)] for names in (compared, landmarks)]
    for family in families:
        for _, tests in family.groupby("metric"):
            rows.loc[tests.index, "p_holm"] = holm(tests["p_value"].to_numpy(dtype="float64"))
    kept = rows.loc[sorted(i for family in families for i in family.index)]
    return BASELINE_DIFFERENCES.cast(kept).reset_index(drop=True)
