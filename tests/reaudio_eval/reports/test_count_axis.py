"""Axis of training counts: from many to few, unseen classes apart at the right end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.reports.count_axis import APART, MARGIN, UNSEEN_WIDTH, CountAxis

LVIS = strata_scheme("lvis", {})


def drawn(counts: list[int]) -> tuple[CountAxis, dict[str, float], tuple[float, float]]:
    """The axis, its tick labels with their places, and its limits."""
    axis, ax = CountAxis.of(counts), Figure().add_subplot()
    axis.draw(ax)
    ticks = {label.get_text(): float(place) for label, place in zip(ax.get_xticklabels(), ax.get_xticks(), strict=True)}
    return axis, ticks, ax.get_xlim()


def test_decades_from_left_to_right_and_unseen_last() -> None:
    axis, ticks, (left, right) = drawn([5000, 120, 3, 1, 0, 0])
    assert ticks == {"1,000": -3, "100": -2, "10": -1, "1": pytest.approx(0), "0": pytest.approx(APART)}
    assert left == pytest.approx(-np.log10(5000) - MARGIN)
    assert right == pytest.approx(APART + UNSEEN_WIDTH / 2 + MARGIN)
    assert axis == CountAxis(5000, 1, unseen=True)


def test_without_unseen_classes_the_axis_ends_at_the_rarest() -> None:
    axis, ticks, (_, right) = drawn([400, 30])
    assert list(ticks) == ["100"]
    assert right == pytest.approx(-np.log10(30) + MARGIN)
    assert not axis.unseen


@pytest.mark.parametrize("counts", [[0, 0], [7], [1], [3, 3]])
def test_few_counts(counts: list[int]) -> None:
    axis, ticks, (left, right) = drawn(counts)
    places = axis.place_classes(counts)
    assert ticks
    assert left < places.min() <= places.max() < right


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40))
def test_fewer_clips_are_further_right(counts: list[int]) -> None:
    ordered = np.sort(counts)[::-1]
    places = CountAxis.of(counts).place_classes(ordered)
    assert (np.diff(places) >= 0).all()
    seen, unseen = places[ordered > 0], places[ordered == 0]
    if len(seen) and len(unseen):
        assert unseen.min() - seen.max() >= APART - UNSEEN_WIDTH / 2 - 1e-9
    assert len(set(unseen)) == len(unseen)


def test_strata_are_named_by_their_titles_over_their_classes() -> None:
    counts = [5000, 120, 40, 12, 8, 2, 0]
    axis, ax = CountAxis.of(counts), Figure().add_subplot()
    axis.draw(ax)
    axis.draw_strata(ax, LVIS)
    titles = {text.get_text().replace("\n", " "): text.xy[0] for text in ax.texts}  # type: ignore[attr-defined]
    assert list(titles) == [s.title for s in LVIS]
    assert list(titles.values()) == sorted(titles.values())
    edges = sorted(float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "None")
    assert edges[:2] == pytest.approx([-np.log10(99.5), -np.log10(9.5)])
    assert float(axis.place(2)) < edges[2] < float(axis.place_classes([0])[0])


def test_an_empty_stratum_has_no_title() -> None:
    axis, ax = CountAxis.of([5000, 200]), Figure().add_subplot()
    axis.draw(ax)
    axis.draw_strata(ax, LVIS)
    assert [text.get_text() for text in ax.texts] == [LVIS[0].title]
