"""Limits of axes: around the values, within the range of the metric."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaudio_eval.reports.drawing import (
    axis_limits,
    axis_title,
    figure_style,
    new_figure,
    settle,
    short_lines,
    upright_title,
    within,
)
from reaudio_eval.scores.system_scores import MetricInfo, Range

SHARES = st.floats(0, 1)
SHARE = Range(0.0, 1.0)
ACCURACY = MetricInfo("accuracy", "Label accuracy (PANNs)", "label", True, "share", "panns", range=SHARE)


@given(st.lists(st.tuples(SHARES, SHARES, SHARES).map(sorted), min_size=1, max_size=20))
def test_limits_hold_every_value_and_stay_in_the_range(rows: list[list[float]]) -> None:
    low, value, high = (pd.Series(column) for column in zip(*rows, strict=True))
    bottom, top = axis_limits(value, low, high, SHARE)
    assert 0 <= bottom <= value.min() <= value.max() <= top <= 1
    assert bottom < top


def test_margin() -> None:
    assert within(SHARE, 0.25, 0.75) == pytest.approx((0.23, 0.77))
    assert within(SHARE, 0.01, 1.0) == (0.0, 1.0)
    assert within(Range(0.0, None), 0.0, 50.0) == (0.0, pytest.approx(52))
    assert within(Range(), 0.0, 1.0, 0.1) == pytest.approx((-0.1, 1.1))
    assert within(SHARE, 1.0, 1.0) == (0.96, 1.0)


def test_a_much_wider_interval_runs_off_the_axis() -> None:
    value, low, high = pd.Series([0.4, 0.5, 0.6]), pd.Series([0.35, 0.45, 0.0]), pd.Series([0.45, 0.55, 1.0])
    bottom, top = axis_limits(value, low, high)
    assert (bottom, top) == pytest.approx((0.34, 0.61))


def test_marks_that_are_not_clipped_take_no_room() -> None:
    """Nor does a group without points, whose extent is the whole plane."""
    with figure_style():
        boxes = []
        for clip in (True, False):
            figure = new_figure(3, 2)
            ax = figure.add_subplot()
            ax.set(xlim=(0, 1), ylim=(0, 1))
            for x in ([], [0.5, 1.0]):
                ax.plot(x, x, marker="o", linestyle="none", clip_on=clip)
            settle(figure)
            boxes.append(ax.get_position().bounds)
    assert boxes[0] == pytest.approx(boxes[1])


def test_no_interval() -> None:
    none = pd.Series([math.nan])
    assert axis_limits(pd.Series([1.0]), none, none, SHARE) == (0.96, 1.0)


def test_titles() -> None:
    assert axis_title(ACCURACY) == "Label accuracy (PANNs), share (higher is better)"
    assert upright_title(ACCURACY) == "Label accuracy, share\n(PANNs)\nhigher is better"
    plain = MetricInfo("x", "Excess", "clip", True, "", "", target=0.0)
    assert upright_title(plain) == "Excess\nideal 0"
    assert (
        upright_title(MetricInfo("x", "Complexity", "clip", True, "", "", neutral=True)) == "Complexity\nneither is better"
    )
    assert short_lines("rare 1-9") == "rare\n1-9"
    assert short_lines("unseen") == "unseen"
    assert short_lines("in neither training nor pool") == "in neither\ntraining nor\npool"
