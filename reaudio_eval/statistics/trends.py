"""Trend of a score over the training count: slope and rank correlation."""

from __future__ import annotations

import numpy as np
from scipy import stats as sps

from reaudio_eval.scores.jackknife import LEVEL, Floats, Interval, no_interval, student_interval
from reaudio_eval.statistics.class_table import Summary
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import NO_SPREAD, method
from reaudio_eval.statistics.fit import slope as fitted_slope
from reaudio_eval.statistics.intervals import Estimate, undefined

_PERFECT = 1 - 1e-12  # largest rank correlation that Fisher's transformation takes


def slope(summary: Summary, context: Context) -> Estimate:
    """Change of the score for ten times the training clips: the coefficient of log10(1 + n_train) in the mixed model."""
    chosen = summary.defined
    n = int(chosen.sum())
    if n == 0 or len(np.unique(context.table.n_train[chosen])) < 2:
        return undefined(f"{n} class{'' if n == 1 else 'es'} with one training count: no slope")
    fit = context.trend_fit(summary)
    value, se = fitted_slope(fit)
    if np.isnan(value):
        return undefined("the training counts of the labels of a clip sum to the same for every clip: no slope")
    if n < max(3, context.min_classes):
        return Estimate(value, context.too_few(n) or no_interval(f"{n} classes: an interval needs at least 3"))
    if fit.constant or se == 0:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, student_interval(value, se, min(n - 2, fit.residual_df), method(context)))


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
    fit = context.rank_fit(summary, rank_of)
    se, df = float(np.sqrt(fit.variance(coefficients).relative)), min(n - 2, fit.residual_df)
    inner = float(np.clip(value, -_PERFECT, _PERFECT))
    half = float(sps.t.ppf((1 + LEVEL) / 2, df)) * se / (1 - inner**2)
    low, high = (float(end) for end in np.tanh(np.arctanh(inner) + np.array([-half, half])))
    if not low < high:
        return Estimate(value, no_interval(NO_SPREAD))
    return Estimate(value, Interval(low, high, se, df, method(context)))


def _midranks(values: Floats, weights: Floats) -> Floats:
    """Of each value the weight of the smaller ones and half that of the equal ones; weights sum to 1."""
    levels, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights, minlength=len(levels))
    ranks: Floats = (np.cumsum(mass) - mass / 2)[place]
    return ranks
