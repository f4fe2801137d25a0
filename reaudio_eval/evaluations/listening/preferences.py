"""Bradley-Terry scores of paired comparisons.

P(a preferred to b) = 1 / (1 + exp(score_b - score_a)) (Bradley and Terry 1952); "no difference" counts half for either. Scores sum to
zero. A Gaussian prior of standard deviation ``PRIOR_SD`` keeps them finite when a system wins every comparison; it shifts others
by little.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.optimize import root
from scipy.special import expit

from reaudio_eval.evaluations.listening.resampling import Draws, pigeonhole
from reaudio_eval.scores.jackknife import Floats

PRIOR_SD = 3.0  # a difference of 3 is a preference of 95 %
N_FITS = 500  # bootstrap fits


def fit_scores(wins: Floats, start: Floats | None = None) -> Floats:
    """Maximum-a-posteriori scores, float64 (S,), sum 0.

    Args:
        wins: float64 (S, S), how often row was preferred to column; halves for "no difference".
        start: where the search begins.
    """
    games = wins + wins.T

    def gradient(scores: Floats) -> Floats:
        expected = games * expit(scores[:, None] - scores)
        slope: Floats = (expected - wins).sum(axis=1) + scores / PRIOR_SD**2
        return slope

    def hessian(scores: Floats) -> Floats:
        chance = expit(scores[:, None] - scores)
        weight = games * chance * (1 - chance)
        return np.diag(weight.sum(axis=1) + 1 / PRIOR_SD**2) - weight

    # The loss is strictly convex: its gradient has one root.
    solution = root(gradient, np.zeros(len(wins)) if start is None else start, jac=hessian)
    scores: Floats = solution.x - solution.x.mean()
    return scores


def bradley_terry(ratings: pd.DataFrame, systems: list[str], draws: Draws) -> tuple[Floats, Floats]:
    """Scores, and the same on bootstrap samples of participants and prompts.

    Args:
        ratings: one question's pairs: participant, prompt, system_a, system_b, value.
        systems: names, in the order of the scores.
        draws: bootstrap counts.

    Returns:
        float64 (S,) and float64 (``N_FITS``, S).
    """
    place = {name: i for i, name in enumerate(systems)}
    n = len(systems)
    a, b = (ratings[c].map(place).to_numpy(dtype=np.intp) for c in ("system_a", "system_b"))
    value = ratings["value"].to_numpy(dtype=np.float64)
    design = np.zeros((len(ratings), n * n))
    rows = np.arange(len(ratings))
    design[rows, a * n + b] = value
    design[rows, b * n + a] = 1 - value
    scores = fit_scores(design.sum(axis=0).reshape(n, n))
    weights = pigeonhole(ratings["participant"], ratings["prompt"], draws)[:N_FITS]
    drawn = np.array([fit_scores(wins.reshape(n, n), scores) for wins in weights @ design])
    return scores, drawn
