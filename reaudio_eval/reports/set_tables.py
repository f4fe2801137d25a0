"""Distances of sets of clips beside their floor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reaudio_eval.frames.rows import lookup
from reaudio_eval.reports.text import number
from reaudio_eval.reports.views import (
    Cell,
    Column,
    Notes,
    Numbers,
    Row,
    TableView,
    arrow,
    grouped,
    metric_decimals,
    metric_notes,
    primary_first,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

FLOOR = "real against real (floor)"
FLOOR_MEANING = (
    "Floor: the same distance between real clips and real clips of other prompts. A system at the floor is as near to the real clips as "
    "other real clips are."
)
EQUAL_N = (
    "Each value is the mean, over random draws, of the distance between n generated clips and n real clips of other prompts."
)
OTHER_N = "Computed at another number of clips."


def floor_table(analysis: LongtailAnalysis) -> TableView | None:
    """Systems by distances at half the clips, with the floor as last row; None where no distance has a floor.

    A distance over all clips has no floor, since no other real clips are left to compare with. At half the clips there are, and values and
    floor have the same bias in the number of clips.
    """
    row_of = lookup(analysis.overall, "system", "metric")
    n_clips = max((r.floor_n for r in row_of.values() if math.isfinite(r.floor)), default=0)
    floors = {m: _floor(row_of, m, n_clips) for m in primary_first(analysis)}
    metrics = [m for m, floor in floors.items() if math.isfinite(floor)]
    if not metrics:
        return None
    digits, notes, rows = {m: metric_decimals(analysis, m) for m in metrics}, Notes(), []
    for i, system in enumerate(analysis.systems):
        if system.kind != "real":
            cells = tuple(_matched_cell(row_of.get((system.name, m.name)), n_clips, digits[m], notes) for m in metrics)
            rows.append(Row(system.name, cells, system=i))
    return TableView(
        "floor",
        f"Distances at n = {n_clips:,.0f} clips, beside their floor",
        (Column("system"), *(Column(m.title, m.unit, arrow(m)) for m in metrics)),
        with_floor(grouped(analysis.systems, rows), [floor_cell(floors[m], digits[m]) for m in metrics]),
        tuple(notes.reasons),
        caveats=(EQUAL_N, FLOOR_MEANING, *metric_notes(metrics)),
    )


def _floor(row_of: Mapping[Any, Any], metric: MetricInfo, n_clips: float) -> float:
    """The floor of a metric at this number of clips, which depends on no system, or NaN."""
    rows = (r for r in row_of.values() if r.metric == metric.name and r.floor_n == n_clips)
    return next((float(r.floor) for r in rows if math.isfinite(r.floor)), math.nan)


def _matched_cell(row: Any, n_clips: float, digits: int, notes: Notes) -> Cell:
    if row is None or not math.isfinite(row.matched):
        return notes.undefined(getattr(row, "reason", None))
    return matched_cell(row, digits) if row.floor_n == n_clips else notes.undefined(OTHER_N)


def matched_cell(row: Any, digits: int) -> Cell:
    """The distance over ``floor_n`` clips of a row of ``overall``, to be compared with its floor."""
    return Cell(number(row.matched, digits), numbers=Numbers(row.matched, math.nan, math.nan))


def floor_cell(value: float, digits: int) -> Cell:
    """A floor, or an empty cell without one."""
    return Cell(number(value, digits), numbers=Numbers(value, math.nan, math.nan)) if math.isfinite(value) else Cell("")


def with_floor(groups: tuple[tuple[Row, ...], ...], cells: list[Cell]) -> tuple[tuple[Row, ...], ...]:
    """The groups with the floor as last row among the references."""
    floor = Row(FLOOR, tuple(cells))
    return (*groups[:1], (*groups[1], floor)) if len(groups) > 1 else (*groups, (floor,))
