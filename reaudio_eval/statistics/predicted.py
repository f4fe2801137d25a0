"""Predicted class scores, shrunken by what their clips leave open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats, no_interval
from reaudio_eval.statistics.class_table import Summary
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import NO_SPREAD, mean_interval, method
from reaudio_eval.statistics.fit import Fit, Variance
from reaudio_eval.statistics.intervals import Estimate, undefined
from reaudio_eval.statistics.thresholds import ALPHA

WORST_SHARE = 0.10
CRITICAL = float(sps.chi2.ppf(0.90, 1))  # 5 % of a likelihood ratio at the bound of a variance (Self and Liang 1987)


class Effects(NamedTuple):
    """Predicted class effects.

    Attributes:
        values: float64 (C,), best linear unbiased prediction of each class mean, in the unit of the values, inside the range.
        covariance: float64 (C, C), of the prediction errors, over ``scale.variance`` at the class means.
    """

    values: Floats
    covariance: Floats


def class_effects(fit: Fit, between_strata: float) -> Effects:
    """Class means, shrunken towards the mean of their stratum, and these towards the overall mean (Robinson 1991, "That BLUP is a good
    thing", Statistical Science 6).

    Classes are shrunken to one value where they do not differ significantly within strata (likelihood ratio test at 5 %), since the worst
    of many equal classes would look bad by chance.

    Args:
        fit: with the strata as covariates.
        between_strata: variance of the strata's effects, standardised, 0 or more.
    """
    model, k = fit.grid.model, int(fit.components.structure[0])
    ratio = float(fit.components.ratio[0]) if fit.components.evidence[0] > CRITICAL else 0.0
    of_strata = fit.noise_variance / between_strata if between_strata > 0 else np.inf
    of_classes = 1 / ratio if ratio > 0 else np.inf
    sizes = [1, model.n_covariates, len(model.fixed_classes)]
    centre = float(fit.values.mean())
    spread = np.sqrt(fit.scale.variance(fit.fitted))
    response = np.divide(fit.values - centre, spread, out=np.zeros_like(spread), where=spread > 0)
    effects, covariance = fit.solve(response, np.repeat([0.0, of_strata, of_classes], sizes))
    contrasts = fit.grid.contrasts(k)
    of_class = np.sqrt(fit.scale.variance(fit.grid.averages.T @ fit.fitted))
    values = np.clip(centre + of_class * (contrasts @ effects), fit.scale.low, fit.scale.high)
    return Effects(values, contrasts @ covariance @ contrasts.T)


def worst_tenth(summary: Summary, higher_is_better: bool, context: Context) -> Estimate:
    """Mean of the predicted scores of the tenth of the classes (rounded up) whose predicted scores are worst.

    Raw class means would name classes of one unlucky clip, and be far too low. A predicted score is shrunken by as much as its clips leave
    open (:func:`shrunken`); where classes do not differ it is that of all classes.
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
    return Estimate(value, mean_interval(summary.scale, value, Variance(relative, int(chosen.sum()) - 1), method(context)))


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
    """Variance of the strata's effects by the method of moments (DerSimonian and Laird 1986), on the standardised scale; 0 where they do
    not differ significantly (Cochran's Q at 5 %)."""
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
