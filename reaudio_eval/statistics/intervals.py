"""Estimates, paired tests, and inequality of counts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy import stats as sps

from reaudio_eval.scores.jackknife import ArrayLike, Floats, Interval, jackknife_interval, no_interval
from reaudio_eval.statistics.thresholds import ALPHA, POWER


class Estimate(NamedTuple):
    """A number and its interval; NaN without value."""

    value: float
    interval: Interval


def undefined(reason: str) -> Estimate:
    """The estimate that does not exist."""
    return Estimate(np.nan, no_interval(reason))


def paired_jackknife(
    value_a: float, replicates_a: ArrayLike, value_b: float, replicates_b: ArrayLike, sizes: Sequence[int] | None = None
) -> Interval:
    """Interval of ``value_a - value_b`` when both were computed on the same clips with the same groups left out.

    Raises:
        ValueError: different numbers of groups.
    """
    a, b = np.asarray(replicates_a, dtype=np.float64), np.asarray(replicates_b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} and {len(b)} jackknife groups cannot be paired")
    return jackknife_interval(value_a - value_b, a - b, sizes)


def t_test_p(value: float, interval: Interval) -> float:
    """Two-sided p-value of ``value`` against 0 by the standard error of its interval; NaN without one."""
    return float(2 * sps.t.sf(abs(value) / interval.se, interval.df))


def holm(p_values: ArrayLike) -> Floats:
    """Holm's step-down adjusted p-values (1979); NaN entries are no tests and stay NaN. Own code, since
    statsmodels is not a dependency."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    order = np.flatnonzero(~np.isnan(p))[np.argsort(p[~np.isnan(p)], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def detectable_difference(se: float, df: float = np.inf, alpha: float = ALPHA, power: float = POWER) -> float:
    """Smallest true difference that a two-sided t test at ``alpha`` finds with probability ``power`` (Miller, arXiv 2411.00640, section 5,
    with the noncentral t distribution), from the standard error of the paired difference and its degrees of freedom."""
    if np.isnan(se) or np.isnan(df):
        return np.nan
    return _noncentrality(float(df), float(alpha), float(power)) * se


@lru_cache(maxsize=4096)
def _noncentrality(df: float, alpha: float, power: float) -> float:
    """Difference over its standard error at which a t test has this power."""
    critical = float(special.ndtri(1 - alpha / 2) if np.isinf(df) else special.stdtrit(df, 1 - alpha / 2))
    # The other tail, of a significant difference with the wrong sign, adds less than alpha / 1000.
    return float(critical + special.ndtri(power) if np.isinf(df) else special.nctdtrinc(df, 1 - power, critical))


def gini(counts: ArrayLike) -> float:
    """Gini coefficient of non-negative counts: 0 when all are equal, (n - 1) / n when one holds everything."""
    x = np.sort(np.asarray(counts, dtype=np.float64))
    if len(x) == 0 or x.sum() == 0:
        return np.nan
    ranks = np.arange(1, len(x) + 1)
    return float(np.sum((2 * ranks - len(x) - 1) * x) / (len(x) * x.sum()))


def imbalance_ratio(counts: ArrayLike) -> float:
    """Largest over smallest of the positive counts, or NaN without any."""
    x = np.asarray(counts, dtype=np.float64)
    x = x[x > 0]
    return float(x.max() / x.min()) if len(x) else np.nan
