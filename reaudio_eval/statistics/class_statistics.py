"""Statistics of class scores, as functions of bootstrap counts.

``counts`` is float64 (B, C): how often each of C classes occurs in each of B samples (all ones for the data itself, see
``intervals.bootstrap_counts``). Every function returns float64 (B,), with NaN for samples in which it is undefined. ``x`` and
``y`` are float64 (C,), finite.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reaudio_eval.scores.jackknife import Floats, jackknife_interval, no_interval
from reaudio_eval.statistics.intervals import MIN_BOOTSTRAP, Draws, Estimate, bca_interval, undefined

WORST_SHARE = 0.10
MIN_BANDWIDTH = 0.1  # in log10 of the count: a factor of 1.26
RIDGE = 1e-6  # in squared bandwidths

Statistic = Callable[[Floats], Floats]


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def weighted_mean(counts: Floats, y: Floats, weights: Floats) -> Floats:
    """Mean of y with weights >= 0."""
    return _ratio(counts @ (weights * y), counts @ weights)


def slope(counts: Floats, x: Floats, y: Floats, weights: Floats) -> Floats:
    """Slope of the weighted least-squares line of y on x."""
    x = x - np.average(x, weights=weights)
    s0, sx, sy = counts @ weights, counts @ (weights * x), counts @ (weights * y)
    sxx, sxy = counts @ (weights * x * x), counts @ (weights * x * y)
    spread = s0 * sxx - sx**2
    spread[spread <= 1e-12 * s0 * sxx] = 0  # rounding in samples whose classes share one x
    return _ratio(s0 * sxy - sx * sy, spread)


def _centred_ranks(counts: Floats, x: Floats) -> Floats:
    """Midranks of the units in each sample, less their mean: float64 (B, C)."""
    below = (x[:, None] < x) + 0.5 * (x[:, None] == x)
    ranks: Floats = counts @ below - counts.sum(axis=1, keepdims=True) / 2
    return ranks


def spearman(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Spearman's rank correlation, ties by midranks."""
    rx, ry = _centred_ranks(counts, x), _centred_ranks(counts, y)
    spread = np.sqrt((counts * rx**2).sum(axis=1) * (counts * ry**2).sum(axis=1))
    return _ratio((counts * rx * ry).sum(axis=1), spread)


def kendall(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Kendall's tau-b, which corrects for ties."""
    dx, dy = np.sign(x[:, None] - x), np.sign(y[:, None] - y)

    def pairs(agreement: Floats) -> Floats:
        total: Floats = ((counts @ agreement) * counts).sum(axis=1)
        return total

    return _ratio(pairs(dx * dy), np.sqrt(pairs(np.abs(dx)) * pairs(np.abs(dy))))


def worst_mean(counts: Floats, y: Floats, higher_is_better: bool, share: float = WORST_SHARE) -> Floats:
    """Mean over the worst ``share`` of the classes (rounded up to whole classes)."""
    order = np.argsort(y if higher_is_better else -y, kind="stable")
    drawn = counts[:, order]
    wanted = np.ceil(share * drawn.sum(axis=1, keepdims=True))
    before = np.cumsum(drawn, axis=1) - drawn
    taken = np.clip(wanted - before, 0, drawn)
    return _ratio(taken @ y[order], wanted[:, 0])


def bandwidth(x: Floats) -> float:
    """Scott's rule, 1.06 sd(x) C**(-1/5), and at least ``MIN_BANDWIDTH``."""
    return float(max(MIN_BANDWIDTH, 1.06 * np.std(x) * len(x) ** -0.2))


def local_linear(counts: Floats, x: Floats, y: Floats, grid: Floats) -> Floats:
    """Local-linear regression of y on x with a Gaussian kernel of width ``bandwidth(x)``: float64 (B, len(grid)).

    A constant is reproduced exactly, a straight line almost: the local design matrix carries a small ridge, so that a sample
    with one class near a grid point gives that class's score instead of 0/0.
    """
    h = bandwidth(x)
    d = (x[:, None] - grid) / h
    kernel = np.exp(-0.5 * d**2)
    s0, s1, s2 = counts @ kernel, counts @ (kernel * d), counts @ (kernel * (d**2 + RIDGE))
    t0, t1 = counts @ (kernel * y[:, None]), counts @ (kernel * d * y[:, None])
    return _ratio(s2 * t0 - s1 * t1, s0 * s2 - s1**2)


def smoother_weights(x: Floats, grid: Floats) -> Floats:
    """The weights of the classes in ``local_linear`` on the data itself: float64 (C, len(grid)), columns sum to 1."""
    d = (x[:, None] - grid) / bandwidth(x)
    kernel = np.exp(-0.5 * d**2)
    s0, s1, s2 = kernel.sum(axis=0), (kernel * d).sum(axis=0), (kernel * (d**2 + RIDGE)).sum(axis=0)
    weights: Floats = kernel * (s2 - s1 * d) / (s0 * s2 - s1**2)
    return weights


def class_estimate(statistic: Statistic, names: tuple[str, ...], draws: Draws, *, smooth: bool = True) -> Estimate:
    """A statistic of class scores and its interval from resampled classes.

    BCa bootstrap; for few classes the t interval of the delete-one jackknife, which for a mean is Student's.

    Args:
        statistic: of counts over the classes ``names``.
        names: of the classes that have a score.
        draws: source of the bootstrap counts.
        smooth: False for statistics (ranks, extremes) whose jackknife is not consistent: no interval for few classes.
    """
    n = len(names)
    value = float(statistic(np.ones((1, n)))[0]) if n else np.nan
    if not np.isfinite(value):
        return undefined(f"not defined for {n} class{'' if n == 1 else 'es'}")
    if n < 2 or (n < MIN_BOOTSTRAP and not smooth):
        return Estimate(
            value,
            no_interval(f"{n} class{'' if n == 1 else 'es'}: an interval needs at least {2 if smooth else MIN_BOOTSTRAP}"),
        )
    left_out = statistic(1 - np.eye(n))
    if n >= MIN_BOOTSTRAP:
        return Estimate(value, bca_interval(value, statistic(draws.counts(names)), left_out, n - 1))
    if np.isnan(left_out).any():
        return Estimate(value, no_interval("it rests on a single class"))
    return Estimate(value, jackknife_interval(value, left_out)._replace(method="t over classes"))
