"""Agreement of participants: Krippendorff's alpha, split halves, repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as sps

from reaudio_eval.evaluations.listening.resampling import MIN_BOOTSTRAP, Draws, percentile_interval, unit_counts
from reaudio_eval.features.feature_set import IntArray
from reaudio_eval.scores.jackknife import Floats, no_interval
from reaudio_eval.statistics.intervals import Estimate, undefined

N_SPLITS = 100
MIN_SPLIT = 4  # participants


class AlphaParts(NamedTuple):
    """Units with two ratings or more, for Krippendorff's alpha.

    Attributes:
        n, total, squares: float64 (U,), number of the ratings of a unit, their sum and sum of squares.
        within: float64 (U,), disagreement within the unit.
        rows: intp (U,), position of the first rating of the unit.
    """

    n: Floats
    total: Floats
    squares: Floats
    within: Floats
    rows: IntArray


def alpha_parts(values: Floats, units: Sequence[str]) -> AlphaParts:
    """Units in sorted order; see :func:`krippendorff_alpha` for the arguments."""
    _, first, codes = np.unique(np.asarray(units, dtype=str), return_index=True, return_inverse=True)
    n = np.bincount(codes).astype(np.float64)
    total, squares = (np.bincount(codes, x).astype(np.float64) for x in (values, values**2))
    keep = n >= 2
    n, total, squares = n[keep], total[keep], squares[keep]
    within = 2 * n * np.maximum(squares - total**2 / n, 0.0) / (n - 1)
    return AlphaParts(n, total, squares, within, first[keep])


def krippendorff_alpha(values: Floats, units: Sequence[str]) -> float:
    """Krippendorff's alpha for interval data (Krippendorff 2011): 1 is perfect agreement, 0 what chance gives.

    Args:
        values: float64 (n,), all ratings.
        units: (n,), what each rates; units with one rating are left out.

    Returns:
        NaN when no unit has two ratings, or all ratings are equal.
    """
    parts = alpha_parts(values, units)
    return float(_alpha(np.ones((1, len(parts.n))), parts)[0])


def _alpha(weights: Floats, parts: AlphaParts) -> Floats:
    """Alpha with each unit weighted by ``weights``: (B, U) -> (B,)."""
    count = weights @ parts.n
    some = count > 0
    spread = np.zeros(len(count))
    spread[some] = (weights @ parts.squares)[some] - (weights @ parts.total)[some] ** 2 / count[some]
    out = np.full(len(count), np.nan)
    varied = spread > 1e-12
    expected = 2 * spread[varied] / (count[varied] - 1)
    out[varied] = 1 - (weights @ parts.within)[varied] / count[varied] / expected
    return out


def alpha_estimate(ratings: pd.DataFrame, draws: Draws) -> Estimate:
    """Alpha of one question's ratings, with an interval from resampled prompts.

    Participants are not resampled: a participant drawn twice would agree with their own copy.
    """
    both = _both_ways(ratings)
    units = (both["prompt"] + "\0" + both["system_a"] + "\0" + both["system_b"].fillna("")).tolist()
    parts = alpha_parts(both["value"].to_numpy(dtype=np.float64), units)
    value = float(_alpha(np.ones((1, len(parts.n))), parts)[0])
    if not np.isfinite(value):
        return undefined("no clip was rated twice, or all ratings are equal")
    owners = both["prompt"].iloc[parts.rows]
    n = owners.nunique()
    if n < MIN_BOOTSTRAP:
        return Estimate(value, no_interval(f"{n} prompts: an interval needs at least {MIN_BOOTSTRAP}"))
    return Estimate(value, percentile_interval(_alpha(unit_counts(owners, "prompts", draws), parts), n - 1, "prompts"))


def _both_ways(ratings: pd.DataFrame) -> pd.DataFrame:
    """Each comparison in both directions, so that the expected disagreement does not depend on which system is the first."""
    pairs = ratings[ratings["system_b"].notna()]
    reversed_pairs = pairs.rename(columns={"system_a": "system_b", "system_b": "system_a"}).assign(value=1 - pairs["value"])
    return pd.concat([ratings, reversed_pairs], ignore_index=True) if len(reversed_pairs) else ratings


def split_half(clip_ratings: pd.DataFrame, draws: Draws) -> tuple[float, str | None]:
    """Split-half reliability of the clip means: rank correlation of the means of two halves of the participants, averaged over random
    halves, with the Spearman-Brown correction. Its square root bounds the correlation that a metric can reach.

    Args:
        clip_ratings: participant, prompt, system, value.
        draws: source of the halves.

    Returns:
        The reliability or NaN, and why it is NaN.
    """
    people = sorted(set(clip_ratings["participant"]))
    if len(people) < MIN_SPLIT:
        return np.nan, f"{len(people)} participants: two halves need at least {MIN_SPLIT}"
    table = clip_ratings.pivot_table(index="participant", columns=["prompt", "system"], values="value", aggfunc="mean")
    values = table.loc[people].to_numpy(dtype=np.float64)
    rng = draws.rng(("halves", *people))
    correlations = [r for _ in range(N_SPLITS) if np.isfinite(r := _halves(values, rng.permutation(len(people))))]
    if not correlations:
        return np.nan, "too few clips were rated by both halves"
    mean = float(np.mean(correlations))
    return (2 * mean / (1 + mean) if mean > 0 else 0.0), None


def _halves(values: Floats, order: IntArray) -> float:
    half = len(order) // 2
    sides = [values[order[:half]], values[order[half:]]]
    counts = [np.isfinite(s).sum(axis=0) for s in sides]
    both = (counts[0] > 0) & (counts[1] > 0)
    if both.sum() < 3:
        return np.nan
    means = [np.nansum(s[:, both], axis=0) / c[both] for s, c in zip(sides, counts, strict=True)]
    if any(np.ptp(m) == 0 for m in means):
        return np.nan
    return float(sps.spearmanr(*means).statistic)


def consistency(repeats: pd.DataFrame) -> tuple[int, float, float]:
    """Answers to repeated items: their number, the proportion of equal ones, the mean absolute difference."""
    if repeats.empty:
        return 0, np.nan, np.nan
    gap = (repeats["first"] - repeats["second"]).abs()
    return len(gap), float((gap == 0).mean()), float(gap.mean())
