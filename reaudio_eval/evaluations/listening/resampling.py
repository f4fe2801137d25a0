"""Pigeonhole bootstrap over participants and prompts (Owen 2007).

Both are drawn independently; the weight of an answer is the product of its two counts. For quantities that are no means: Bradley-Terry
scores, rank correlations over systems. It is conservative: the variance of single answers enters up to three times.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.intervals import Draws


def pigeonhole(participants: pd.Series[str], prompts: pd.Series[str], draws: Draws) -> Floats:
    """Weights of answers in bootstrap samples, float64 (draws, n).

    Args:
        participants, prompts: of each answer, (n,).
        draws: bootstrap counts by name of the unit.
    """
    return unit_counts(participants, "participants", draws) * unit_counts(prompts, "prompts", draws)


def unit_counts(units: pd.Series[str], what: Literal["participants", "prompts"], draws: Draws) -> Floats:
    """How often the unit of each row was drawn, float64 (draws, n)."""
    names, codes = np.unique(units.to_numpy(dtype=str), return_inverse=True)
    # The prefix keeps equal sets of names, of participants and of prompts, from being drawn alike.
    counts: Floats = draws.counts(tuple(f"{what}: {name}" for name in names))[:, codes]
    return counts
