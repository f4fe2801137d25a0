"""Smooth of class means on the training count, with a band."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import Summary
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import linear
from reaudio_eval.statistics.intervals import Estimate

GRID_POINTS = 30
MIN_COUNTS = 3  # different training counts
MIN_BANDWIDTH = 0.1  # in log10 of the count: a factor of 1.26
MIN_NEIGHBOURS = 8.0  # effective number of classes that carry a point, but of few classes a quarter
_GROWTH = 1.05  # of the bandwidth of a point with fewer
_STRAIGHT = 0.1  # span of the classes in bandwidths below which a local line is one line through all


def curve(summary: Summary, context: Context) -> Iterator[tuple[float, Estimate]]:
    """Points (log10(1 + n_train), mean) of a local-linear regression with a Gaussian kernel, every class equal; none for few counts.

    A value beyond the range of the metric is set to its bound.
    """
    x = context.table.log_count[summary.defined]
    if len(np.unique(x)) < MIN_COUNTS:
        return
    grid = np.linspace(x.min(), x.max(), GRID_POINTS)
    weights = np.zeros((len(summary.defined), GRID_POINTS))
    weights[summary.defined] = smoother_weights(x, grid)
    for point, coefficients in zip(grid, weights.T, strict=True):
        yield float(point), linear(summary, coefficients, context)


def smoother_weights(x: Floats, grid: Floats) -> Floats:
    """Weights of the classes in each point, float64 (C, len(grid)); columns sum to 1.

    A local line, which reproduces straight lines. Its bandwidth is Scott's, 1.06 sd(x) C**(-1/5), at least ``MIN_BANDWIDTH``, and grows
    until ``MIN_NEIGHBOURS`` classes carry the point, in Kish's effective number 1 / sum(weights**2), so that the curve does not swing from
    one class to the next. Where even a straight line through all classes rests on fewer, as one or two do far from all others, its slope is
    reduced.

    Args:
        x: float64 (C,), with at least 2 different values.
        grid: float64 (points,).
    """
    width = max(MIN_BANDWIDTH, 1.06 * float(np.std(x)) * len(x) ** -0.2)
    return np.column_stack([_weights(x, float(point), width) for point in grid])


def _weights(x: Floats, point: float, width: float) -> Floats:
    wanted = min(MIN_NEIGHBOURS, len(x) / 4)
    d = (x - point) / width
    mean, slope = _local_line(d)
    while _carried_by(mean + slope) < wanted and np.ptp(d) > _STRAIGHT:
        d = d / _GROWTH
        mean, slope = _local_line(d)
    return mean + _reduction(mean, slope, wanted) * slope


def _local_line(d: Floats) -> tuple[Floats, Floats]:
    """Weights of the local mean at 0, and what a local line adds to them."""
    kernel = np.exp(-0.5 * d**2)
    s0, s1, s2 = kernel.sum(), kernel @ d, kernel @ d**2
    mean, spread = kernel / s0, s0 * s2 - s1**2
    if spread <= 1e-9 * s0 * s2:
        return mean, np.zeros_like(d)
    return mean, kernel * (s2 - s1 * d) / spread - mean


def _carried_by(weights: Floats) -> float:
    return 1 / float(weights @ weights)


def _reduction(mean: Floats, slope: Floats, wanted: float) -> float:
    """The largest factor of at most 1 of the slope with which ``wanted`` classes carry the point."""
    if _carried_by(mean + slope) >= wanted:
        return 1.0
    a, b, c = float(slope @ slope), float(mean @ slope), float(mean @ mean) - 1 / wanted
    return float((-b + np.sqrt(b * b - a * c)) / a)
