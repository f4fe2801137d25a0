"""Cells of paired differences."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from reaudio_eval.reports.text import DASH
from reaudio_eval.reports.views import PAIRED_COLUMNS, Cell, Notes, difference_cell, paired_cells


def row(**changes: object) -> Any:
    values = {"difference": 0.1, "ci_low": 0.05, "ci_high": 0.15, "p_value": 0.01, "p_holm": 0.02, "detectable": 0.07}
    return SimpleNamespace(**{**values, "reason": None, **changes})


@pytest.mark.parametrize(("p_holm", "mark"), [(0.049, "best"), (0.05, ""), (math.nan, "")])
def test_only_a_significant_difference_is_bold(p_holm: float, mark: str) -> None:
    cell = difference_cell(row(p_holm=p_holm), 2, Notes(), (-1.0, 1.0))
    assert (cell.text, cell.mark) == ("+0.10", mark)
    assert cell.bar is not None
    assert cell.bar.zero == 50


def test_missing_interval_and_missing_difference_give_their_reason() -> None:
    notes = Notes()
    few = difference_cell(row(ci_low=math.nan, ci_high=math.nan, reason="too few"), 2, notes)
    none = difference_cell(row(difference=math.nan, reason="no value"), 2, notes)
    assert (few.text, few.note, none.text, none.note) == ("+0.10", 1, DASH, 2)
    assert notes.reasons == ["too few", "no value"]


def test_a_row_without_a_test_has_dashes() -> None:
    tested = paired_cells(row(), 2, (-1.0, 1.0), Notes(), Cell("5"), p_detail="at least 0.002")
    untested = paired_cells(
        row(p_value=math.nan, p_holm=math.nan), 2, (-1.0, 1.0), Notes(), Cell("5"), p_detail="at least 0.002"
    )
    assert len(tested) == len(PAIRED_COLUMNS) - 1
    assert [c.text for c in tested] == ["+0.10", "0.010", "0.020", "0.07", "5"]
    assert tested[1].detail == "at least 0.002"
    assert [c.text for c in untested] == ["+0.10", DASH, DASH, DASH, "5"]
    assert untested[1].detail == ""
