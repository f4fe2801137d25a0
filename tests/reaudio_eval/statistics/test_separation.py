"""Separation of the best system from the others: significance by paired tests only."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.separation import separate

UP = MetricInfo("m", "M", "clip", True, "", "e")
DOWN = replace(UP, higher_is_better=False)
VALUES = {"A": 0.5, "B": 0.4, "C": 0.3}


def pairs(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["system_a", "system_b", "difference", "p_holm"])
    return frame.assign(metric="m", quantity="all", detectable=0.07)


def test_best_is_separated_from_every_other() -> None:
    found = separate(VALUES, pairs(("A", "B", 0.1, 0.01), ("C", "A", -0.2, 0.001)), UP, "all")
    assert found.leader == "A"
    assert set(found.beaten) == {"B", "C"}
    assert [found.mark(s) for s in "ABC"] == ["best", "", ""]


def test_within_noise_is_marked_only_if_another_is_separated() -> None:
    found = separate(VALUES, pairs(("A", "B", 0.1, 0.3), ("A", "C", 0.2, 0.001)), UP, "all")
    assert [found.mark(s) for s in "ABC"] == ["near", "near", ""]
    none = separate(VALUES, pairs(("A", "B", 0.1, 0.3), ("A", "C", 0.2, 0.9)), UP, "all")
    assert [none.mark(s) for s in "ABC"] == ["", "", ""]
    assert none.detectable == 0.07


def test_lower_is_better() -> None:
    found = separate(VALUES, pairs(("A", "C", 0.2, 0.01), ("B", "C", 0.1, 0.01)), DOWN, "all")
    assert found.leader == "C"
    assert set(found.beaten) == {"A", "B"}


def test_a_test_that_points_the_other_way_separates_nothing() -> None:
    found = separate(VALUES, pairs(("A", "B", -0.1, 0.01), ("A", "C", 0.2, 0.01)), UP, "all")
    assert found.within_noise == ("B",)


@pytest.mark.parametrize("p", [math.nan, None])
def test_no_test_is_not_within_noise(p: float | None) -> None:
    rows = pairs(("A", "C", 0.2, 0.01)) if p is None else pairs(("A", "B", 0.1, p), ("A", "C", 0.2, 0.01))
    found = separate(VALUES, rows, UP, "all")
    assert found.untested == ("B",)
    assert [found.mark(s) for s in "ABC"] == ["near", "", ""]


def test_undefined_values_do_not_lead() -> None:
    assert separate({"A": math.nan, "B": 0.1}, pairs(), UP, "all").leader == "B"
    assert separate({"A": math.nan}, pairs(), UP, "all").leader is None
