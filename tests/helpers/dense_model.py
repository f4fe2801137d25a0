"""The mixed model with dense covariance matrices, as an independent implementation; and small sets of clips and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import Bools, ClassTable, class_table
from reaudio_eval.statistics.mixed_model import Observations


def table_of(labels: Sequence[Sequence[str]], counts: Mapping[str, int] | None = None, scheme: str = "log10") -> ClassTable:
    """Clips c0000, c0001, ... with these labels; a label without a count is unseen."""
    prompts = tuple(Prompt(f"c{i:04d}", "", tuple(own)) for i, own in enumerate(labels))
    return class_table(Dataset("d", "", prompts, dict(counts or {}), {}), strata_scheme(scheme, counts or {}))


def several_labels(n_clips: int, n_classes: int, rng: np.random.Generator, most: int = 3) -> Observations:
    """Clips with 1 to ``most`` labels, every class on at least one clip where there are enough."""
    member = np.zeros((n_clips, n_classes))
    for i in range(n_clips):
        member[i, rng.choice(n_classes, size=rng.integers(1, most + 1), replace=False)] = 1
        member[i, i % n_classes] = 1
    return Observations(np.arange(n_clips), member)


def pairs_of(observations: Observations) -> Observations:
    """The (clip, label) pairs of clips with several labels."""
    clips, classes = np.nonzero(observations.member)
    return Observations(clips, np.eye(observations.member.shape[1])[classes])


class Dense:
    """y = X beta + Z b + u + e with covariance s2 (I + rho U U' + lambda Z Z').

    Args:
        observations: clips and classes.
        covariates, fixed: as in ``mixed_model.Model``.
        power: a label among n of a clip has the weight n ** -power.
        rho: variance of clip effects over that of the noise.
    """

    def __init__(
        self, observations: Observations, covariates: Floats, fixed: Bools, power: float = 0.0, rho: float = 0.0
    ) -> None:
        member = observations.member
        weights = member * (member.sum(axis=1) ** -power)[:, None]
        line = weights[:, ~fixed] @ covariates[~fixed]
        self.x = np.column_stack([np.ones(len(member)), line, weights[:, fixed]])
        self.z = weights[:, ~fixed]
        same_clip = (observations.clip[:, None] == observations.clip).astype(np.float64)
        self.noise = np.eye(len(member)) + rho * same_clip
        self.rank = int(np.linalg.matrix_rank(self.x))
        self._basis = np.linalg.svd(self.x)[0]

    def covariance(self, ratio: float) -> Floats:
        """Of the values over s2, float64 (n, n)."""
        out: Floats = self.noise + ratio * self.z @ self.z.T
        return out

    def restricted(self, y: Floats, ratio: float) -> tuple[float, float]:
        """Restricted log-likelihood without its constant, and s2: the likelihood of K'y with K'X = 0."""
        k = self._basis[:, self.rank :]
        reduced = k.T @ self.covariance(ratio) @ k
        df = len(y) - self.rank
        s2 = float((k.T @ y) @ np.linalg.solve(reduced, k.T @ y)) / df
        return -0.5 * (df * np.log(s2) + np.linalg.slogdet(reduced)[1]), s2

    def aic(self, y: Floats, ratio: float) -> float:
        """Log-likelihood less the number of fixed effects, without its constant."""
        v = self.covariance(ratio)
        beta = self.gls(y, ratio)[0]
        r = y - self.x @ beta
        return float(-0.5 * (len(y) * np.log(r @ np.linalg.solve(v, r) / len(y)) + np.linalg.slogdet(v)[1]) - self.rank)

    def gls(self, y: Floats, ratio: float) -> tuple[Floats, Floats]:
        """Fixed effects by generalised least squares, and their covariance over s2."""
        solved = np.linalg.solve(self.covariance(ratio), self.x)
        covariance = np.linalg.pinv(self.x.T @ solved)
        return covariance @ solved.T @ y, covariance

    def blup(self, y: Floats, ratio: float) -> Floats:
        """Predicted random effects."""
        beta, _ = self.gls(y, ratio)
        out: Floats = ratio * self.z.T @ np.linalg.solve(self.covariance(ratio), y - self.x @ beta)
        return out
