from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_statistics import (
    MIN_BANDWIDTH,
    bandwidth,
    class_estimate,
    kendall,
    local_linear,
    slope,
    smoother_weights,
    spearman,
    weighted_mean,
    worst_mean,
)
from reaudio_eval.statistics.intervals import Draws, bootstrap_counts, t_interval

EXACT = 1e-10  # the same formula in another order of additions
RIDGE = 1e-4  # what the smoother's ridge of 1e-6 may bend a straight line

SMALL_INTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12)


def resampled(x: Floats, counts: Floats) -> Floats:
    """The sample that a row of counts stands for."""
    return np.repeat(x, counts.astype(int))


@pytest.fixture
def data() -> tuple[Floats, Floats, Floats, Floats]:
    rng = np.random.default_rng(0)
    x, y = np.round(rng.uniform(0, 4, 25), 1), np.round(rng.normal(size=25), 1)  # rounded: ties
    return x, y, rng.integers(1, 9, 25).astype(float), bootstrap_counts(25, 20, rng)


def test_rank_correlations_are_scipys_on_each_resample(data: tuple[Floats, Floats, Floats, Floats]) -> None:
    x, y, _, counts = data
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


def test_slope_is_weighted_least_squares(data: tuple[Floats, Floats, Floats, Floats]) -> None:
    x, y, w, counts = data
    expected = [np.polyfit(x, y, 1, w=np.sqrt(c * w))[0] for c in counts]
    np.testing.assert_allclose(slope(counts, x, y, w), expected, atol=EXACT)


def test_slope_of_classes_with_one_count_is_undefined() -> None:
    assert np.isnan(slope(np.ones((1, 3)), np.full(3, 2.1), np.arange(3.0), np.ones(3))[0])
    assert np.isnan(slope(np.array([[0.0, 3.0, 0.0]]), np.arange(3.0), np.arange(3.0), np.ones(3))[0])


def test_weighted_mean(data: tuple[Floats, Floats, Floats, Floats]) -> None:
    _, y, w, counts = data
    np.testing.assert_allclose(weighted_mean(counts, y, w), [np.average(y, weights=c * w) for c in counts], atol=EXACT)
    assert np.isnan(weighted_mean(np.ones((1, 2)), np.ones(2), np.zeros(2))[0])


def test_worst_mean_on_each_resample(data: tuple[Floats, Floats, Floats, Floats]) -> None:
    _, y, _, counts = data
    low = [np.sort(resampled(y, c))[:3].mean() for c in counts]  # a tenth of 25, rounded up
    high = [np.sort(resampled(y, c))[-3:].mean() for c in counts]
    np.testing.assert_allclose(worst_mean(counts, y, True), low, atol=EXACT)
    np.testing.assert_allclose(worst_mean(counts, y, False), high, atol=EXACT)


def test_bandwidth_is_scotts_rule_with_a_floor() -> None:
    x = np.linspace(0, 4, 32)
    assert bandwidth(x) == pytest.approx(1.06 * x.std() / 2)  # 32 ** 0.2 = 2
    assert bandwidth(np.ones(5)) == MIN_BANDWIDTH


def test_the_smoother_reproduces_constants_and_lines() -> None:
    x, grid = np.linspace(0, 4, 40), np.linspace(0, 4, 7)
    ones = np.ones((1, 40))
    np.testing.assert_allclose(local_linear(ones, x, np.full(40, 0.3), grid)[0], 0.3, atol=EXACT)
    np.testing.assert_allclose(local_linear(ones, x, 1 + 2 * x, grid)[0], 1 + 2 * grid, atol=RIDGE)


def test_the_smoother_is_kernel_weighted_least_squares(data: tuple[Floats, Floats, Floats, Floats]) -> None:
    x, y, _, counts = data
    h, point = bandwidth(x), 1.7
    for row in counts[:5]:
        weight = row * np.exp(-0.5 * ((x - point) / h) ** 2)
        expected = np.polyval(np.polyfit(x, y, 1, w=np.sqrt(weight)), point)
        assert local_linear(row[None], x, y, np.array([point]))[0, 0] == pytest.approx(expected, abs=RIDGE)


def test_smoother_weights_give_the_smooth_of_the_data(data: tuple[Floats, Floats, Floats, Floats]) -> None:
    x, y, _, _ = data
    grid = np.linspace(0, 4, 9)
    weights = smoother_weights(x, grid)
    np.testing.assert_allclose(y @ weights, local_linear(np.ones((1, len(x))), x, y, grid)[0], atol=EXACT)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-4)  # the ridge


def test_a_resample_of_one_class_gives_its_score() -> None:
    row = np.array([[3.0, 0.0, 0.0]])
    assert local_linear(row, np.arange(3.0), np.array([0.5, 1.0, 2.0]), np.array([0.2]))[0, 0] == pytest.approx(
        0.5, abs=RIDGE
    )


def names(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))


def test_few_classes_get_the_t_interval_of_a_mean() -> None:
    y = np.array([0.1, 0.4, 0.2, 0.6])
    value, interval = class_estimate(lambda c: weighted_mean(c, y, np.ones(4)), names(4), Draws(0, 10))
    expected = t_interval(y)
    assert value == pytest.approx(y.mean())
    assert (interval.low, interval.high, interval.method) == (
        pytest.approx(expected.low),
        pytest.approx(expected.high),
        "t over classes",
    )


def test_ten_classes_get_the_bca_bootstrap() -> None:
    rng = np.random.default_rng(0)
    x, y = np.arange(40.0), np.arange(40.0) + rng.normal(0, 12, 40)
    draws = Draws(3, 4000)
    value, interval = class_estimate(lambda c: spearman(c, x, y), names(40), draws, smooth=False)
    result = sps.bootstrap(
        (x, y), lambda a, b: sps.spearmanr(a, b).statistic, paired=True, vectorized=False, n_resamples=2000,
        method="BCa", rng=rng,
    )  # fmt: skip
    assert value == pytest.approx(sps.spearmanr(x, y).statistic)
    # Two bootstraps with draws of their own: the limits scatter by about 0.01.
    assert (interval.low, interval.high) == pytest.approx(tuple(result.confidence_interval), abs=0.04)
    assert interval.method == "BCa bootstrap over classes (4,000 draws)"


@pytest.mark.parametrize(
    ("n", "smooth", "reason"),
    [
        (0, True, "not defined for 0 classes"),
        (1, True, "1 class: an interval needs at least 2"),
        (9, False, "9 classes: an interval needs at least 10"),
    ],
)
def test_no_interval_has_a_reason(n: int, smooth: bool, reason: str) -> None:
    _, interval = class_estimate(lambda c: weighted_mean(c, np.ones(n), np.ones(n)), names(n), Draws(0, 10), smooth=smooth)
    assert interval.reason == reason


def test_a_slope_that_rests_on_one_class_has_no_interval() -> None:
    x, y = np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.5, 0.7])
    value, interval = class_estimate(lambda c: slope(c, x, y, np.ones(3)), names(3), Draws(0, 10))
    assert value == pytest.approx(0.6)
    assert interval.reason == "it rests on a single class"
