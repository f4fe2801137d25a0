"""Which model a summary gets: kept, shared by summaries with values for the same clips, by estimand."""

from __future__ import annotations

import numpy as np
import pytest
from dense_model import table_of

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.class_table import Summary, summarise
from reaudio_eval.statistics.context import Context, observed
from reaudio_eval.statistics.scale import FREE, Scale

LABELS = [("a", "b"), ("b",), ("c", "a"), ("d",), ("c", "d"), ("a",), ("b", "d"), ("c",)]
TABLE = table_of(LABELS, {"a": 500, "b": 40, "c": 3})
EVERY = np.full(4, 0.25)


def values(seed: int = 0, by_label: bool = False) -> Floats:
    rng = np.random.default_rng(seed)
    own = np.where(TABLE.member, rng.normal(size=TABLE.member.shape), np.nan)
    return own if by_label else rng.normal(size=len(LABELS))


@pytest.mark.parametrize(
    ("n", "words"), [(1, "1 class: an interval needs at least 3"), (2, "2 classes: an interval needs at least 3")]
)
def test_too_few_classes(n: int, words: str) -> None:
    missing = Context(TABLE, min_classes=3).too_few(n)
    assert missing is not None
    assert missing.reason == words
    assert Context(TABLE, min_classes=3).too_few(3) is None


@pytest.mark.parametrize("by_label", [False, True])
def test_observations_come_by_clip_and_then_by_label(by_label: bool) -> None:
    x = values(by_label=by_label)
    x[3] = np.nan
    summary = summarise(x, TABLE)
    np.testing.assert_array_equal(observed(summary), x[np.isfinite(x)])
    grid = Context(TABLE).fit(summary).grid
    np.testing.assert_allclose(grid.averages.T @ observed(summary), np.where(summary.defined, summary.class_means, 0))
    expected = np.repeat([0, 1, 2, 3, 4, 5, 6], [2, 1, 2, 2, 1, 2, 1]) if by_label else np.arange(7)
    np.testing.assert_array_equal(grid.model.observations.clip, expected)


def test_clips_without_labels_are_no_observations() -> None:
    table = table_of([*LABELS, (), ()], {"a": 500})
    x = np.append(values(), [99.0, 99.0])
    summary = summarise(x, table)
    assert len(observed(summary)) == len(LABELS)
    assert Context(table).fit(summary).variance(EVERY) == pytest.approx(
        Context(table_of(LABELS, {"a": 500})).fit(summarise(values(), TABLE)).variance(EVERY)
    )


def test_a_fit_is_kept_and_its_grid_shared() -> None:
    context = Context(TABLE)
    one, other = summarise(values(0), TABLE), summarise(values(1), TABLE)
    assert context.fit(one) is context.fit(one)
    assert context.trend_fit(one) is context.trend_fit(one)
    assert context.fit(one).grid is context.fit(other).grid
    assert context.fit(one).grid is not context.trend_fit(one).grid
    holes = values(2)
    holes[0] = np.nan
    assert context.fit(summarise(holes, TABLE)).grid is not context.fit(one).grid
    assert context.fit(summarise(values(by_label=True), TABLE)).grid is not context.fit(one).grid


def test_prepared_together_and_fitted_alone_agree() -> None:
    def make() -> list[Summary]:
        holes = values(3)
        holes[[1, 5]] = np.nan
        shares = Scale.of(Range(0.0, 1.0))
        return [
            summarise(values(0), TABLE), summarise(values(1), TABLE), summarise(holes, TABLE),
            summarise(np.clip(values(4, True), 0, 1), TABLE, shares), summarise(values(5, True), TABLE),
        ]  # fmt: skip

    together, alone = Context(TABLE), Context(TABLE)
    prepared = make()
    together.prepare([*prepared, summarise(np.full(len(LABELS), np.nan), TABLE)])  # without a value: nothing to fit
    for summary, other in zip(prepared, make(), strict=True):
        assert together.fit(summary).variance(EVERY) == pytest.approx(alone.fit(other).variance(EVERY))
        assert together.trend_fit(summary).variance(EVERY) == pytest.approx(alone.trend_fit(other).variance(EVERY))


def test_the_estimand_reaches_every_model() -> None:
    summary = summarise(values(), TABLE)
    for estimand, random in (("sampled-classes", True), ("fixed-classes", False)):
        context = Context(TABLE, estimand=estimand)  # type: ignore[arg-type]
        fits = (context.fit(summary), context.trend_fit(summary), context.rank_fit(summary, values(1)))
        assert [fit.random_classes for fit in fits] == [random] * 3


def test_trends_and_ranks_have_a_constant_variance() -> None:
    x = np.abs(values())
    summary = summarise(x, TABLE, Scale.of(Range(0.0, None)))
    context = Context(TABLE)
    assert context.fit(summary).scale == summary.scale
    assert context.trend_fit(summary).scale == context.rank_fit(summary, x).scale == FREE
    assert context.rank_fit(summary, x).common_variance
