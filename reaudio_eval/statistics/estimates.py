"""Estimates of a metric: means over clips and classes, gap, ratio.

Of one system, or of a difference of two. Point estimates are plain averages of class means. Their intervals follow from the mixed model
of :mod:`reaudio_eval.statistics.fit`, and from the scale of the metric; see ``docs/pages/statistics.md`` for what they assume.
"""

from __future__ import annotations

import numpy as np

from reaudio_eval.scores.jackknife import ROUNDING, Floats, Interval, no_interval
from reaudio_eval.statistics.class_table import Bools, ClassTable, Summary
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.fit import Variance
from reaudio_eval.statistics.intervals import Estimate, undefined
from reaudio_eval.statistics.scale import Scale

METHOD, METHOD_FIXED = "mixed model over classes and clips", "mixed model over clips, classes as they are"
NO_SPREAD = "values do not vary within strata, or are too few: no spread to estimate"
EQUAL = "all values are the same: no spread to estimate"


def head_and_tail(table: ClassTable) -> tuple[int, int]:
    """Positions of the strata called head and tail in gaps: the most frequent one, and the rarest that training saw."""
    return 0, len(table.strata) - 2


def micro(summary: Summary, context: Context) -> Estimate:
    """Mean over all values (clips, or clip-label pairs with clips as clusters); prompts are a sample of such prompts."""
    has_value = summary.clip_counts > 0
    sums, counts = summary.clip_sums[has_value], summary.clip_counts[has_value]
    n, scale = len(sums), summary.scale
    if n == 0:
        return undefined("no clip has a value")
    value = scale.rounded(float(sums.sum() / counts.sum()))
    if n < 2:
        return Estimate(value, no_interval("1 clip: an interval needs at least 2"))
    # Linearised: the residuals of a ratio of sums behave like the values of a mean.
    residuals = (sums - value * counts) * n / counts.sum()
    residuals[np.abs(residuals) <= ROUNDING * np.abs(sums).max()] = 0.0
    spread, unit = float(residuals @ residuals) / (n - 1), float(scale.variance(np.array(value)))
    at_bound = scale.bounded and unit == 0
    if spread == 0 and not at_bound:
        return Estimate(value, no_interval(EQUAL))
    # A proportion of 0 or 1 has the effective size of its clips.
    relative = 1 / n if at_bound else spread / unit / n
    return Estimate(value, mean_interval(scale, value, Variance(relative, n - 1), "clips as a sample"))


def linear(summary: Summary, coefficients: Floats, context: Context) -> Estimate:
    """``coefficients @ class_means`` for float64 (C,), 0 for classes without a mean; of a sum of 1 (a mean) or 0 (a contrast).

    A contrast of scores whose variance depends on their level has an interval by :func:`difference_of_means` instead. A value beyond the
    range (of a smooth with negative weights) is set to its bound.
    """
    means = np.where(summary.defined, summary.class_means, 0.0)
    fit = context.fit(summary)
    value = summary.scale.rounded(float(coefficients @ means))
    too_few = context.too_few(int(np.count_nonzero(coefficients)))
    if too_few is not None:
        return Estimate(value, too_few)
    if fit.constant:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, mean_interval(summary.scale, value, fit.variance(coefficients), method(context)))


def macro(summary: Summary, classes: Bools, context: Context) -> Estimate:
    """Mean over the means of some classes."""
    chosen = classes & summary.defined
    if not chosen.any():
        return undefined("no clip of these classes has a value" if classes.any() else "no such class is in the test set")
    return linear(summary, chosen / chosen.sum(), context)


def weighted(summary: Summary, weights: Floats, context: Context) -> Estimate:
    """Weighted mean over class means, weights >= 0 (C,)."""
    chosen = np.where(summary.defined, weights, 0.0)
    if not chosen.any():
        return undefined("no class with a value has a weight")
    return linear(summary, chosen / chosen.sum(), context)


def gap(summary: Summary, context: Context) -> Estimate:
    """Mean of the head's classes less mean of the tail's."""
    ends = _ends(summary, context)
    if isinstance(ends, Interval):
        return Estimate(np.nan, ends)
    head, tail = ends
    missing = _too_few_ends(summary, context)
    if summary.scale.constant and missing is None:
        return linear(summary, head - tail, context)
    a, b = linear(summary, head, context), linear(summary, tail, context)
    missing = missing or _without_interval(a, b)
    if missing is not None:
        return Estimate(a.value - b.value, missing)
    down, up = difference_of_means(a, b, _correlation(summary, head, tail, context))
    return _around(a.value - b.value, down, up, min(a.interval.df, b.interval.df), context)


def ratio(summary: Summary, context: Context) -> Estimate:
    """Mean of the tail's classes over mean of the head's, where the latter is positive."""
    ends = _ends(summary, context)
    if isinstance(ends, Interval):
        return Estimate(np.nan, ends)
    head, tail = ends
    a, b = linear(summary, tail, context), linear(summary, head, context)
    if b.value <= 0:
        return undefined("the head's mean is not positive")
    value = a.value / b.value
    missing = _too_few_ends(summary, context) or _without_interval(a, b)
    if missing is None and min(a.interval.low, b.interval.low) < 0:
        missing = no_interval("a mean that could be negative has no ratio")
    if missing is None and b.interval.low == 0:
        missing = no_interval("the interval of the head's mean includes 0")
    if missing is not None:
        return Estimate(value, missing)
    df = min(a.interval.df, b.interval.df)
    if a.value == 0:
        return Estimate(0.0, Interval(0.0, a.interval.high / b.interval.low, np.nan, df, method(context)))
    down, up = difference_of_means(_logarithm(a), _logarithm(b), _correlation(summary, tail, head, context))
    return _around(value, value * -float(np.expm1(-down)), value * float(np.expm1(up)), df, context)


def difference_of_means(a: Estimate, b: Estimate, correlation: float) -> tuple[float, float]:
    """Distances from a - b to the ends of its interval, from the intervals of a and b, so that they stay inside the possible values (MOVER;
    Zou and Donner 2008, Statistics in Medicine 27)."""

    def distance(x: float, y: float) -> float:
        if np.isinf(x):
            return np.inf
        square = x * x + y * y - 2 * correlation * x * y
        return float(np.sqrt(square)) if square > ROUNDING * (x * x + y * y) else 0.0

    return (
        distance(a.value - a.interval.low, b.interval.high - b.value),
        distance(a.interval.high - a.value, b.value - b.interval.low),
    )


def _around(value: float, down: float, up: float, df: float, context: Context) -> Estimate:
    """The estimate with its interval from value - down to value + up; none without a width, where both means rest on the same clips."""
    if not value - down < value + up:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, Interval(value - down, value + up, np.nan, df, method(context)))


def _logarithm(estimate: Estimate) -> Estimate:
    value, interval = estimate
    with np.errstate(divide="ignore"):  # a lower end of 0 is minus infinity
        low, high = (float(np.log(end)) for end in (interval.low, interval.high))
    return Estimate(float(np.log(value)), interval._replace(low=low, high=high))


def _ends(summary: Summary, context: Context) -> tuple[Floats, Floats] | Interval:
    """Coefficients of the head's and the tail's mean, or why there are none."""
    table = context.table
    head, tail = head_and_tail(table)
    if head == tail:
        return no_interval("the strata do not divide the classes seen in training")
    members = [(table.stratum == s) & summary.defined for s in (head, tail)]
    empty = [table.strata[s].title for s, m in zip((head, tail), members, strict=True) if not m.any()]
    if empty:
        return no_interval(f"no class of {empty[0]} has a value")
    a, b = (m / m.sum() for m in members)
    return a, b


def _too_few_ends(summary: Summary, context: Context) -> Interval | None:
    """Why a quantity of the ends has no interval, by their classes."""
    sizes = [int(((context.table.stratum == s) & summary.defined).sum()) for s in head_and_tail(context.table)]
    return context.too_few(min(sizes))


def _without_interval(*estimates: Estimate) -> Interval | None:
    """The reason of the first estimate without an interval."""
    return next((no_interval(str(e.interval.reason)) for e in estimates if e.interval.reason is not None), None)


def _correlation(summary: Summary, a: Floats, b: Floats, context: Context) -> float:
    fit = context.fit(summary)
    spread = np.sqrt(fit.covariance(a, a) * fit.covariance(b, b))
    return float(np.clip(fit.covariance(a, b) / spread, -1, 1)) if spread > 0 else 0.0


def mean_interval(scale: Scale, value: float, variance: Variance, method: str) -> Interval:
    """Interval of a mean on a scale; none where it would have no width, or no end."""
    if not variance.relative > 0:
        return no_interval(NO_SPREAD)
    low, high = (float(end[0]) for end in scale.interval([value], [variance.relative], [variance.df]))
    if not (low < high and np.isfinite(high - low)):
        return no_interval(NO_SPREAD if low == high else "too few values for the interval to have an end")
    se = float(np.sqrt(variance.relative * scale.variance(np.array(value))))
    return Interval(low, high, se, variance.df, method)


def method(context: Context) -> str:
    """How intervals over classes are computed, for readers."""
    return METHOD if context.estimand == "sampled-classes" else METHOD_FIXED
