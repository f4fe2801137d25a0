"""Sign-flip tests: enumeration by itertools, scipy's permutation test, level under the null hypothesis."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from reaudio_eval.evaluations.listening.sign_flips import MAX_ENUMERATED, sign_flip_p
from reaudio_eval.scores.jackknife import Floats

EXACT = 1e-12  # the same formula in another order of additions
MONTE_CARLO = 0.006  # three standard errors of a p-value near 0.05 from 19,999 random sign patterns


def normal(n: int, seed: int = 0, mean: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1.0, n)


def test_sign_flips_are_enumerated_for_few_units_as_scipy_does() -> None:
    d = normal(10, mean=0.5)
    exact = sps.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(d[:, None], np.random.default_rng(0))[0] == pytest.approx(exact.pvalue, abs=EXACT)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=7))
def test_enumeration_counts_ties(differences: list[int]) -> None:
    d = np.array(differences, dtype=np.float64)
    sums = [abs(np.dot(signs, d)) for signs in itertools.product([-1, 1], repeat=len(d))]
    expected = np.mean([s >= abs(d.sum()) for s in sums])
    assert sign_flip_p(d[:, None] / 7, np.random.default_rng(0))[0] == expected


def test_sampled_sign_flips_agree_with_wilcoxon_and_t() -> None:
    d = normal(60, mean=0.28)
    p = sign_flip_p(d[:, None], np.random.default_rng(0))[0]
    assert p == pytest.approx(sps.ttest_1samp(d, 0).pvalue, abs=MONTE_CARLO)
    # Wilcoxon asks about ranks, so it agrees only in order of magnitude for normal differences.
    assert 0.2 < p / sps.wilcoxon(d).pvalue < 5


def test_a_column_does_not_depend_on_its_neighbours() -> None:
    terms = np.column_stack(
        [normal(30), normal(30, 1), np.where(np.arange(30) < MAX_ENUMERATED, normal(30, 2), 0), np.zeros(30)]
    )
    together = sign_flip_p(terms, np.random.default_rng(0))
    alone = [sign_flip_p(terms[:, [i]], np.random.default_rng(0))[0] for i in range(4)]
    assert together.tolist() == alone
    assert together[3] == 1.0


def test_sign_flip_test_keeps_its_level_under_the_null() -> None:
    rng = np.random.default_rng(0)
    p = sign_flip_p(rng.normal(size=(12, 400)), rng)
    # Binomial(400, 0.05) / 400 has standard deviation 0.011.
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.035)
