"""Predicted class scores, shrunken by what their clips leave open."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import Summary
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro, mean_interval, method
from reaudio_eval.statistics.fit import Fit, Variance
from reaudio_eval.statistics.intervals import Estimate, undefined
from reaudio_eval.statistics.mixed_model import LAMBDAS

WORST_SHARE = 0.10
LEVEL_OF_DIFFERENCE = 0.01  # of the tests whether classes, or strata, differ at all
_CRITICAL = float(
    sps.chi2.ppf(1 - 2 * LEVEL_OF_DIFFERENCE, 1)
)  # of a likelihood ratio at the bound of a variance (Self and Liang 1987)
_SUPPORT = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles of the variance of classes that predictions are averaged over
_NEARLY_FREE = 1e-6  # penalty of a fixed effect that is not held back


class Effects(NamedTuple):
    """Predicted class means.

    Attributes:
        values: float64 (C,), in the unit of the values, inside the range.
        covariance: float64 (C, C), of the prediction errors, over ``scale.variance`` at the class means.
    """

    values: Floats
    covariance: Floats


def class_effects(fit: Fit, ratio: float, noise: float, of_strata: float) -> Effects:
    """Best linear unbiased predictions of class means (Robinson 1991, "That BLUP is a good thing", Statistical Science 6).

    Args:
        fit: with the strata as covariates.
        ratio: variance of class effects over that of the noise; 0 predicts one value for the classes of a stratum.
        noise: variance of the noise, standardised.
        of_strata: penalty of the effects of strata, over the noise variance; infinite for none.
    """
    model = fit.grid.model
    sizes = [1, model.n_covariates, len(model.fixed_classes)]
    centre = float(fit.values.mean())
    spread = np.sqrt(fit.scale.variance(fit.fitted))
    response = np.divide(fit.values - centre, spread, out=np.zeros_like(spread), where=spread > 0)
    effects, covariance = fit.solve(response, np.repeat([0.0, of_strata, 1 / ratio if ratio > 0 else np.inf], sizes))
    contrasts = fit.grid.contrasts(int(fit.components.structure[0]))
    # An average of ones can exceed 1 by rounding.
    means = np.clip(fit.grid.averages.T @ fit.fitted, fit.scale.low, fit.scale.high)
    of_class = np.sqrt(fit.scale.variance(means))
    values = np.clip(centre + of_class * (contrasts @ effects), fit.scale.low, fit.scale.high)
    return Effects(values, noise * contrasts @ covariance @ contrasts.T)


def shrunken(summary: Summary, context: Context) -> tuple[Floats, Floats, Floats]:
    """Predicted class means and the ends of their intervals, each float64 (C,); NaN for classes without a value, or without an interval.

    A class with few clips is predicted near the mean of its stratum. Predictions are averaged over the variances of classes that the data
    leave open: the posterior distribution for a uniform prior on the standard deviation (Gelman 2006, Bayesian Analysis 1).
    """
    values, low, high = (np.full(len(summary.class_means), np.nan) for _ in range(3))
    chosen = summary.defined
    if not chosen.any() or context.too_few(int(chosen.sum())) is not None:
        return values, low, high
    fit = context.fit(summary)
    if fit.constant:
        values[chosen] = summary.class_means[chosen]
        return values, low, high
    points = [_quantile(fit, quantile) for quantile in _SUPPORT]
    effects = [class_effects(fit, LAMBDAS[i], float(fit.components.noises[i, 0]), _NEARLY_FREE) for i in points]
    means = np.stack([e.values for e in effects])
    values[chosen] = means.mean(axis=0)[chosen]
    unit = np.maximum(fit.scale.variance(values), np.finfo(float).tiny)
    relative = np.mean([np.diag(e.covariance) for e in effects], axis=0) + means.var(axis=0) / unit
    certain = chosen & (relative > 0)
    low[certain], high[certain] = summary.scale.interval(values[certain], relative[certain], [chosen.sum() - 1.0])
    wide = low < high
    return values, np.where(wide, low, np.nan), np.where(wide, high, np.nan)


def _quantile(fit: Fit, quantile: float) -> int:
    """Place in ``LAMBDAS`` of a posterior quantile."""
    likelihood = fit.components.likelihoods[:, 0]
    density = np.exp(likelihood - likelihood.max()) * np.gradient(np.sqrt(LAMBDAS))
    return int(np.searchsorted(np.cumsum(density), quantile * density.sum()))


def worst_tenth(summary: Summary, higher_is_better: bool, context: Context) -> Estimate:
    """Mean of the predicted scores of the tenth of the classes (rounded up) whose predicted scores are worst.

    Raw class means would name classes of one unlucky clip, and be far too low. A predicted score is shrunken by as much as its clips leave
    open. Where neither classes nor strata differ significantly at 1 %, no class is known to be worse, and this is the mean of all.
    """
    chosen = summary.defined
    if not chosen.any():
        return undefined("no class has a value")
    if (too_few := context.too_few(int(chosen.sum()))) is not None:
        return undefined(str(too_few.reason))
    fit = context.fit(summary)
    if fit.constant:
        return macro(summary, chosen, context)
    ratio = float(fit.components.ratio[0]) if fit.components.evidence[0] > _CRITICAL else 0.0
    between = between_strata(summary, context)
    if ratio == 0 and between == 0:
        return macro(summary, chosen, context)
    effects = class_effects(fit, ratio, fit.noise_variance, fit.noise_variance / between if between > 0 else np.inf)
    order = np.argsort(np.where(chosen, effects.values if higher_is_better else -effects.values, np.inf), kind="stable")
    worst = order[: int(np.ceil(WORST_SHARE * chosen.sum()))]
    value = float(effects.values[worst].mean())
    relative = float(effects.covariance[np.ix_(worst, worst)].mean())
    return Estimate(value, mean_interval(summary.scale, value, Variance(relative, int(chosen.sum()) - 1), method(context)))


def between_strata(summary: Summary, context: Context) -> float:
    """Variance of the strata's effects by the method of moments (DerSimonian and Laird 1986), on the standardised scale; 0 where they do
    not differ significantly (Cochran's Q at 1 %), as where every value is at a bound of the metric."""
    table, fit = context.table, context.fit(summary)
    members = [(table.stratum == s) & summary.defined for s in np.unique(table.stratum[summary.defined])]
    coefficients = [m / m.sum() for m in members]
    variances = np.array([fit.variance(c).relative for c in coefficients])
    if len(members) < 2 or not (variances > 0).all():
        return 0.0
    overall = float(np.mean(summary.class_means[summary.defined]))
    spread = float(np.sqrt(fit.scale.variance(fit.scale.inside(np.array([overall]), [overall])))[0])
    if spread == 0:  # the variance of shares is known even where all are 0 or 1
        return 0.0
    means = np.array([float(summary.class_means[m].mean()) for m in members]) / spread
    weights = 1 / variances
    centre = weights @ means / weights.sum()
    q, df = float(weights @ (means - centre) ** 2), len(means) - 1
    if q < sps.chi2.ppf(1 - LEVEL_OF_DIFFERENCE, df):
        return 0.0
    return float((q - df) / (weights.sum() - weights @ weights / weights.sum()))
