"""The smooth of class means: lines are reproduced, few neighbours, the range of the metric."""

from __future__ import annotations

import numpy as np
import pytest
from dense_model import table_of
from hypothesis import given
from hypothesis import strategies as st

from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.class_table import summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.curve import GRID_POINTS, MIN_BANDWIDTH, MIN_NEIGHBOURS, curve, smoother_weights
from reaudio_eval.statistics.scale import Scale

EXACT = 1e-9  # weights of classes far away cancel
SHARE = Scale.of(Range(0.0, 1.0))
COUNTS = {f"l{i:02d}": int(10 ** (i / 8)) for i in range(32)}
TABLE = table_of([(label,) for label in COUNTS for _ in range(3)], COUNTS)


def kish(weights: np.ndarray) -> float:
    return float(weights.sum() ** 2 / (weights @ weights))


@given(st.integers(3, 60), st.floats(0, 3), st.floats(0.5, 5))
def test_a_straight_line_is_reproduced(n: int, start: float, span: float) -> None:
    """Of classes spread evenly, of which a straight line through all rests on a quarter at its ends."""
    x = start + span * np.linspace(0, 1, n)
    grid = np.linspace(x[0], x[-1], 7)
    weights = smoother_weights(x, grid)
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=EXACT)
    np.testing.assert_allclose((2 - 3 * x) @ weights, 2 - 3 * grid, atol=1e-6)


@given(st.lists(st.floats(0, 5), min_size=32, max_size=60, unique=True).filter(lambda x: max(x) - min(x) > 0.5))
def test_eight_classes_carry_every_point(places: list[float]) -> None:
    x = np.sort(places)
    weights = smoother_weights(x, np.linspace(x[0], x[-1], GRID_POINTS))
    np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-6)
    assert (1 / (weights**2).sum(axis=0) >= MIN_NEIGHBOURS - 1e-6).all()


@pytest.mark.parametrize("places", [(3.2, 3.6), (3.2, 4.4), (2.5, 3.0)])
def test_the_curve_does_not_swing_with_two_isolated_classes(places: tuple[float, float]) -> None:
    """Forty classes of 0.5, and far from them one of 0.9 and one of 0.1: two of eight move the curve by at most a quarter of 0.4, in the
    gap as well."""
    x = np.append(np.linspace(0.3, 1.5, 40), places)
    y = np.append(np.full(40, 0.5), [0.9, 0.1])
    smooth = y @ smoother_weights(x, np.linspace(x[0], x[-1], GRID_POINTS))
    assert np.abs(smooth - 0.5).max() < 0.1


def test_weights_are_those_of_kernel_weighted_least_squares() -> None:
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.uniform(0, 4, 60)), rng.normal(size=60)
    width = 1.06 * x.std() * 60**-0.2
    for point in (1.0, 2.0, 3.0):
        kernel = np.exp(-0.5 * ((x - point) / width) ** 2)
        assert kish(kernel) > MIN_NEIGHBOURS
        expected = np.polyval(np.polyfit(x, y, 1, w=np.sqrt(kernel)), point)
        assert (y @ smoother_weights(x, np.array([point])))[0] == pytest.approx(expected)


def test_a_point_with_few_classes_looks_further() -> None:
    """Fifty rare classes and one frequent one: the end of the curve does not follow that class alone."""
    x = np.append(np.linspace(0, 1, 50), 5.0)
    weights = smoother_weights(x, np.array([5.0]))[:, 0]
    width = 1.06 * x.std() * 51**-0.2
    assert kish(np.exp(-0.5 * ((x - 5.0) / width) ** 2)) == pytest.approx(1, abs=1e-3)
    y = np.zeros(51)
    y[-1] = 1.0
    assert 0 < y @ weights < 1


def test_the_bandwidth_has_a_floor() -> None:
    x = np.append(np.full(40, 2.0), np.full(40, 2.01))
    weights = smoother_weights(x, np.array([2.0]))[:, 0]
    kernel = np.exp(-0.5 * ((x - 2.0) / MIN_BANDWIDTH) ** 2)
    expected = np.polyfit(x, np.arange(80.0), 1, w=np.sqrt(kernel))
    assert np.arange(80.0) @ weights == pytest.approx(np.polyval(expected, 2.0), abs=1e-6)


def test_points_and_band() -> None:
    y = np.random.default_rng(0).normal(TABLE.log_count[TABLE.member.argmax(axis=1)], 0.3)
    points = list(curve(summarise(y, TABLE), Context(TABLE)))
    assert len(points) == GRID_POINTS
    x = np.array([p[0] for p in points])
    np.testing.assert_allclose(x, np.linspace(TABLE.log_count.min(), TABLE.log_count.max(), GRID_POINTS))
    inner = slice(5, -5)
    for place, (value, interval) in points[inner]:
        assert value == pytest.approx(place, abs=0.3)
        assert interval.low < value < interval.high


def test_the_curve_stays_in_the_range() -> None:
    """A step from 0 to 1: a local line overshoots, the curve does not."""
    y = (TABLE.log_count[TABLE.member.argmax(axis=1)] > 2).astype(np.float64)
    steep = (TABLE.log_count > 2) @ smoother_weights(TABLE.log_count, np.linspace(*TABLE.log_count[[0, -1]], GRID_POINTS))
    assert steep.min() < 0
    for _, (value, interval) in curve(summarise(y, TABLE, SHARE), Context(TABLE)):
        assert 0 <= interval.low <= value <= interval.high <= 1
        assert interval.low < interval.high


def test_two_counts_have_no_curve() -> None:
    table = table_of([("a",), ("b",), ("c",)], {"a": 9, "b": 9, "c": 80})
    assert not list(curve(summarise(np.arange(3.0), table), Context(table)))
    assert not list(curve(summarise(np.full(3, np.nan), table), Context(table)))


def test_classes_without_a_value_have_no_weight() -> None:
    y = np.random.default_rng(0).normal(size=len(TABLE.clip_ids))
    y[TABLE.member[:, 0]] = np.nan
    few = table_of([(label,) for label in list(COUNTS)[1:] for _ in range(3)], COUNTS)
    ours = [e.value for _, e in curve(summarise(y, TABLE), Context(TABLE))]
    without = [e.value for _, e in curve(summarise(y[3:], few), Context(few))]
    np.testing.assert_allclose(ours, without)
