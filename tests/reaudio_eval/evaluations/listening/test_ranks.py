"""Weighted rank correlations against scipy's on the samples that the counts stand for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from reaudio_eval.evaluations.listening.ranks import kendall, mean, spearman
from reaudio_eval.evaluations.listening.resampling import bootstrap_counts
from reaudio_eval.scores.jackknife import Floats

EXACT = 1e-10  # the same formula in another order of additions

SMALL_INTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12)


def resampled(x: Floats, counts: Floats) -> Floats:
    """The sample that a row of counts stands for."""
    return np.repeat(x, counts.astype(int))


@pytest.fixture
def data() -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(0)
    x, y = np.round(rng.uniform(0, 4, 25), 1), np.round(rng.normal(size=25), 1)  # rounded: ties
    return x, y, bootstrap_counts(25, 20, rng)


def test_rank_correlations_are_scipys_on_each_resample(data: tuple[Floats, Floats, Floats]) -> None:
    x, y, counts = data
    expected_rho = [sps.spearmanr(resampled(x, c), resampled(y, c)).statistic for c in counts]
    expected_tau = [sps.kendalltau(resampled(x, c), resampled(y, c)).statistic for c in counts]
    np.testing.assert_allclose(spearman(counts, x, y), expected_rho, atol=EXACT)
    np.testing.assert_allclose(kendall(counts, x, y), expected_tau, atol=EXACT)


@given(SMALL_INTS)
def test_rank_correlations_with_many_ties(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=np.float64).T
    ones = np.ones((1, len(x)))
    for ours, theirs in ((spearman, sps.spearmanr), (kendall, sps.kendalltau)):
        constant = len(set(x)) == 1 or len(set(y)) == 1
        expected = np.nan if constant else theirs(x, y).statistic
        assert ours(ones, x, y)[0] == pytest.approx(expected, abs=EXACT, nan_ok=True)


def test_mean_of_each_resample(data: tuple[Floats, Floats, Floats]) -> None:
    _, y, counts = data
    np.testing.assert_allclose(mean(counts, y), [resampled(y, c).mean() for c in counts], atol=EXACT)
    assert np.isnan(mean(np.zeros((1, 2)), np.ones(2))[0])
