"""Intervals of set metrics: the textbook jackknife, unequal groups, undefined replicates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats, jackknife_interval, no_interval, student_interval

EXACT = 1e-12  # the same formula in another order of additions


def normal(n: int, seed: int = 0, mean: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1.0, n)


def test_student_interval_is_scipys() -> None:
    x = normal(12)
    interval = student_interval(float(x.mean()), float(sps.sem(x)), 11, "t")
    assert (interval.low, interval.high) == pytest.approx(tuple(sps.ttest_1samp(x, 0).confidence_interval(0.95)), abs=EXACT)
    assert (interval.df, interval.method, interval.reason) == (11, "t", None)


def test_no_interval_has_a_reason_and_no_number() -> None:
    interval = no_interval("because")
    assert np.isnan([interval.low, interval.high, interval.se, interval.df]).all()
    assert (interval.method, interval.reason) == ("none", "because")


def test_leave_one_out_jackknife_of_a_mean_is_the_t_interval() -> None:
    x = normal(8)
    interval = jackknife_interval(x.mean(), [np.delete(x, i).mean() for i in range(8)])
    expected = student_interval(float(x.mean()), float(sps.sem(x)), 7, "t")
    assert (interval.low, interval.high, interval.se) == pytest.approx((expected.low, expected.high, expected.se), abs=EXACT)


def test_equal_sizes_are_the_textbook_variance() -> None:
    r = normal(20)
    expected = np.sqrt(19 / 20 * np.sum((r - r.mean()) ** 2))
    assert jackknife_interval(3.0, r).se == pytest.approx(expected, rel=EXACT)
    assert jackknife_interval(3.0, r, sizes=[7] * 20).se == pytest.approx(expected, rel=EXACT)


def test_unequal_groups_estimate_the_error_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    sizes = [5, 10, 20, 40] * 5
    ends = np.cumsum(sizes)
    variances = []
    for _ in range(300):
        x = rng.normal(size=ends[-1])
        left_out = [np.delete(x, slice(e - m, e)).mean() for e, m in zip(ends, sizes, strict=True)]
        variances.append(jackknife_interval(x.mean(), left_out, sizes).se ** 2)
    # The truth is 1 / n. One estimate scatters by sqrt(2 / 19) = 0.32, the mean of 300 by 0.02; four of these.
    assert np.mean(variances) * ends[-1] == pytest.approx(1.0, abs=0.08)


def test_undefined_replicates_are_left_out_and_one_is_not_enough() -> None:
    assert jackknife_interval(1.0, [1.0, np.nan, 2.0]).se == jackknife_interval(1.0, [1.0, 2.0]).se
    assert jackknife_interval(1.0, [1.0, np.nan]).reason == "1 usable jackknife groups: an interval needs at least 2"
    assert jackknife_interval(np.nan, [1.0, 2.0]).reason is not None
