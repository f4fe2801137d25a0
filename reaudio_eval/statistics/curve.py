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
MIN_NEIGHBOURS = 8.0  # effective number of classes of a point, or all there are
_GROWTH = 1.15  # of the bandwidth of a point with fewer


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
    """Weights of the classes in each point, float64 (C, len(grid)); columns sum to 1 and reproduce a straight line.

    The bandwidth is Scott's, 1.06 sd(x) C**(-1/5), at least ``MIN_BANDWIDTH``, and grows at points that few classes carry until they are
    ``MIN_NEIGHBOURS`` in Kish's effective number, so that the curve does not swing from one class to the next.

    Args:
        x: float64 (C,), with at least 2 different values.
        grid: float64 (points,).
    """
    width = max(MIN_BANDWIDTH, 1.06 * float(np.std(x)) * len(x) ** -0.2)
    return np.column_stack([_local_linear(x, float(point), width) for point in grid])


def _local_linear(x: Floats, point: float, width: float) -> Floats:
    wanted = min(MIN_NEIGHBOURS, 0.5 * len(x))
    d = (x - point) / width
    kernel = np.exp(-0.5 * d**2)
    while kernel.sum() ** 2 < wanted * (kernel @ kernel):
        d = d / _GROWTH
        kernel = np.exp(-0.5 * d**2)
    s0, s1, s2 = kernel.sum(), kernel @ d, kernel @ d**2
    spread = s0 * s2 - s1**2
    weights: Floats = kernel * (s2 - s1 * d) / spread if spread > 1e-9 * s0 * s2 else kernel / s0
    return weights
