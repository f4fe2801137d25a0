"""Tests of differences, Holm's correction, and inequality of counts, against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats, jackknife_interval, no_interval, student_interval
from reaudio_eval.statistics.intervals import (
    detectable_difference,
    gini,
    holm,
    imbalance_ratio,
    paired_jackknife,
    t_test_p,
    undefined,
)

EXACT = 1e-12  # the same formula in another order of additions
ROUNDED = 6e-4  # the published detectable differences have three decimals


def normal(n: int, seed: int = 0, mean: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1.0, n)


def test_an_undefined_estimate_has_a_reason() -> None:
    value, interval = undefined("no clip has a value")
    assert np.isnan(value)
    assert interval.reason == "no clip has a value"


def test_paired_jackknife_sees_what_two_systems_share() -> None:
    shared, own = normal(20), 0.01 * normal(20, 1)
    alone, paired = jackknife_interval(1.0, shared), paired_jackknife(1.0, shared, 0.9, shared + own)
    assert paired.se < 0.05 * alone.se
    assert paired.se == pytest.approx(jackknife_interval(0.1, own).se, rel=1e-9)  # cancellation of the shared part
    with pytest.raises(ValueError, match="2 and 3 jackknife groups"):
        paired_jackknife(1.0, [1, 2], 1.0, [1, 2, 3])


def test_t_test_p_is_scipys() -> None:
    x = normal(9, mean=0.5)
    interval = student_interval(float(x.mean()), float(sps.sem(x)), 8, "t")
    assert t_test_p(float(x.mean()), interval) == pytest.approx(sps.ttest_1samp(x, 0).pvalue, abs=EXACT)
    assert np.isnan(t_test_p(1.0, no_interval("one unit")))


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04, then never decreasing.
    assert holm([0.04, 0.01, np.nan, 0.03, 0.02])[[0, 1, 3, 4]].tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert np.isnan(holm([0.04, np.nan])[1])
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_raw_and_bonferroni_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + EXACT).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize(
    ("n", "correlation", "expected"),
    [(100, 0.0, 0.048), (100, 0.5, 0.034), (100, 0.8, 0.021), (964, 0.0, 0.015), (964, 0.5, 0.011), (964, 0.8, 0.007)],
)
def test_detectable_clap_differences(n: int, correlation: float, expected: float) -> None:
    # Two scores of standard deviation 0.12, correlated over clips.
    se = 0.12 * np.sqrt(2 * (1 - correlation) / n)
    assert detectable_difference(se) == pytest.approx(expected, abs=ROUNDED)


def test_detectable_difference_is_found_with_the_power_it_says() -> None:
    n, se = 12, 1 / np.sqrt(12)
    effect = detectable_difference(se, n - 1)
    power = sps.nct.sf(sps.t.ppf(0.975, n - 1), n - 1, effect / se)
    assert power == pytest.approx(0.8, abs=0.01)  # t quantiles approximate the non-central t
    assert np.isnan(detectable_difference(np.nan, np.nan))


def test_gini_closed_forms() -> None:
    assert gini([3, 3, 3]) == pytest.approx(0)
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert gini([1, 3]) == pytest.approx(1 / 4)
    assert np.isnan(gini([]))


@given(st.lists(st.integers(1, 10**5), min_size=1, max_size=30))
def test_gini_is_half_the_mean_absolute_difference_over_the_mean(counts: list[int]) -> None:
    x = np.array(counts, dtype=np.float64)
    assert gini(counts) == pytest.approx(np.abs(x[:, None] - x).mean() / (2 * x.mean()), abs=1e-9)


def test_imbalance_ratio() -> None:
    assert imbalance_ratio([20_707, 1, 0]) == 20_707
    assert np.isnan(imbalance_ratio([0]))
