"""Variance components of scores over classes, clips and noise.

The model of the observations of one metric, which are clips, or pairs of a clip and a label:

    y = X beta + Z b + u + e,    b ~ N(0, s2 lambda I),    u ~ N(0, s2 rho I),    e ~ N(0, s2 I)

Z holds the labels whose effects are random. A clip-level metric has one value for all labels of a clip (multiple membership, Browne,
Goldstein and Rasbash 2001, "Multiple membership multiple classification models", Statistical Modelling 1): each of its n labels has the
weight 1/n, 1/sqrt(n) or 1, and the effect of the clip is part of e. In a label-level metric every label has a value, and u is the effect
of the clip that its labels share. X holds an intercept, covariates of the classes summed over the labels of the clip with the same
weights, and the labels whose effects are fixed.

lambda and rho maximise the restricted likelihood (REML; Patterson and Thompson 1971, Biometrika 58) on a grid. The weight is that with the
smallest AIC: X depends on it, and restricted likelihoods of different X cannot be compared.
One eigendecomposition for each rho or weight serves every system, metric and difference that has values for the same observations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from reaudio_eval.features.feature_set import IntArray
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import Bools

LAMBDAS = np.concatenate([[0.0], np.geomspace(1e-3, 30, 60)])  # variance of class effects over that of the noise
RHOS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.6, 2.5, 4.0, 8.0, 20.0)  # variance of clip effects over that of the noise
POWERS = (1.0, 0.5, 0.0)  # a label among n of a clip has the weight n ** -power
_RANK = 1e-7  # singular values below it, relative to the largest, are rounding
_TIE = 1e-8  # differences of log-likelihoods below it are rounding: the first structure and the smallest lambda are taken


class Observations(NamedTuple):
    """Which clip and classes an observation belongs to.

    Attributes:
        clip: intp (n,), position of the clip, 0 to n_clips - 1, ascending.
        member: float64 (n, C), 1 for the classes of the observation: all labels of a clip, or the one of a pair.
    """

    clip: IntArray
    member: Floats


class Components(NamedTuple):
    """REML estimates of each column of values; arrays (m,).

    Attributes:
        structure: intp, position in ``Model.structures``.
        ratio: float64, lambda.
        noise: float64, s2, in squared units of the values.
        evidence: float64, likelihood ratio statistic of lambda > 0, 0 or more.
        likelihoods, noises: float64 (len(LAMBDAS), m), restricted log-likelihood and s2 of each lambda.
    """

    structure: IntArray
    ratio: Floats
    noise: Floats
    evidence: Floats
    likelihoods: Floats
    noises: Floats

    def column(self, j: int) -> Components:
        """The estimates of one column."""
        of_lambdas = self.likelihoods[:, [j]], self.noises[:, [j]]
        return Components(self.structure[[j]], self.ratio[[j]], self.noise[[j]], self.evidence[[j]], *of_lambdas)


@dataclass(frozen=True)
class Structure:
    """The model with one rho, or one weight of labels; R is the covariance I + rho U U' of clip effects and noise over s2.

    Attributes:
        columns: sparse float64 (n, p + R), X and Z.
        n_fixed: p.
        rho: variance of clip effects over that of the noise.
        shrink: float64 (n,), the share of the mean of its clip that whitening subtracts from an observation.
        gram: float64 (p + R, p + R), columns' R**-1 columns.
        basis: float64 (n, r), orthonormal basis of R**-1/2 X.
        crossed: float64 (R, r), Z' R**-1/2 basis.
        rotation: float64 (k, R), from Z to its left singular vectors after whitening and projection on the complement of X.
        penalties: float64 (len(LAMBDAS),), logarithm of the determinants of the covariance of the values, and of X' covariance**-1 X.
        choice_penalties, choice_df: those of the likelihood by which structures are compared; the degrees of freedom are 0 where X explains
            all values.
        shares: float64 (len(LAMBDAS), k), what class effects leave of the variance along those vectors.
    """

    columns: csr_array
    n_fixed: int
    rho: float
    shrink: Floats
    gram: Floats
    basis: Floats
    crossed: Floats
    rotation: Floats
    penalties: Floats
    choice_penalties: Floats
    choice_df: int
    shares: Floats

    @cached_property
    def random(self) -> csr_array:
        """Z, sparse float64 (n, R)."""
        return csr_array(self.columns[:, self.n_fixed :])

    @property
    def independent(self) -> bool:
        """Whether the columns of X are linearly independent."""
        return bool(self.basis.shape[1] == self.n_fixed)


class Model:
    """The model of one set of observations.

    Args:
        observations: clips and classes of the values.
        covariates: float64 (C, q), of the classes; 0 for a class with a fixed effect.
        fixed: bool (C,), classes whose effects are fixed.

    Attributes:
        clip_sizes: intp (n_clips,), observations of each clip.
        of_clip: sparse float64 (n_clips, n), sums over the observations of each clip.
    """

    def __init__(self, observations: Observations, covariates: Floats, fixed: Bools) -> None:
        self.observations = observations
        self.fixed_classes = fixed
        self.n = len(observations.clip)
        self._covariates = np.where(fixed[:, None], 0.0, covariates)
        self.n_covariates = covariates.shape[1]
        self.clip_sizes = np.bincount(observations.clip)
        self.by_label = bool((self.clip_sizes > 1).any())
        rows = (observations.clip, np.arange(self.n))
        self.of_clip = csr_array((np.ones(self.n), rows), shape=(len(self.clip_sizes), self.n))

    @cached_property
    def structures(self) -> list[Structure]:
        """One for each rho of a label-level metric, or each weight of a clip-level one."""
        member = self.observations.member
        if self.by_label:
            columns = self._columns(member)
            return [self._structure(columns, rho) for rho in RHOS]
        n_labels = np.maximum(1.0, member.sum(axis=1))
        powers = POWERS if (n_labels > 1).any() else POWERS[:1]
        return [self._structure(self._columns(member * (n_labels**-power)[:, None]), 0.0) for power in powers]

    def _columns(self, weights: Floats) -> csr_array:
        """X and Z for the weights of the classes, float64 (n, C)."""
        fixed = [np.ones((self.n, 1)), weights @ self._covariates, weights[:, self.fixed_classes]]
        return csr_array(np.column_stack([*fixed, weights[:, ~self.fixed_classes]]))

    def _structure(self, columns: csr_array, rho: float) -> Structure:
        n_fixed = 1 + self.n_covariates + int(self.fixed_classes.sum())
        shrink = 1 - 1 / np.sqrt(1 + rho * self.clip_sizes[self.observations.clip])
        of_clips = self.of_clip @ columns
        excess = of_clips.multiply((rho / (1 + rho * self.clip_sizes))[:, None])
        gram = (columns.T @ columns - of_clips.T @ excess).toarray()
        basis, log_fixed = _orthonormal(self.whitened(columns[:, :n_fixed].toarray(), shrink))
        crossed = columns[:, n_fixed:].T @ self.whitened(basis, shrink)
        values, vectors = np.linalg.eigh(gram[n_fixed:, n_fixed:] - crossed @ crossed.T)
        kept = values > _RANK * max(float(values.max(initial=0.0)), 1.0)
        rotation = vectors[:, kept].T / np.sqrt(values[kept])[:, None]
        inflation = 1 + LAMBDAS[:, None] * values[kept]
        penalties = np.log(inflation).sum(axis=1) + np.log1p(rho * self.clip_sizes).sum() + log_fixed
        choice, df = penalties, self.n - basis.shape[1]
        if df > 0 and not self.by_label:  # AIC
            whole = np.maximum(np.linalg.eigvalsh(gram[n_fixed:, n_fixed:]), 0.0)
            choice, df = np.log1p(LAMBDAS[:, None] * whole).sum(axis=1) + 2 * basis.shape[1], self.n
        return Structure(
            columns, n_fixed, rho, shrink, gram, basis, crossed, rotation, penalties, choice, max(0, df), 1 / inflation
        )

    def whitened(self, values: Floats, shrink: Floats) -> Floats:
        """(I + rho U U')**-1/2 times the columns of values, float64 (n, q)."""
        if not shrink.any():
            return values
        clip = self.observations.clip
        means = np.asarray(self.of_clip @ values)[clip] / self.clip_sizes[clip][:, None]
        white: Floats = values - shrink[:, None] * means
        return white

    def fit(self, values: Floats) -> Components:
        """REML estimates for each column of values, float64 (n, m)."""
        profiles = [self._profile(each, values) for each in self.structures]
        columns = np.arange(values.shape[1])
        best = _first_best(np.stack([p.compared for p in profiles]))
        likelihood = np.stack([p.likelihoods for p in profiles])  # structures, LAMBDAS, columns
        likelihoods = likelihood[best, :, columns].T
        noises = np.stack([p.noises for p in profiles])[best, :, columns].T
        place = _first_best(likelihoods)
        without = likelihood[:, 0].max(axis=0) if self.by_label else likelihoods[0]
        evidence = np.maximum(2 * (likelihoods[place, columns] - without), 0.0)
        return Components(best, LAMBDAS[place], noises[place, columns], evidence, likelihoods, noises)

    def _profile(self, s: Structure, values: Floats) -> _Profile:
        """The model with one structure, for each column of values."""
        white = self.whitened(values, s.shrink)
        explained = s.basis.T @ white
        rotated = (s.rotation @ (s.random.T @ self.whitened(white, s.shrink) - s.crossed @ explained)) ** 2
        rest = np.maximum((white**2).sum(axis=0) - (explained**2).sum(axis=0) - rotated.sum(axis=0), 0.0)
        squares, df = s.shares @ rotated + rest, max(1, self.n - s.basis.shape[1])
        compared = _log_likelihood(squares, s.choice_df, s.choice_penalties).max(axis=0)
        if s.choice_df == 0:
            compared[:] = -np.inf
        return _Profile(_log_likelihood(squares, df, s.penalties), squares / df, compared)


class _Profile(NamedTuple):
    """Restricted log-likelihood and s2 of each lambda, (len(LAMBDAS), m); by ``compared``, (m,), a structure is chosen."""

    likelihoods: Floats
    noises: Floats
    compared: Floats


def _log_likelihood(squares: Floats, df: int, penalties: Floats) -> Floats:
    """Profile log-likelihood for sums of squares (len(LAMBDAS), m), without its constant; X can explain all, up to rounding."""
    out: Floats = -0.5 * (df * np.log(np.maximum(squares / max(1, df), np.finfo(float).tiny)) + penalties[:, None])
    return out


def _first_best(likelihood: Floats) -> IntArray:
    """Position in each column of the first of the largest values."""
    place: IntArray = np.argmax(likelihood >= likelihood.max(axis=0) - _TIE, axis=0)
    return place


def _orthonormal(columns: Floats) -> tuple[Floats, float]:
    """Orthonormal basis of the span of the columns, (n, rank), and the logarithm of the determinant of columns' columns on it."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    kept = singular > _RANK * max(float(singular.max(initial=0.0)), 1.0)
    return left[:, kept], 2 * float(np.log(singular[kept]).sum())
