"""Distances beside their floor: one number of clips in a table, and no value of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import synthetic_report

from reaudio_eval.reports.set_tables import EQUAL_N, FLOOR, OTHER_N, floor_table
from reaudio_eval.reports.shared_tables import main_table
from reaudio_eval.statistics.analysis import LongtailAnalysis


@pytest.fixture(scope="module")
def analysis() -> LongtailAnalysis:
    """Distances over 48 clips, at 24 with a floor; the inception score has none."""
    found = synthetic_report.build()
    without = found.overall["metric"] == "is_panns"
    overall = found.overall.copy()
    overall.loc[without, ["floor", "matched"]] = np.nan
    return replace(found, overall=overall)


def test_values_and_floor_are_of_as_many_clips(analysis: LongtailAnalysis) -> None:
    view = floor_table(analysis)
    assert view is not None
    assert view.caption == "Distances at n = 24 clips, beside their floor"
    assert [c.title for c in view.columns] == ["system", "FAD (VGGish)", "KAD (PANNs)"]
    rows = {row.head: row.cells for group in view.groups for row in group}
    matched = analysis.overall[analysis.overall["metric"] == "fad_vggish"].set_index("system")["matched"]
    for system in (s.name for s in analysis.systems if s.kind == "generated"):
        numbers = rows[system][0].numbers
        assert numbers is not None
        assert numbers.value == matched[system]
    assert [cell.text for cell in rows[FLOOR]] == ["1.31", "1.31"]
    assert view.groups[-1][-1].head == FLOOR
    assert "real audio" not in rows
    assert not any(cell.mark or cell.interval for cells in rows.values() for cell in cells)
    assert EQUAL_N in view.caveats


def test_a_value_at_another_number_of_clips_is_left_out(analysis: LongtailAnalysis) -> None:
    overall = analysis.overall.copy()
    overall.loc[overall["system"] == "Tango", "floor_n"] = 12
    view = floor_table(replace(analysis, overall=overall))
    assert view is not None
    rows = {row.head: row.cells for group in view.groups for row in group}
    assert {cell.reason for cell in rows["Tango"]} == {OTHER_N}
    assert rows["AudioGen"][0].reason == ""


def test_no_table_without_a_floor(analysis: LongtailAnalysis) -> None:
    assert floor_table(replace(analysis, overall=analysis.overall.assign(floor=np.nan))) is None


def test_the_main_table_shows_no_floor_of_another_number_of_clips(analysis: LongtailAnalysis) -> None:
    view = main_table(analysis)
    rows = [row for group in view.groups for row in group]
    assert {row.head for row in rows} == {s.name for s in analysis.systems}
    assert not any("half" in cell.detail for row in rows for cell in row.cells)


def test_what_a_metric_needs_said_stands_under_its_numbers(analysis: LongtailAnalysis) -> None:
    noted = tuple(replace(m, note="KAD is not kadtk's.") if m.name == "kad_panns" else m for m in analysis.metrics)
    with_note = replace(analysis, metrics=noted)
    view = floor_table(with_note)
    assert view is not None
    assert "KAD is not kadtk's." in view.caveats
    assert "KAD is not kadtk's." in main_table(with_note).caveats
