"""Mixed model of one metric of one system, or of a difference.

Every quantity is ``coefficients @ class means``. Its variance has two parts, that of the classes and that of the clips
(:mod:`reaudio_eval.statistics.mixed_model`). They are estimated on values that are standardised by the mean-variance relation of the
metric's scale, so that a common score and a rare one with another level can share them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from reaudio_eval.scores.jackknife import ROUNDING, Floats
from reaudio_eval.statistics.class_table import Bools
from reaudio_eval.statistics.mixed_model import LAMBDAS, Components, Model, Observations, Structure
from reaudio_eval.statistics.scale import Scale

# Weight of the pooled variance against that of the clips of a quantity, in clips: where the scale gives the variance, and for differences,
# whose variance depends on the level of both systems.
PRIOR_BY_MEAN, PRIOR_CONSTANT = 20.0, 4.0


class Variance(NamedTuple):
    """Variance of a linear quantity over that of one value, and its degrees of freedom (Satterthwaite 1946)."""

    relative: float
    df: float


class Grid:
    """Observations of one pattern of missing values, and what does not depend on the values.

    Args:
        observations: clips and classes.
        covariates, fixed: of the classes, see :class:`~reaudio_eval.statistics.mixed_model.Model`.

    Attributes:
        averages: sparse float64 (n, C), weights of the observations in each class mean; columns sum to 1, or to 0 for a class without any.
    """

    def __init__(self, observations: Observations, covariates: Floats, fixed: Bools) -> None:
        self.model = Model(observations, covariates, fixed)
        self.averages = csr_array(observations.member / np.maximum(1.0, observations.member.sum(axis=0)))
        self.part = cache(self._part)
        self.contrasts = cache(self._contrasts)

    def _part(self, k: int) -> tuple[Floats, Floats, Floats]:
        """For structure k: Z' averages (R, C), averages' (I + rho U U') averages (C, C), and z'z of each observation (n,)."""
        s, average = self.model.structures[k], self.averages
        of_clips = self.model.of_clip @ average
        noise = average.T @ average + s.rho * of_clips.T @ of_clips
        own = np.asarray(s.random.power(2).sum(axis=1), dtype=np.float64)
        return (s.random.T @ average).toarray(), noise.toarray(), own

    def _contrasts(self, k: int) -> Floats:
        """Class means of the fixed and random effects of structure k, (C, p + R)."""
        contrasts: Floats = (self.averages.T @ self.model.structures[k].columns).toarray()
        return contrasts


@dataclass(frozen=True, eq=False)
class Fit:
    """The model of one column of values.

    Attributes:
        grid: its observations.
        values: float64 (n,).
        scale: of the values.
        random_classes: whether the classes are a sample of such classes; else they are those of interest, and only clips vary.
        fitted: float64 (n,), means by stratum and labels with fixed effects, inside the range.
        standardised: float64 (n,), residuals over the square root of their variance by the scale.
        components: of ``standardised``.
        common_variance: whether the variance is that of all clips, as for ranks, rather than also that of the clips that enter.
    """

    grid: Grid
    values: Floats
    scale: Scale
    random_classes: bool
    fitted: Floats
    standardised: Floats
    components: Components
    common_variance: bool = False

    @classmethod
    def of(cls, grid: Grid, values: Floats, scale: Scale, random_classes: bool = True) -> Sequence[Fit]:
        """A fit for each column of values, float64 (n, m); together they are faster than alone."""
        model, overall = grid.model, values.mean(axis=0)
        basis = model.structures[0].basis  # no whitening: ordinary least squares
        fitted = scale.inside(basis @ (basis.T @ values), overall)
        spread = np.sqrt(scale.variance(fitted))
        some = (np.abs(values - fitted) > ROUNDING * np.abs(values).max(axis=0)) & (spread > 0)
        standardised = np.divide(values - fitted, spread, out=np.zeros_like(values), where=some)
        components = model.fit(standardised)
        if scale.bounded:
            binary = np.isin(values, (scale.low, scale.high)).all(axis=0)
            components = components._replace(
                noise=np.where(binary, _known_noise(components.ratio, components, model), components.noise),
                noises=np.where(binary, _known_noise(LAMBDAS[:, None], components, model), components.noises),
            )
        columns = zip(values.T, fitted.T, standardised.T, strict=True)
        return [cls(grid, y, scale, random_classes, mean, r, components.column(j)) for j, (y, mean, r) in enumerate(columns)]

    @cached_property
    def structure(self) -> Structure:
        return self.grid.model.structures[int(self.components.structure[0])]

    @property
    def class_variance(self) -> float:
        """Of the effect of a class, standardised."""
        return float(self.components.ratio[0] * self.components.noise[0])

    @property
    def noise_variance(self) -> float:
        """Of the noise of an observation, standardised; the clip effect has ``structure.rho`` times as much."""
        return float(self.components.noise[0])

    @property
    def constant(self) -> bool:
        """No spread within strata, from which an interval could be estimated."""
        return not self.noise_variance > 0

    @property
    def residual_df(self) -> float:
        """Observations less fixed effects, at least 1."""
        return max(1.0, float(self.grid.model.n - self.structure.basis.shape[1]))

    def variance(self, coefficients: Floats) -> Variance:
        """Variance of ``coefficients @ class means``, coefficients float64 (C,), on the standardised scale; 0 for a contrast of means of
        the same clips."""
        classes, noise, _ = self.grid.part(int(self.components.structure[0]))
        of_noise = self.noise_variance * float(coefficients @ noise @ coefficients)
        weights = self.grid.averages @ coefficients
        if not np.abs(weights).max() > ROUNDING * np.abs(coefficients).max():
            return Variance(0.0, 1.0)
        n_clips = _effective(self.grid.model.of_clip @ np.abs(weights))
        if not self.random_classes:
            _, _, own = self.grid.part(int(self.components.structure[0]))
            total = of_noise + self.class_variance * float(weights**2 @ own)
            return Variance(self._adjusted(total, weights), max(1.0, min(n_clips - 1, self.residual_df)))
        of_classes = self.class_variance * float(((classes @ coefficients) ** 2).sum())
        total = of_classes + of_noise
        n_classes = _effective(np.abs(coefficients[~self.grid.model.fixed_classes]))
        parts = of_classes**2 / max(1.0, n_classes - 1) + of_noise**2 / max(1.0, n_clips - 1)
        return Variance(self._adjusted(total, weights), min(total**2 / parts, self.residual_df) if parts > 0 else 1.0)

    def covariance(self, a: Floats, b: Floats) -> float:
        """Covariance of two quantities, on the standardised scale."""
        classes, noise, own = self.grid.part(int(self.components.structure[0]))
        of_noise = self.noise_variance * float(a @ noise @ b)
        if self.random_classes:
            return of_noise + self.class_variance * float((classes @ a) @ (classes @ b))
        return of_noise + self.class_variance * float((self.grid.averages @ a * (self.grid.averages @ b)) @ own)

    def solve(self, response: Floats, penalties: Floats) -> tuple[Floats, Floats]:
        """Fixed and random effects by Henderson's mixed model equations (1975, Biometrics 31); their covariance over the noise variance.

        Args:
            response: float64 (n,), on the standardised scale.
            penalties: float64 (p + R,), of the squared fixed and random effects, over the noise variance; infinite ones are held at 0.
        """
        free = np.isfinite(penalties)
        s, model = self.structure, self.grid.model
        right = s.columns.T @ model.whitened(model.whitened(response[:, None], s.shrink), s.shrink)[:, 0]
        left = s.gram[np.ix_(free, free)] + np.diag(penalties[free])
        independent = s.independent or (penalties == 0).sum() <= 1
        inverse = np.linalg.inv(left) if independent else np.linalg.pinv(left, hermitian=True)
        effects, covariance = np.zeros(len(penalties)), np.zeros((len(penalties), len(penalties)))
        effects[free] = inverse @ right[free]
        covariance[np.ix_(free, free)] = inverse
        return effects, covariance

    def _adjusted(self, variance: float, weights: Floats) -> float:
        """The variance with the spread of the observations that enter, as far as they are many (Smyth 2004, moderated variance)."""
        if self.common_variance:
            return variance
        share = weights**2 / np.maximum((weights**2).sum(), np.finfo(float).tiny)
        _, _, own = self.grid.part(int(self.components.structure[0]))
        expected = share @ (self.class_variance * own + self.noise_variance * (1 + self.structure.rho))
        df = 1 / float(share @ share) - 1 if share.any() else 0.0
        if df <= 0 or expected <= 0:
            return variance
        centred = self.standardised - share @ self.standardised
        observed = float(share @ centred**2) * (df + 1) / df
        prior = PRIOR_CONSTANT if self.scale.constant else PRIOR_BY_MEAN
        factor = (prior + df * observed / expected) / (prior + df)
        # Where the scale gives the variance, few clips that happen to agree are no evidence of a smaller one.
        return variance * float(factor if self.scale.constant else max(1.0, factor))


def slope(fit: Fit) -> tuple[float, float]:
    """Coefficient of the first covariate by generalised least squares, and its standard error; for values of constant variance.

    NaN where the covariate depends linearly on the intercept and the labels with fixed effects, and has no coefficient of its own.
    """
    s = fit.structure
    fixed = s.columns[:, : s.n_fixed].toarray()
    if np.linalg.matrix_rank(fixed) == np.linalg.matrix_rank(np.delete(fixed, 1, axis=1)):
        return np.nan, np.nan
    of_classes = 1 / fit.components.ratio[0] if fit.components.ratio[0] > 0 else np.inf
    penalties = np.repeat([0.0, of_classes], [s.n_fixed, s.random.shape[1]])
    effects, covariance = fit.solve(fit.values, penalties)
    return float(effects[1]), float(np.sqrt(max(0.0, fit.noise_variance * covariance[1, 1])))


def _effective(weights: Floats) -> float:
    """Kish's effective number of weights."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def _known_noise(ratio: Floats, components: Components, model: Model) -> Floats:
    """Noise with which a value varies as its mean says, for each ratio (..., m): the variance of a 0 or 1 is known."""
    own = np.array([s.random.power(2).sum(axis=1).mean() for s in model.structures])
    rho = np.array([s.rho for s in model.structures])
    noise: Floats = 1 / (ratio * own[components.structure] + 1 + rho[components.structure])
    return noise
