"""Estimates of a metric: means, gap, ratio, slope, rank correlations.

Of one system, or of a difference of two. The unit resampled is the clip for micro quantities and the class for the rest; see
:mod:`reaudio_eval.statistics.intervals` for the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reaudio_eval.scores.jackknife import Floats, Interval, no_interval
from reaudio_eval.statistics import class_statistics
from reaudio_eval.statistics.class_table import Bools, ClassTable, Summary
from reaudio_eval.statistics.intervals import (
    MIN_BOOTSTRAP,
    Draws,
    Estimate,
    mean_interval,
    percentile_interval,
    stratified_jackknife,
    t_interval,
    undefined,
)


@dataclass(frozen=True)
class Context:
    """Classes and bootstrap draws of an analysis. ``clip_draws`` keeps few tables: each is draws x clips.

    ``min_classes``: a stratum with fewer classes has a mean but no interval and no test. With two classes of a score in
    [0, 1] Student's t gives an interval ten times as wide as the scale.
    """

    table: ClassTable
    class_draws: Draws
    clip_draws: Draws
    min_classes: int = 2

    def too_few(self, n_classes: int) -> Interval | None:
        """The missing interval for fewer than ``min_classes`` classes, else None."""
        if n_classes >= self.min_classes:
            return None
        return no_interval(
            f"{n_classes} class{'' if n_classes == 1 else 'es'}: an interval needs at least {self.min_classes}"
        )


class Linear(NamedTuple):
    """A quantity as ``coefficients @ class means``, and what its model expects of each mean; both float64 (C,)."""

    coefficients: Floats
    fit: Floats


def head_and_tail(table: ClassTable) -> tuple[int, int]:
    """Positions of the strata called head and tail in gaps: the most frequent one, and the rarest that training saw."""
    return 0, len(table.strata) - 2


def _widened(estimate: Estimate, summary: Summary, linear: Linear) -> Estimate:
    factor = summary.shared_clip_factor(linear.coefficients[:, None], linear.fit[:, None])[0]
    return Estimate(estimate.value, estimate.interval.widened(estimate.value, float(factor)))


def micro(summary: Summary, context: Context) -> Estimate:
    """Mean over all values (clips, or clip-label pairs with clips as clusters)."""
    has_value = summary.clip_counts > 0
    sums, counts = summary.clip_sums[has_value], summary.clip_counts[has_value]
    n = len(sums)
    if n == 0:
        return undefined("no clip has a value")
    value = float(sums.sum() / counts.sum())
    if n < MIN_BOOTSTRAP:
        # Linearised: the residuals of a ratio of sums behave like the values of a mean.
        return Estimate(value, t_interval(value + (sums - value * counts) * n / counts.sum(), "clips"))
    names = tuple(c for c, has in zip(context.table.clip_ids, has_value, strict=True) if has)
    drawn = context.clip_draws.counts(names)
    return Estimate(value, percentile_interval((drawn @ sums) / (drawn @ counts), n - 1, "clips"))


def macro(summary: Summary, classes: Bools, context: Context) -> Estimate:
    """Mean over the means of some classes."""
    chosen = classes & summary.defined
    values = summary.class_means[chosen]
    if len(values) == 0:
        return undefined("no clip of these classes has a value" if classes.any() else "no such class is in the test set")
    value = float(values.mean())
    too_few = context.too_few(len(values))
    if too_few is not None:
        return Estimate(value, too_few)
    estimate = Estimate(value, mean_interval(values, context.class_draws, context.table.names(chosen)))
    return _widened(estimate, summary, Linear(chosen / len(values), np.full(len(chosen), value)))


def weighted(summary: Summary, weights: Floats, context: Context) -> Estimate:
    """Weighted mean over class means, weights >= 0 (C,)."""
    chosen = summary.defined
    w, y = weights[chosen], summary.class_means[chosen]
    names = context.table.names(chosen)
    estimate = class_statistics.class_estimate(lambda c: class_statistics.weighted_mean(c, y, w), names, context.class_draws)
    if estimate.interval.reason is not None:
        return estimate
    coefficients = np.where(chosen, weights, 0.0) / w.sum()
    return _widened(estimate, summary, Linear(coefficients, np.full(len(chosen), estimate.value)))


def line(summary: Summary, table: ClassTable) -> Linear:
    """The weighted least-squares line of class means on log10(1 + n_train), weights the clips of the class."""
    weights = summary.class_counts.astype(np.float64)
    means = np.where(summary.defined, summary.class_means, 0.0)
    total = max(1.0, float(weights.sum()))
    x = table.log_count - weights @ table.log_count / total
    spread = float(weights @ x**2)
    coefficients = weights * x / spread if spread > 0 else np.zeros_like(x)
    return Linear(coefficients, weights @ means / total + x * (coefficients @ means))


def slope(summary: Summary, context: Context) -> Estimate:
    """Slope of ``line``: the change of the score for ten times the training clips."""
    chosen = summary.defined
    x, y = context.table.log_count[chosen], summary.class_means[chosen]
    weights = summary.class_counts[chosen].astype(np.float64)
    names = context.table.names(chosen)
    estimate = class_statistics.class_estimate(
        lambda c: class_statistics.slope(c, x, y, weights), names, context.class_draws
    )
    return _widened(estimate, summary, line(summary, context.table))


def ranked(summary: Summary, higher_is_better: bool, context: Context) -> dict[str, Estimate]:
    """Statistics of order: rank correlations with the training count, and the mean of the worst tenth of the classes.

    Their intervals take classes as independent; shared clips hardly touch contrasts over the whole range of counts."""
    chosen = summary.defined
    x, y = context.table.log_count[chosen], summary.class_means[chosen]
    statistics: dict[str, class_statistics.Statistic] = {
        "spearman": lambda c: class_statistics.spearman(c, x, y),
        "kendall": lambda c: class_statistics.kendall(c, x, y),
        "worst_10pct": lambda c: class_statistics.worst_mean(c, y, higher_is_better),
    }
    names = context.table.names(chosen)
    return {n: class_statistics.class_estimate(s, names, context.class_draws, smooth=False) for n, s in statistics.items()}


def _over_strata(
    statistic: Callable[[Sequence[Any]], Any],
    gradient: Callable[[Sequence[float]], Sequence[float]],
    strata: Sequence[int],
    summary: Summary,
    context: Context,
) -> Estimate:
    """A smooth function of stratum means, resampling classes within each stratum."""
    table = context.table
    chosen = [(table.stratum == s) & summary.defined for s in strata]
    for s, classes in zip(strata, chosen, strict=True):
        if not classes.any():
            return undefined(f"no class of {table.strata[s].name} has a value")
    samples = [summary.class_means[c] for c in chosen]
    means = [float(x.mean()) for x in samples]
    value = float(statistic(means))
    too_few = context.too_few(min(map(len, samples)))
    if too_few is not None:
        return Estimate(value, too_few)
    if min(map(len, samples)) < MIN_BOOTSTRAP:
        interval = stratified_jackknife(statistic, samples)
    else:
        drawn = [context.class_draws.counts(table.names(c)) @ x / len(x) for c, x in zip(chosen, samples, strict=True)]
        # Welch's lower bound for the degrees of freedom of a combination of means.
        interval = percentile_interval(statistic(drawn), min(map(len, samples)) - 1)
    coefficients = sum(g * c / c.sum() for g, c in zip(gradient(means), chosen, strict=True))
    fit = sum(m * c for m, c in zip(means, chosen, strict=True))
    return _widened(Estimate(value, interval), summary, Linear(np.asarray(coefficients), np.asarray(fit)))


def gap(summary: Summary, context: Context) -> Estimate:
    """Mean of the head's classes less mean of the tail's."""
    head, tail = head_and_tail(context.table)
    if head == tail:
        return undefined("the strata do not divide the classes seen in training")
    return _over_strata(lambda m: m[0] - m[1], lambda m: (1.0, -1.0), (head, tail), summary, context)


def ratio(summary: Summary, context: Context) -> Estimate:
    """Mean of the tail's classes over mean of the head's, where the latter is positive."""
    head, tail = head_and_tail(context.table)
    if head == tail:
        return undefined("the strata do not divide the classes seen in training")
    of_head = summary.class_means[(context.table.stratum == head) & summary.defined]
    if len(of_head) and of_head.mean() <= 0:
        return undefined("the head's mean is not positive")

    def quotient(m: Sequence[Any]) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample in which the head's mean is 0 has none
            return m[1] / m[0]

    return _over_strata(quotient, lambda m: (-m[1] / m[0] ** 2, 1 / m[0]), (head, tail), summary, context)


def harmonic(summary: Summary, higher_is_better: bool, context: Context) -> Estimate:
    """Harmonic mean of the strata's macro means: high only where every stratum is."""
    stratum, means = context.table.stratum[summary.defined], summary.class_means[summary.defined]
    present = np.unique(stratum).tolist()
    if not higher_is_better:
        return undefined("a harmonic mean rewards balance only where higher is better")
    if not present:
        return undefined("no class has a value")
    if min(means[stratum == s].mean() for s in present) <= 0:
        return undefined("a stratum's mean is not positive")

    def mean(m: Sequence[Any]) -> Any:
        with np.errstate(divide="ignore"):  # a resample in which a stratum's mean is 0 has the harmonic mean 0
            return len(m) / sum(1 / x for x in m)

    def gradient(m: Sequence[float]) -> Sequence[float]:
        return [float(mean(m)) ** 2 / (len(m) * x**2) for x in m]

    return _over_strata(mean, gradient, present, summary, context)
