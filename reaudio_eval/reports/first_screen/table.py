"""Table of the first screen: levels of every system."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reaudio_eval.reports.first_screen.evidence import Evidence, Group, Level
from reaudio_eval.reports.text import count
from reaudio_eval.reports.views import Cell, Column, Notes, Row, TableView, arrow, grouped
from reaudio_eval.statistics.separation import Separation, separate
from reaudio_eval.statistics.thresholds import ALPHA

ROLES = {
    "control": "control", "copy": "copy of the retrieved clip", "oracle": "given the real clip", "real": "", "noise": "",
}  # fmt: skip
MARKS = (
    f"Bold: significantly better than every other system. ≈: not significantly different from the best, while others are (paired tests, "
    f"Holm-corrected p < {ALPHA}; exploratory but for the tests named below)."
)
BOLD_LOSS = "Bold loss: its 95 % interval excludes zero."


def levels_table(evidence: Evidence) -> TableView:
    """Systems by groups, with the loss from common to rare; references below a rule, without marks."""
    groups = [*([evidence.overall] if evidence.overall else []), *evidence.groups]
    marks = {group.name: _marks(evidence, group) for group in groups}
    notes, rows = Notes(), []
    for i, system in enumerate(evidence.systems):
        cells = [_cell(evidence, system.name, group, marks[group.name], notes) for group in groups]
        if evidence.ends is not None:
            cells.append(_loss_cell(evidence, system.name, notes, system.competes))
        detail = evidence.words.control if system.role == "control" else ROLES.get(system.role, "")
        rows.append(
            Row(
                evidence.name(system.name),
                tuple(cells),
                system=i,
                detail="" if detail == evidence.name(system.name) else detail,
            )
        )
    columns = [Column(evidence.words.noun), *(Column(g.title, _size(evidence, g)) for g in groups)]
    if evidence.ends is not None:
        columns.append(Column("loss", f"{evidence.ends[0].title} to {evidence.ends[1].title}"))
    marked = any(cell.mark in ("best", "near") for row in rows for cell in row.cells[: len(groups)])
    return TableView(
        "levels",
        f"{evidence.metric.title} {arrow(evidence.metric)}, with 95 % intervals",
        tuple(columns),
        grouped(evidence.systems, rows),
        tuple(notes.reasons),
        (MARKS if marked else "", BOLD_LOSS if evidence.ends is not None else ""),
    )


def _marks(evidence: Evidence, group: Group) -> Separation:
    values = {s: evidence.level(s, group.name).value for s in evidence.competitors}
    return separate(values, evidence.tests, evidence.metric, group.name)


def _cell(evidence: Evidence, system: str, group: Group, marks: Separation, notes: Notes) -> Cell:
    level = evidence.level(system, group.name)
    if not level.known:
        return notes.undefined(level.reason)
    return notes.value(level, evidence.digits, mark=marks.mark(system), css="thin" if level.thin else "")


def _loss_cell(evidence: Evidence, system: str, notes: Notes, competes: bool) -> Cell:
    loss = evidence.loss(system)
    if not loss.known:
        return notes.undefined(loss.reason)
    clear = competes and loss.has_interval and (loss.ci_low > 0 or loss.ci_high < 0)
    return notes.value(loss, evidence.digits, mark="best" if clear else "")


def _size(evidence: Evidence, group: Group) -> str:
    """Number of classes, where it is the same for all systems with a value."""
    sizes = _sizes([evidence.level(s.name, group.name) for s in evidence.systems])
    return count(sizes.pop(), "class", "classes") if len(sizes) == 1 else ""


def _sizes(levels: Sequence[Level]) -> set[float]:
    return {level.n_classes for level in levels if level.known and math.isfinite(level.n_classes)}
