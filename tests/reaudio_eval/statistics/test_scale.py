"""Intervals within the range of a metric, against scipy's distributions, and their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.scale import FREE, Scale

EXACT = 1e-10  # quantiles of scipy.special and scipy.stats
SHARE, COSINE, POSITIVE = Scale.of(Range(0.0, 1.0)), Scale.of(Range(-1.0, 1.0)), Scale.of(Range(0.0, None))
SCALES = pytest.mark.parametrize("scale", [SHARE, COSINE, POSITIVE, FREE, SHARE.difference()])
QUANTILES = (0.025, 0.975)


def ends(scale: Scale, value: float, relative: float, df: float = np.inf) -> tuple[float, float]:
    low, high = scale.interval([value], [relative], [df])
    return float(low[0]), float(high[0])


def test_kinds_of_scale() -> None:
    assert Scale(0.0, 1.0, constant=False) == SHARE
    assert Scale.of(Range(None, None)) == FREE
    assert Scale.of(Range(None, 5.0)) == Scale(-np.inf, 5.0, constant=True)
    assert [s.bounded for s in (SHARE, COSINE, POSITIVE, FREE, SHARE.difference())] == [True, True, False, False, False]
    assert COSINE.difference() == Scale(-2.0, 2.0, constant=True)
    assert POSITIVE.difference() == FREE


def test_variance_vanishes_at_the_bounds() -> None:
    means = np.array([0.0, 0.25, 1.0])
    np.testing.assert_array_equal(SHARE.variance(means), [0, 3 / 16, 0])
    np.testing.assert_array_equal(COSINE.variance(np.array([-1.0, 0.0, 0.5])), [0, 1, 0.75])
    np.testing.assert_array_equal(POSITIVE.variance(np.array([0.0, 3.0])), [0, 9])
    np.testing.assert_array_equal(FREE.variance(means), 1)


@pytest.mark.parametrize("n", [1, 5, 40])
def test_counts_have_jeffreys_interval(n: int) -> None:
    for k in range(n + 1):
        low, high = ends(SHARE, k / n, 1 / n)
        expected = sps.beta.ppf(QUANTILES, k + 0.5, n - k + 0.5)
        assert low == pytest.approx(0.0 if k == 0 else expected[0], abs=EXACT)
        assert high == pytest.approx(1.0 if k == n else expected[1], abs=EXACT)


def test_a_shifted_range_shifts_the_interval() -> None:
    low, high = ends(SHARE, 0.3, 1 / 20)
    assert ends(COSINE, -0.4, 1 / 20) == pytest.approx((2 * low - 1, 2 * high - 1))


def test_few_degrees_of_freedom_lower_the_effective_number() -> None:
    """Korn and Graubard: n is divided by the squared ratio of the t quantile to the normal one."""
    n = 50 * (sps.norm.ppf(0.975) / sps.t.ppf(0.975, 4)) ** 2
    assert ends(SHARE, 0.2, 1 / 50, 4) == pytest.approx(sps.beta.ppf(QUANTILES, 0.2 * n + 0.5, 0.8 * n + 0.5))


@pytest.mark.parametrize("n", [1, 7, 300])
def test_the_mean_of_exponential_values_has_its_exact_interval(n: int) -> None:
    """A coefficient of variation of 1: 2 n mean / truth is chi-squared with 2 n degrees of freedom."""
    expected = 2 * n * 3.0 / sps.chi2.ppf(QUANTILES[::-1], 2 * n)
    assert ends(POSITIVE, 3.0, 1 / n) == pytest.approx(tuple(expected))
    shifted = ends(Scale(-2.0, np.inf, constant=False), 1.0, 1 / n)
    assert shifted == pytest.approx(tuple(expected - 2))


def test_unbounded_means_have_students_interval() -> None:
    x = np.random.default_rng(0).normal(size=9)
    expected = sps.ttest_1samp(x, 0).confidence_interval()
    assert ends(FREE, float(x.mean()), float(x.var(ddof=1) / 9), 8) == pytest.approx(tuple(expected))


def test_differences_are_cut_at_possible_values() -> None:
    low, high = ends(SHARE.difference(), 0.9, 0.1, 5)
    assert high == 1.0
    assert low == pytest.approx(0.9 - sps.t.ppf(0.975, 5) * np.sqrt(0.1))


def test_a_mean_at_the_bound_has_no_spread_however_large_its_relative_variance() -> None:
    assert ends(POSITIVE, 0.0, float(np.exp(2.0)), 1.0) == (0.0, 0.0)


def test_the_smallest_number_is_inside_its_interval() -> None:
    smallest = float(np.nextafter(0.0, 1.0))
    low, high = ends(POSITIVE, smallest, 1.0, 1.0)
    assert low <= smallest < high


@SCALES
@given(
    share=st.floats(0, 1),
    log_variance=st.floats(-25, 5),
    df=st.one_of(st.floats(1, 1000), st.just(np.inf)),
)
def test_intervals_hold_their_mean_and_stay_in_the_range(scale: Scale, share: float, log_variance: float, df: float) -> None:
    value = (
        scale.low + share * (scale.high - scale.low) if np.isfinite(scale.low) and np.isfinite(scale.high) else 10 * share
    )
    low, high = ends(scale, value, float(np.exp(log_variance)), df)
    assert scale.low <= low <= value <= high <= scale.high
    if value > scale.low or scale.bounded:
        assert low < high


@SCALES
@given(
    first=st.floats(0.001, 1), second=st.floats(0.001, 1), variance=st.floats(1e-4, 0.5), df=st.floats(2, 100),
)  # fmt: skip
def test_ends_rise_with_the_mean(scale: Scale, first: float, second: float, variance: float, df: float) -> None:
    first, second = sorted((first, second))
    for a, b in zip(ends(scale, first, variance, df), ends(scale, second, variance, df), strict=True):
        assert a <= b + EXACT


@SCALES
@given(
    value=st.floats(0.01, 0.99), first=st.floats(1e-5, 0.3), second=st.floats(1e-5, 0.3), df=st.floats(2, 100),
)  # fmt: skip
def test_width_rises_with_the_variance_and_falls_with_its_degrees_of_freedom(
    scale: Scale, value: float, first: float, second: float, df: float
) -> None:
    first, second = sorted((first, second))
    narrow, wide = (np.subtract(*ends(scale, value, v, df)[::-1]) for v in (first, second))
    assert narrow <= wide + EXACT
    fewer = np.subtract(*ends(scale, value, first, df / 2)[::-1])
    assert narrow <= fewer + EXACT


def test_intervals_of_many_clips_are_those_of_the_normal_distribution() -> None:
    for scale in (SHARE, COSINE, POSITIVE):
        half = sps.norm.ppf(0.975) * np.sqrt(1e-6 * float(scale.variance(np.array(0.3))))
        assert ends(scale, 0.3, 1e-6) == pytest.approx((0.3 - half, 0.3 + half), abs=5e-3 * half)


def test_huge_and_tiny_scores_have_the_interval_in_their_unit() -> None:
    low, high = ends(POSITIVE, 1.0, 1 / 12, 5)
    for unit in (1e-12, 1e12):
        assert ends(POSITIVE, unit, 1 / 12, 5) == pytest.approx((unit * low, unit * high))


@pytest.mark.parametrize(
    ("scale", "overall", "expected"),
    [
        (SHARE, 0.5, [0.05, 0.3, 0.95]), (SHARE, 0.1, [0.01, 0.3, 0.91]), (COSINE, 0.0, [-0.2, 0.3, 0.9]),
        (POSITIVE, 2.0, [0.2, 0.3, 1.4]), (FREE, 2.0, [-0.2, 0.3, 1.4]),
    ],
)  # fmt: skip
def test_fitted_means_keep_away_from_the_bounds(scale: Scale, overall: float, expected: list[float]) -> None:
    """A tenth of the distance of the overall mean to the bound."""
    np.testing.assert_allclose(scale.inside(np.array([-0.2, 0.3, 1.4]), overall), expected)


def test_rounding_at_a_bound_is_the_bound() -> None:
    assert [SHARE.rounded(x) for x in (-1e-17, 1e-15, 1e-9, 1 - 1e-15, 1 + 1e-15)] == [0.0, 0.0, 1e-9, 1.0, 1.0]
    assert (POSITIVE.rounded(1e-15), POSITIVE.rounded(-1e-15), FREE.rounded(-3.0)) == (1e-15, 0.0, -3.0)
    assert (SHARE.difference().rounded(1.2), SHARE.difference().rounded(1 - 1e-15)) == (1.0, 1 - 1e-15)
