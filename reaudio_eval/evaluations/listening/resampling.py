"""Bootstrap over prompts, and over participants and prompts.

Samples are kept as *counts* (how often each of n units was drawn), float64 (draws, n): a mean over the sample is one matrix product, and
several statistics share the same draws. :func:`pigeonhole` draws participants and prompts independently (Owen 2007), and the weight of an
answer is the product of its two counts. It is for quantities that are no means: Bradley-Terry scores, rank correlations over systems. It is
conservative: the variance of single answers enters up to three times.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats as sps

from reaudio_eval.scores.jackknife import LEVEL, Floats, Interval, no_interval, student_interval

MIN_BOOTSTRAP = 10  # prompts; with fewer a mean has Student's t interval


class Draws:
    """Bootstrap counts by the units drawn from: the same units give the same draws, whatever was asked before.

    Args:
        seed: of the run, 0 or more.
        n_draws: bootstrap samples, e.g. 2,000.
        keep: how many tables stay in memory.
    """

    def __init__(self, seed: int, n_draws: int, keep: int = 64) -> None:
        self.seed = seed
        self.n_draws = n_draws
        self.counts: Callable[[tuple[str, ...]], Floats] = lru_cache(maxsize=keep)(self._counts)

    def _counts(self, units: tuple[str, ...]) -> Floats:
        """float64 (n_draws, len(units)); rows sum to len(units)."""
        return bootstrap_counts(len(units), self.n_draws, self.rng(units))

    def rng(self, units: tuple[str, ...]) -> np.random.Generator:
        """A generator that depends on the seed and the names of the units only."""
        digest = hashlib.sha256("\0".join(units).encode()).digest()
        return np.random.default_rng([self.seed, *np.frombuffer(digest, dtype=np.uint32).tolist()])


def bootstrap_counts(n: int, n_draws: int, rng: np.random.Generator) -> Floats:
    """How often each of n units occurs in each bootstrap sample: float64 (n_draws, n), rows sum to n."""
    drawn = rng.integers(0, n, size=(n_draws, n)) + n * np.arange(n_draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_draws * n).reshape(n_draws, n).astype(np.float64)


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


def widened_limits(df: float) -> Floats:
    """Standard normal quantiles of the two limits, widened for few units as in Hesterberg's expanded percentile interval
    (arXiv 1411.5279): bootstrap distributions are too narrow by sqrt(df / (df + 1)) and know no t quantile. With 10
    prompts the plain limits cover 0.90 instead of 0.95. ``df`` is the number of units less 1; infinity changes nothing."""
    z = float(sps.t.ppf((1 + LEVEL) / 2, df)) * np.sqrt(1 + 1 / df)
    return np.array([-z, z])


def percentile_interval(draws: Floats, df: float, unit: str) -> Interval:
    """Expanded percentile bootstrap interval (:func:`widened_limits`); none where the samples agree.

    Args:
        draws: float64 (n_draws,), the statistic of each sample; undefined ones (NaN) are left out.
        df: units less 1.
        unit: what was resampled, e.g. "prompts".
    """
    known = draws[np.isfinite(draws)]
    low, high = np.quantile(known, sps.norm.cdf(widened_limits(df))) if len(known) else (np.nan, np.nan)
    if not low < high:
        return no_interval(f"samples of {unit} give the same value: too few to estimate the spread")
    method = f"expanded percentile bootstrap over {unit} ({len(draws):,} draws)"
    return Interval(float(low), float(high), float(known.std(ddof=1)), df, method)


def mean_interval(values: Floats, draws: Draws, names: tuple[str, ...], unit: str) -> Interval:
    """Interval of a mean over units, (n,) finite: expanded percentile bootstrap, or Student's t for fewer than ``MIN_BOOTSTRAP``; none for
    units that agree, since an interval of no width would claim certainty.

    Args:
        values: of the units.
        draws: bootstrap counts by ``names``.
        names: of the units.
        unit: what they are, e.g. "prompts".
    """
    n = len(values)
    if n < 2:
        return no_interval(f"{n} {unit}: an interval needs at least 2")
    if np.ptp(values) == 0:
        return no_interval(f"all {n} {unit} have the same value: too few to estimate the spread")
    if n >= MIN_BOOTSTRAP:
        return percentile_interval(draws.counts(names) @ values / n, n - 1, unit)
    return student_interval(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)), n - 1, f"t over {unit}")
