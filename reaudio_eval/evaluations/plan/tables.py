"""Tables of a plan's page."""

from __future__ import annotations

import math
from typing import Any

from reaudio_eval.evaluations.plan.result import PlanResult
from reaudio_eval.frames.rows import records
from reaudio_eval.reports.text import count, decimals, interval, number
from reaudio_eval.reports.views import Cell, Column, Notes, Row, TableView

DIGITS = 2  # of a power: its simulation error is 0.02


def power_view(result: PlanResult) -> TableView:
    """Power of every design."""
    columns = tuple(map(Column, ("prompts and seeds", "classes", "clips of a system", "power")))
    rows = [
        Row(_design(row), (Cell(f"{row.classes:,.0f}"), Cell(f"{row.n_clips:,.0f}"), _power(row)))
        for row in records(result.frames["power"])
    ]
    return TableView("power", "Power of each design, with the 95% interval of the simulation", columns, (tuple(rows),))


def needed_view(result: PlanResult) -> TableView:
    """The fewest classes for each number of prompts and seeds."""
    notes, rows = Notes(), []
    for row in records(result.frames["needed"]):
        share = Cell(f"{row.share_classes:.0%}")
        if math.isfinite(row.classes):
            cells = (Cell(f"{row.classes:,.0f}"), Cell(f"{row.n_clips:,.0f}"), _power(row), share)
        else:
            cells = (notes.undefined(row.reason), Cell(""), Cell(""), share)
        rows.append(Row(_design(row), cells))
    titles = ("prompts and seeds", "classes", "clips of a system", "power", "variance from classes")
    caption = f"The fewest classes with power {result.request.power:g}"
    return TableView("needed", caption, tuple(map(Column, titles)), (tuple(rows),), tuple(notes.reasons))


def spread_view(result: PlanResult) -> TableView:
    """Standard deviations of the difference, and where they come from."""
    frame = result.frames["spread"]
    digits = decimals(frame["sd"].dropna())
    known = {"pilot": "pilot", "given": "given", "unknown": "unknown, part of the clips"}
    rows = [
        Row(f"between {row.source}", (Cell(number(row.sd, digits)), Cell(known[row.known_by], css="text")))
        for row in records(frame)
    ]
    columns = (Column("spread"), Column("standard deviation"), Column("from", text=True))
    return TableView("spread", "Standard deviations of the difference of the two systems", columns, (tuple(rows),))


def _design(row: Any) -> str:
    return f"{count(row.per_class, 'prompt')} of each class, {count(row.seeds, 'clip')} of each prompt"


def _power(row: Any) -> Cell:
    return Cell(number(row.power, DIGITS), interval(row.power_low, row.power_high, DIGITS))
