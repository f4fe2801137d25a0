"""Intervals of set metrics by a delete-a-group jackknife."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats as sps

from reaudio_eval.scores.system_scores import Range

Floats = npt.NDArray[np.float64]


ArrayLike = Sequence[float] | npt.NDArray[np.floating[Any]]


LEVEL = 0.95
ROUNDING = 1e-13  # of a value, relative to the largest in magnitude


class Interval(NamedTuple):
    """A confidence interval at ``LEVEL``.

    Attributes:
        low, high: NaN without interval.
        se: standard error, or NaN.
        df: degrees of freedom of the standard error, or NaN.
        method: for the reader, e.g. "mixed model over classes and clips"; "none" without interval.
        reason: why there is no interval, else None.
    """

    low: float
    high: float
    se: float
    df: float
    method: str
    reason: str | None = None

    def within(self, allowed: Range) -> Interval:
        """This interval cut off at the bounds of a metric, which lie outside no truth."""
        low = self.low if allowed.low is None else max(self.low, allowed.low)
        high = self.high if allowed.high is None else min(self.high, allowed.high)
        return self if self.reason is not None else self._replace(low=low, high=high)


def no_interval(reason: str) -> Interval:
    """The interval that does not exist."""
    return Interval(np.nan, np.nan, np.nan, np.nan, "none", reason)


def student_interval(value: float, se: float, df: float, method: str) -> Interval:
    """value -+ t quantile x se."""
    half = float(sps.t.ppf((1 + LEVEL) / 2, df)) * se
    return Interval(value - half, value + half, se, df, method)


RANDOM_GROUPS = "delete-a-group jackknife"


def jackknife_interval(
    value: float, replicates: ArrayLike, sizes: Sequence[int] | None = None, method: str = RANDOM_GROUPS
) -> Interval:
    """Interval of a set metric from a delete-a-group jackknife, t with (groups - 1) degrees of freedom.

    Args:
        value: the metric on all clips.
        replicates: (G,), the metric with each group of clips left out; NaN where undefined (that group is then not used).
        sizes: clips in each group, or None for equal groups. Unequal groups follow Busing, Meijer and van der Leeden (1999),
            which for equal ones is the textbook variance (G - 1) / G * sum((r - mean(r))**2).
        method: for the reader.
    """
    r = np.asarray(replicates, dtype=np.float64)
    used = np.isfinite(r)
    n_groups = int(used.sum())
    if n_groups < 2 or not np.isfinite(value):
        return no_interval(f"{n_groups} usable jackknife groups: an interval needs at least 2")
    weights = np.ones(len(r)) if sizes is None else np.asarray(sizes, dtype=np.float64)
    r, share = r[used], weights[used] / weights[used].sum()
    pseudo = (value - (1 - share) * r) / share
    centre = n_groups * value - float(((1 - share) * r).sum())
    variance = float(np.mean((pseudo - centre) ** 2 * share / (1 - share)))
    if np.sqrt(variance) <= ROUNDING * max(abs(value), np.abs(r).max()):
        return no_interval(f"all {n_groups} jackknife groups give the same value: no spread to estimate")
    return student_interval(value, float(np.sqrt(variance)), n_groups - 1, f"{method} ({n_groups} groups)")
