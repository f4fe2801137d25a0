"""Rank correlations and means of bootstrap samples.

``counts`` is float64 (B, n): how often each of n units occurs in each of B samples, all ones for the data itself
(:func:`~reaudio_eval.evaluations.listening.resampling.bootstrap_counts`). Every function returns float64 (B,), with NaN for samples in
which it is undefined. ``x`` and ``y`` are float64 (n,), finite.
"""

from __future__ import annotations

import numpy as np

from reaudio_eval.scores.jackknife import Floats


def mean(counts: Floats, y: Floats) -> Floats:
    """Mean of y."""
    return _ratio(counts @ y, counts.sum(axis=1))


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


def _centred_ranks(counts: Floats, x: Floats) -> Floats:
    """Midranks of the units in each sample, less their mean: float64 (B, C)."""
    below = (x[:, None] < x) + 0.5 * (x[:, None] == x)
    ranks: Floats = counts @ below - counts.sum(axis=1, keepdims=True) / 2
    return ranks


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
