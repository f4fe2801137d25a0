"""Figure of the levels: which systems, order of the groups, limits within the metric's range."""

from __future__ import annotations

import dataclasses
import math

import pytest
from first_screens import level, make

from reaudio_eval.clips.system import Role
from reaudio_eval.reports.first_screen.figure import MOST, drawn, finding, levels_figure

ROLES: dict[str, Role] = {"ours": "system", "plain": "control", "copies": "copy", "noise": "noise", "real": "real"}
LEVELS = dict.fromkeys(ROLES, (0.5, 0.98, 0.5, 0.3, 0.02))


def test_references_other_than_the_real_audio_are_not_drawn() -> None:
    evidence = make(ROLES, LEVELS, {})
    assert [evidence.systems[i].name for i in drawn(evidence)] == ["ours", "plain", "real"]


def test_of_many_systems_the_best_and_the_references() -> None:
    names = [f"s{i}" for i in range(MOST + 3)]
    levels = {name: (0.1 * i / len(names),) * 5 for i, name in enumerate(names)} | {"plain": (0.5,) * 5, "real": (0.9,) * 5}
    evidence = make({**dict.fromkeys(names, "system"), "plain": "control", "real": "real"}, levels, {})
    assert [evidence.systems[i].name for i in drawn(evidence)] == ["plain", "real"]  # the control is the best of every group
    without = make({**dict.fromkeys(names, "system"), "real": "real"}, {n: v for n, v in levels.items() if n != "plain"}, {})
    assert [without.systems[i].name for i in drawn(without)] == [names[-1], "real"]


def test_axes_end_within_the_range_of_the_metric() -> None:
    chart = levels_figure(make(ROLES, LEVELS, {}))
    assert chart is not None
    (ax,) = chart.figure.axes
    low, high = ax.get_ylim()
    assert 0 <= low < 0.02
    assert 0.98 < high <= 1
    assert [t.get_text().replace("\n", " ") for t in ax.get_xticklabels()] == [
        "common 100+",
        "medium 10-99",
        "rare 1-9",
        "unseen",
    ]


@pytest.mark.parametrize("levels", [{}, {"ours": (0.5, math.nan, math.nan, math.nan, math.nan)}])
def test_without_a_value_in_a_stratum_there_is_no_figure(levels: dict[str, tuple[float, ...]]) -> None:
    evidence = make({"ours": "system"}, levels, {})
    assert levels_figure(evidence) is None


def test_the_title_says_every_mean() -> None:
    evidence = dataclasses.replace(make({"ours": "system"}, {}, {}), levels={("ours", "tail"): level(0.25, 0.1)})
    assert finding(evidence).replace("\N{NO-BREAK SPACE}", " ") == (
        "Label accuracy from common to rare. ours: rare 1-9 0.25 [0.15, 0.35]."
    )
