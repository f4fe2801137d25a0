"""Confidence intervals and tests on arrays.

Bootstrap samples are kept as *counts* (how often each of n units was drawn), float64 (draws, n): a mean over the sample is
one matrix product, and several statistics and systems share the same draws. Rules used throughout:

- the unit is the class for macro quantities and the clip for micro ones. Resampling clips within a class would give classes
  with one clip no variance at all, and 95 % intervals that cover half of the time;
- classes that share clips are not independent: intervals and tests over classes are widened by the two-way clustered
  standard error (``class_table.Summary.shared_clip_factor``);
- fewer than ``MIN_BOOTSTRAP`` units: Student's t over the units; fewer than two: no interval, and a reason;
- NaN is refused, not skipped: callers select what is defined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from scipy import special
from scipy import stats as sps

from reaudio_eval.scores.jackknife import (
    LEVEL,
    ArrayLike,
    Floats,
    Interval,
    jackknife_interval,
    no_interval,
    student_interval,
)
from reaudio_eval.statistics.thresholds import ALPHA, POWER

MIN_BOOTSTRAP = 10
MAX_ENUMERATED = 14  # units; 2**13 sign patterns up to symmetry
N_FLIPS = 19_999  # the smallest p-value is 5e-5: 5 % survives Holm's correction over 1,000 comparisons
_FLIP_BLOCK = 2_000


class Estimate(NamedTuple):
    """A number and its interval; NaN without value."""

    value: float
    interval: Interval


def undefined(reason: str) -> Estimate:
    """The estimate that does not exist."""
    return Estimate(np.nan, no_interval(reason))


def t_interval(values: ArrayLike, unit: str = "classes") -> Interval:
    """Student's t interval of a mean over units, (n,) finite.

    A few units that happen to agree get none: an interval of no width would claim certainty.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return no_interval(f"{len(x)} {unit}: an interval needs at least 2")
    se = float(x.std(ddof=1) / np.sqrt(len(x)))
    if se == 0:
        reason = f"all {len(x)} {unit} have the same value: too few to estimate the spread"
        return no_interval(reason)._replace(se=0.0, df=len(x) - 1)
    return student_interval(float(x.mean()), se, len(x) - 1, f"t over {unit}")


class Draws:
    """Bootstrap counts by the units drawn from: the same units give the same draws, whatever was asked before.

    Args:
        seed: of the run, 0 or more.
        n_draws: bootstrap samples, e.g. 2,000.
        keep: how many tables stay in memory.
    """

    def __init__(self, seed: int, n_draws: int, keep: int = 64) -> None:
        self.seed = seed
        self.n_draws = n_draws
        self.counts: Callable[[tuple[str, ...]], Floats] = lru_cache(maxsize=keep)(self._counts)

    def _counts(self, units: tuple[str, ...]) -> Floats:
        """float64 (n_draws, len(units)); rows sum to len(units)."""
        return bootstrap_counts(len(units), self.n_draws, self.rng(units))

    def rng(self, units: tuple[str, ...]) -> np.random.Generator:
        """A generator that depends on the seed and the names of the units only."""
        digest = hashlib.sha256("\0".join(units).encode()).digest()
        return np.random.default_rng([self.seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])


def bootstrap_counts(n: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each of n units occurs in each bootstrap sample: float64 (n_draws, n), rows sum to n."""
    drawn = rng.integers(0, n, size=(n_draws, n)) + n * np.arange(n_draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_draws * n).reshape(n_draws, n).astype(np.float64)


def widened_limits(df: float) -> Floats:
    """Standard normal quantiles of the two limits, widened for few units as in Hesterberg's expanded percentile interval
    (arXiv 1411.5279): bootstrap distributions are too narrow by sqrt(df / (df + 1)) and know no t quantile. With 10
    classes the plain limits cover 0.90 instead of 0.95. ``df`` is the number of units less 1; infinity changes nothing."""
    z = float(sps.t.ppf((1 + LEVEL) / 2, df)) * np.sqrt(1 + 1 / df)
    return np.array([-z, z])


def percentile_interval(draws: Floats, df: float, unit: str = "classes") -> Interval:
    """Expanded percentile bootstrap interval (``widened_limits``). Undefined draws (NaN) are left out."""
    low, high = np.nanquantile(draws, sps.norm.cdf(widened_limits(df)))
    method = f"expanded percentile bootstrap over {unit} ({len(draws):,} draws)"
    return Interval(float(low), float(high), float(np.nanstd(draws, ddof=1)), df, method)


def bca_interval(value: float, draws: Floats, jackknife: Floats, df: float, unit: str = "classes") -> Interval:
    """Bias-corrected and accelerated bootstrap interval (Efron 1987) with ``widened_limits``; with infinite ``df`` that of
    scipy.stats.bootstrap to 1e-12.

    Args:
        value: the statistic on the data.
        draws: float64 (n_draws,), on bootstrap samples; undefined ones (NaN) are left out.
        jackknife: float64 (n,), with each unit left out; they give the acceleration.
        df: units less 1.
        unit: what was resampled.
    """
    draws = draws[np.isfinite(draws)]
    below = (np.count_nonzero(draws < value) + np.count_nonzero(draws <= value)) / (2 * len(draws))
    # A value outside all draws would put the limits at infinity: the share is kept half a draw away from 0 and 1.
    bias = sps.norm.ppf(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    influence = np.nanmean(jackknife) - jackknife
    spread = np.nansum(influence**2) ** 1.5
    acceleration = np.nansum(influence**3) / (6 * spread) if spread > 0 else 0.0
    z = bias + widened_limits(df)
    low, high = np.quantile(draws, np.asarray(sps.norm.cdf(bias + z / (1 - acceleration * z))))
    method = f"BCa bootstrap over {unit} ({len(draws):,} draws)"
    return Interval(float(low), float(high), float(draws.std(ddof=1)), df, method)


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


def stratified_jackknife(
    statistic: Callable[[Sequence[Any]], Any], samples: Sequence[Floats], unit: str = "classes"
) -> Interval:
    """t interval of a smooth function of several independent sample means, by leaving out one unit at a time.

    Degrees of freedom after Satterthwaite; for a difference of two means this is Welch's interval.

    Args:
        statistic: vectorised function of the list of means.
        samples: the units' values, one array for each mean.
    """
    if min(map(len, samples)) < 2:
        return no_interval(f"a stratum with fewer than 2 {unit}")
    means = [x.mean() for x in samples]
    variances = []
    for i, x in enumerate(samples):
        left_out = (x.sum() - x) / (len(x) - 1)
        replicates = statistic([*means[:i], left_out, *means[i + 1 :]])
        if not np.isfinite(replicates).all():
            return no_interval(f"undefined without one of the {unit}")
        variances.append((len(x) - 1) / len(x) * np.sum((replicates - np.mean(replicates)) ** 2))
    total = float(np.sum(variances))
    parts = sum(v**2 / (len(x) - 1) for v, x in zip(variances, samples, strict=True))
    df = total**2 / parts if parts > 0 else sum(map(len, samples)) - len(samples)
    return student_interval(float(statistic(means)), float(np.sqrt(total)), float(df), f"t over {unit}")


def mean_interval(values: Floats, draws: Draws, names: tuple[str, ...], unit: str = "classes") -> Interval:
    """Interval of a mean over units by the rules above: expanded percentile bootstrap, t for few units."""
    if len(values) < MIN_BOOTSTRAP:
        return t_interval(values, unit)
    return percentile_interval(draws.counts(names) @ values / len(values), len(values) - 1, unit)


def sign_flip_p(
    terms: Floats, rng: np.random.Generator, widening: ArrayLike | None = None, n_flips: int = N_FLIPS
) -> Floats:
    """Two-sided p-values of sums of signed terms: how often random signs give a sum at least as far from zero.

    For a mean of paired differences the terms are the differences: exact when they are symmetric about zero. For other
    linear statistics the terms are built from residuals under the null hypothesis, which makes it the wild bootstrap with
    the null imposed (Davidson and Flachaire 2008). With at most ``MAX_ENUMERATED`` non-zero terms every pattern
    is enumerated, so that few units give an honestly large p (five units never less than 1/16); otherwise p is (1 + hits) /
    (1 + n_flips).

    Args:
        terms: float64 (n, q), a column for each test; units that do not take part are 0.
        rng: source of the signs.
        widening: (q,), factors by which the sums under random signs are stretched because units are not independent.
        n_flips: random sign patterns.

    Returns:
        float64 (q,).
    """
    p = np.ones(terms.shape[1])
    # Patterns that tie with the observed sum must count in spite of rounding.
    threshold = np.abs(terms.sum(axis=0)) / (1.0 if widening is None else np.asarray(widening))
    threshold -= 1e-10 * np.abs(terms).sum(axis=0)
    n_terms = np.count_nonzero(terms, axis=0)
    for column in np.flatnonzero((n_terms > 0) & (n_terms <= MAX_ENUMERATED)):
        active = terms[terms[:, column] != 0, column]
        patterns = (np.arange(2 ** (len(active) - 1))[:, None] >> np.arange(len(active)) & 1) * 2.0 - 1
        p[column] = np.mean(np.abs(patterns @ active) >= threshold[column])
    sampled = np.flatnonzero(n_terms > MAX_ENUMERATED)
    if len(sampled):
        hits = np.zeros(len(sampled))
        for start in range(0, n_flips, _FLIP_BLOCK):
            block = min(_FLIP_BLOCK, n_flips - start)
            signs = rng.integers(0, 2, size=(block, len(terms)), dtype=np.int8) * 2.0 - 1
            hits += np.count_nonzero(np.abs(signs @ terms[:, sampled]) >= threshold[sampled], axis=0)
        p[sampled] = (1 + hits) / (1 + n_flips)
    return p


def t_test_p(value: float, interval: Interval) -> float:
    """Two-sided p-value of ``value`` against 0 by the standard error of its interval; NaN without one."""
    if interval.se == 0:
        return float(value == 0)
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
