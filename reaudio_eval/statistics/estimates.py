"""Estimates of a metric: means, gap, ratio, slope, rank correlation, worst tenth.

Of one system, or of a difference of two. Point estimates are plain averages of class means. Their intervals follow from the mixed model
of :mod:`reaudio_eval.statistics.fit`, and from the scale of the metric; see ``docs/pages/statistics.md`` for what they assume.
"""

from __future__ import annotations

import numpy as np
from scipy import stats as sps

from reaudio_eval.scores.jackknife import LEVEL, Floats, Interval, no_interval, student_interval
from reaudio_eval.statistics.class_table import Bools, ClassTable, Summary
from reaudio_eval.statistics.context import Context, observed
from reaudio_eval.statistics.fit import Variance, class_effects
from reaudio_eval.statistics.fit import slope as fitted_slope
from reaudio_eval.statistics.intervals import Estimate, undefined
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.thresholds import ALPHA

WORST_SHARE = 0.10
METHOD, METHOD_FIXED = "mixed model over classes and clips", "mixed model over clips, classes as they are"
NO_SPREAD = "all values are the same: nothing to estimate a spread from"


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
    value = float(sums.sum() / counts.sum())
    if n < 2:
        return Estimate(value, no_interval("1 clip: an interval needs at least 2"))
    # Linearised: the residuals of a ratio of sums behave like the values of a mean.
    residuals = (sums - value * counts) * n / counts.sum()
    spread, unit = float(residuals @ residuals) / (n - 1), float(scale.variance(np.array(value)))
    if spread == 0 and not (scale.bounded and value in (scale.low, scale.high)):
        return Estimate(value, no_interval(NO_SPREAD))
    # A proportion of 0 or 1 has the effective size of its clips.
    relative = spread / unit / n if spread > 0 else 1 / n
    return Estimate(value, _interval(scale, value, Variance(relative, n - 1), "clips as a sample"))


def linear(summary: Summary, coefficients: Floats, context: Context) -> Estimate:
    """``coefficients @ class_means`` for float64 (C,), 0 for classes without a mean; of a sum of 1 (a mean) or 0 (a contrast).

    A contrast of scores whose variance depends on their level has an interval by :func:`difference_of_means` instead. A value beyond the range
    (of a smooth with negative weights) is set to its bound.
    """
    means = np.where(summary.defined, summary.class_means, 0.0)
    fit = context.fit(summary)
    value = float(np.clip(coefficients @ means, summary.scale.low, summary.scale.high))
    too_few = context.too_few(np.count_nonzero(coefficients))
    if too_few is not None:
        return Estimate(value, too_few)
    if fit.constant:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, _interval(summary.scale, value, fit.variance(coefficients), _method(context)))


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
    if summary.scale.constant and _missing(summary, context) is None:
        return linear(summary, head - tail, context)
    a, b = linear(summary, head, context), linear(summary, tail, context)
    value = a.value - b.value
    missing = _missing(summary, context, a, b)
    return Estimate(value, missing or difference_of_means(a, b, _correlation(summary, head, tail, context), context))


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
    missing = _missing(summary, context, a, b)
    if missing is None and min(a.interval.low, b.interval.low) < 0:
        missing = no_interval("a mean that could be negative has no ratio")
    if missing is None and b.interval.low == 0:
        missing = no_interval("the interval of the head's mean includes 0")
    return Estimate(value, missing or _ratio_of_means(a, b, _correlation(summary, tail, head, context), context))


def slope(summary: Summary, context: Context) -> Estimate:
    """Change of the score for ten times the training clips: the coefficient of log10(1 + n_train) in the mixed model."""
    chosen = summary.defined
    n = int(chosen.sum())
    if n == 0 or len(np.unique(context.table.n_train[chosen])) < 2:
        return undefined(f"{n} class{'' if n == 1 else 'es'} with one training count: no slope")
    fit = context.trend_fit(summary)
    value, se = fitted_slope(fit)
    if n < max(3, context.min_classes):
        return Estimate(value, context.too_few(n) or no_interval(f"{n} classes: an interval needs at least 3"))
    if fit.constant or se == 0:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, student_interval(value, se, n - 2, _method(context)))


def spearman(summary: Summary, context: Context) -> Estimate:
    """Rank correlation of the training count of a class, and the score of one of its clips, class and clip drawn at random.

    Class means of few clips scatter more than those of many, so that their rank correlation with the count is not 0 where every class has
    the same expected score; this one is. It is linear in the ranks of the scores, midranks in the distribution of a random clip of a random
    class, which gives its interval by the mixed model on Fisher's scale.
    """
    chosen, table = summary.defined, context.table
    n = int(chosen.sum())
    if n < 3:
        return undefined(f"{n} class{'' if n == 1 else 'es'}: a rank correlation needs at least 3")
    counts = np.where(chosen, summary.class_counts, 1)
    of_pair = (summary.scored / counts)[summary.scored] / n  # probability of a (clip, class) pair
    ranks = _midranks(summary.pair_values[summary.scored], of_pair)
    x = np.zeros(len(chosen))
    x[chosen] = sps.rankdata(table.n_train[chosen])
    x[chosen] -= x[chosen].mean()
    spread = np.sqrt(float(of_pair @ (ranks - 0.5) ** 2) * float(x @ x) / n)
    if spread == 0:
        return undefined("all scores or all training counts are the same")
    of_classes = np.zeros(summary.scored.shape)
    of_classes[summary.scored] = ranks
    coefficients = x / n / spread
    value = float(coefficients @ (of_classes.sum(axis=0) / counts))
    if n < max(4, context.min_classes):
        return Estimate(value, no_interval(f"{n} classes: an interval needs at least {max(4, context.min_classes)}"))
    rank_of = of_classes[summary.scored] if summary.by_label else of_classes.max(axis=1)[summary.scored.any(axis=1)]
    se = float(np.sqrt(context.fit_of(summary, rank_of).variance(coefficients).relative))
    half = float(sps.t.ppf((1 + LEVEL) / 2, n - 2)) * se / max(1 - value**2, np.finfo(float).eps)
    low, high = np.tanh(np.arctanh(value) + np.array([-half, half]))
    return Estimate(value, Interval(float(low), float(high), se, n - 2, _method(context)))


def worst_tenth(summary: Summary, higher_is_better: bool, context: Context) -> Estimate:
    """Mean of the predicted scores of the tenth of the classes (rounded up) whose predicted scores are worst.

    Raw class means would name classes of one unlucky clip, and be far too low. A predicted score is shrunken by as much as its clips leave open
    (:func:`shrunken`); where classes do not differ it is that of all classes.
    """
    chosen = summary.defined
    if not chosen.any():
        return undefined("no class has a value")
    if (too_few := context.too_few(int(chosen.sum()))) is not None:
        return undefined(str(too_few.reason))
    fit = context.fit(summary)
    effects = class_effects(fit, between_strata(summary, context))
    order = np.argsort(np.where(chosen, effects.values if higher_is_better else -effects.values, np.inf), kind="stable")
    worst = order[: int(np.ceil(WORST_SHARE * chosen.sum()))]
    value = float(effects.values[worst].mean())
    relative = float(effects.covariance[np.ix_(worst, worst)].mean())
    if fit.constant or relative <= 0:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, _interval(summary.scale, value, Variance(relative, chosen.sum() - 1), _method(context)))


def shrunken(summary: Summary, context: Context) -> tuple[Floats, Floats, Floats]:
    """Predicted class means and the ends of their intervals, each float64 (C,); NaN for classes without a value, or without an interval."""
    values, low, high = (np.full(len(summary.class_means), np.nan) for _ in range(3))
    chosen = summary.defined
    if context.too_few(int(chosen.sum())) is not None or not chosen.any():
        return values, low, high
    fit = context.fit(summary)
    effects = class_effects(fit, between_strata(summary, context))
    values[chosen] = effects.values[chosen]
    relative = np.diag(effects.covariance)
    certain = chosen & (relative > 0) & (not fit.constant)
    low[certain], high[certain] = summary.scale.interval(values[certain], relative[certain], chosen.sum() - 1)
    return values, low, high


def between_strata(summary: Summary, context: Context) -> float:
    """Variance of the strata's effects by the method of moments (DerSimonian and Laird 1986), on the standardised scale; 0 where they do not
    differ significantly (Cochran's Q at 5 %)."""
    table, fit = context.table, context.fit(summary)
    members = [(table.stratum == s) & summary.defined for s in np.unique(table.stratum[summary.defined])]
    coefficients = [m / m.sum() for m in members]
    variances = np.array([fit.variance(c).relative for c in coefficients])
    if len(members) < 2 or not (variances > 0).all():
        return 0.0
    overall = float(np.mean(summary.class_means[summary.defined]))
    spread = np.sqrt(fit.scale.variance(fit.scale.inside(np.array(overall), overall)))
    means = np.array([float(summary.class_means[m].mean()) for m in members]) / max(float(spread), np.finfo(float).tiny)
    weights = 1 / variances
    centre = weights @ means / weights.sum()
    q, df = float(weights @ (means - centre) ** 2), len(means) - 1
    if q < sps.chi2.ppf(1 - ALPHA, df):
        return 0.0
    return float((q - df) / (weights.sum() - weights @ weights / weights.sum()))


def difference_of_means(a: Estimate, b: Estimate, correlation: float, context: Context) -> Interval:
    """Interval of a - b from those of a and b (MOVER; Zou and Donner 2008, Statistics in Medicine 27): inside the possible values."""
    lower = (a.value - a.interval.low, b.interval.high - b.value)
    upper = (a.interval.high - a.value, b.value - b.interval.low)
    down, up = (np.sqrt(max(0.0, x * x + y * y - 2 * correlation * x * y)) for x, y in (lower, upper))
    value = a.value - b.value
    df = min(a.interval.df, b.interval.df)
    return Interval(value - float(down), value + float(up), np.nan, df, _method(context))


def _ratio_of_means(a: Estimate, b: Estimate, correlation: float, context: Context) -> Interval:
    """Interval of a / b by the same rule on logarithms."""
    with np.errstate(divide="ignore"):
        logs = [Estimate(float(np.log(e.value)), e.interval._replace(low=float(np.log(e.interval.low)), high=float(np.log(e.interval.high))))
                for e in (a, b)]  # fmt: skip
    if a.value <= 0 or a.interval.low <= 0:
        high = float(np.exp(np.log(a.interval.high) - logs[1].interval.low)) if a.value <= 0 else np.nan
        upper = difference_of_means(logs[0]._replace(interval=logs[0].interval._replace(low=logs[0].value)), logs[1], correlation, context)
        return upper._replace(low=0.0, high=high if a.value <= 0 else float(np.exp(upper.high)))
    interval = difference_of_means(*logs, correlation, context)
    return interval._replace(low=float(np.exp(interval.low)), high=float(np.exp(interval.high)))


def _ends(summary: Summary, context: Context) -> tuple[Floats, Floats] | Interval:
    """Coefficients of the head's and the tail's mean, or why there are none."""
    table = context.table
    head, tail = head_and_tail(table)
    if head == tail:
        return no_interval("the strata do not divide the classes seen in training")
    members = [(table.stratum == s) & summary.defined for s in (head, tail)]
    empty = [table.strata[s].name for s, m in zip((head, tail), members, strict=True) if not m.any()]
    if empty:
        return no_interval(f"no class of {empty[0]} has a value")
    a, b = (m / m.sum() for m in members)
    return a, b


def _missing(summary: Summary, context: Context, *estimates: Estimate) -> Interval | None:
    """Why a quantity of the ends has no interval."""
    sizes = [int(((context.table.stratum == s) & summary.defined).sum()) for s in head_and_tail(context.table)]
    few = context.too_few(min(sizes))
    return few or next((no_interval(str(e.interval.reason)) for e in estimates if e.interval.reason is not None), None)


def _correlation(summary: Summary, a: Floats, b: Floats, context: Context) -> float:
    fit = context.fit(summary)
    spread = np.sqrt(fit.covariance(a, a) * fit.covariance(b, b))
    return float(np.clip(fit.covariance(a, b) / spread, -1, 1)) if spread > 0 else 0.0


def _midranks(values: Floats, weights: Floats) -> Floats:
    """Of each value the weight of the smaller ones and half that of the equal ones; weights sum to 1."""
    levels, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights, minlength=len(levels))
    ranks: Floats = (np.cumsum(mass) - mass / 2)[place]
    return ranks


def _interval(scale: Scale, value: float, variance: Variance, method: str) -> Interval:
    low, high = map(float, scale.interval(value, *variance))
    if not low < high:
        return no_interval(NO_SPREAD)
    se = float(np.sqrt(variance.relative * scale.variance(np.array(value))))
    return Interval(low, high, se, variance.df, method)


def _method(context: Context) -> str:
    return METHOD if context.estimand == "sampled-classes" else METHOD_FIXED
