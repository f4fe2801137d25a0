"""Systems by strata of the training count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import lookup
from reaudio_eval.reports.set_tables import EQUAL_N, FLOOR_MEANING, floor_cell, matched_cell, with_floor
from reaudio_eval.reports.shared_tables import THIN, methods, number_caveats
from reaudio_eval.reports.text import WITH_INTERVALS, count, number
from reaudio_eval.reports.views import Cell, Column, Notes, Row, TableView, arrow, grouped, metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.rows import ALL, CLASSES
from reaudio_eval.statistics.separation import separate
from reaudio_eval.statistics.thresholds import MIN_CLASSES, MIN_CLIPS

WHOLE_ONLY = "Computed over all clips only."


class _Column(NamedTuple):
    """A stratum, or everything: its title, the rows of its systems, and the quantity of its paired tests ("" for none)."""

    title: str
    row_of: Mapping[str, Any]
    tested: str


def strata_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Systems by strata, common to rare, after the value over everything; None for a metric that has no value by stratum.

    A value is the mean over the classes of a stratum, or for a metric of sets of clips that of the clips whose rarest label is in it; where
    it depends on their number, all columns are computed on subsets, with the floor as last row.
    """
    rows_of = analysis.by_stratum[analysis.by_stratum["metric"] == metric.name]
    if rows_of.empty:
        return None
    by_stratum = [_Column(s.title, lookup(rows_of[rows_of["stratum"] == s.name], "system"), s.name) for s in analysis.strata]
    floors = [_floor(column.row_of) for column in by_stratum]
    floored = any(map(math.isfinite, floors))
    first, digits, notes = _everything(analysis, metric), metric_decimals(analysis, metric), Notes()
    cells = (
        [_matched_column(first.row_of, analysis, digits, notes)]
        if floored
        else [_cells(first, analysis, metric, digits, notes)]
    )
    cells += [_cells(column, analysis, metric, digits, notes) for column in by_stratum]
    rows = [Row(s.name, tuple(column[i] for column in cells), system=i) for i, s in enumerate(analysis.systems)]
    sizes = [_matched_size(first.row_of) if floored else _size(first.row_of.values(), metric)]
    sizes += [_size(column.row_of.values(), metric) for column in by_stratum]
    heads = (Column(c.title, size) for c, size in zip((first, *by_stratum), sizes, strict=True))
    how = "clips by their rarest label" if metric.level == "set" else "mean over classes"
    groups = grouped(analysis.systems, _without_real(analysis, rows) if floored else rows)
    return TableView(
        f"strata-{metric.name}",
        f"{metric.title} {arrow(metric)} by stratum ({how}){WITH_INTERVALS}",
        (Column("system"), *heads),
        with_floor(groups, [floor_cell(f, digits) for f in (_floor(first.row_of), *floors)]) if floored else groups,
        tuple(notes.reasons),
        (THIN, methods(rows_of)),
        (
            *((EQUAL_N, "The head of a column gives n.", FLOOR_MEANING) if floored else ()),
            *number_caveats(analysis, [metric]),
        ),
    )


def _everything(analysis: LongtailAnalysis, metric: MetricInfo) -> _Column:
    """All classes, or all clips for a metric of sets of clips."""
    if metric.level == "set":
        return _Column("all clips", lookup(analysis.overall[analysis.overall["metric"] == metric.name], "system"), ALL)
    trend = analysis.trend[(analysis.trend["metric"] == metric.name) & (analysis.trend["statistic"] == "macro")]
    return _Column("all classes", lookup(trend, "system"), CLASSES)


def _cells(column: _Column, analysis: LongtailAnalysis, metric: MetricInfo, digits: int, notes: Notes) -> list[Cell]:
    """A cell for each system, the best of those that compete marked."""
    values = {s: column.row_of[s].value for s in competing(analysis.systems) if s in column.row_of}
    separation, common = separate(values, analysis.paired, metric, column.tested), _size(column.row_of.values(), metric)
    cells = []
    for system in analysis.systems:
        row = column.row_of.get(system.name)
        if row is None:
            cells.append(notes.undefined(WHOLE_ONLY if metric.level == "set" else None))
            continue
        detail = "" if common else _size([row], metric)
        cells.append(notes.value(row, digits, detail=detail, mark=separation.mark(system.name), css=_thin(row, metric)))
    return cells


def _matched_column(row_of: Mapping[str, Any], analysis: LongtailAnalysis, digits: int, notes: Notes) -> list[Cell]:
    rows = [row_of.get(system.name) for system in analysis.systems]
    return [
        notes.undefined(getattr(row, "reason", None))
        if row is None or not math.isfinite(row.matched)
        else matched_cell(row, digits)
        for row in rows
    ]


def _matched_size(row_of: Mapping[str, Any]) -> str:
    sizes = {r.floor_n for r in row_of.values() if math.isfinite(r.matched)}
    return count(sizes.pop(), "clip") if len(sizes) == 1 else ""


def _floor(row_of: Mapping[str, Any]) -> float:
    """The floor, which depends on no system; NaN without one."""
    return next((float(r.floor) for r in row_of.values() if math.isfinite(r.floor)), math.nan)


def _without_real(analysis: LongtailAnalysis, rows: Sequence[Row]) -> list[Row]:
    """Without the real audio, in whose place the floor stands: its distance from itself has no meaning."""
    return [row for row, system in zip(rows, analysis.systems, strict=True) if system.kind != "real"]


def _thin(row: Any, metric: MetricInfo) -> str:
    few_classes = metric.level != "set" and row.n_classes < MIN_CLASSES
    return "thin" if few_classes or getattr(row, "n_clips", MIN_CLIPS) < MIN_CLIPS else ""


def _size(rows: Iterable[Any], metric: MetricInfo) -> str:
    """The number of classes and clips if it is the same for every row with a value, else ""."""
    sizes = {_counts(row, metric) for row in rows if math.isfinite(row.value)}
    return sizes.pop() if len(sizes) == 1 else ""


def _counts(row: Any, metric: MetricInfo) -> str:
    classes = "" if metric.level == "set" else count(row.n_classes, "class", "classes")
    return ", ".join(filter(None, [classes, count(row.n_clips, "clip") if hasattr(row, "n_clips") else ""]))


def normalised_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Strata on a scale from noise (0) to real audio (1), or None where that scale does not exist."""
    row_of = lookup(analysis.by_stratum[analysis.by_stratum["metric"] == metric.name], "system", "stratum")
    if not any(math.isfinite(r.normalised) for r in row_of.values()):
        return None
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        if system.kind != "generated":
            continue
        values = [row_of.get((system.name, s.name)) for s in analysis.strata]
        cells = tuple(
            Cell(number(r.normalised, 2), css=_thin(r, metric))
            if r is not None and math.isfinite(r.normalised)
            else notes.undefined("Noise and real audio do not both have a value here, or they agree.")
            for r in values
        )
        rows.append(Row(system.name, cells, system=i))
    columns = (Column("system"), *(Column(s.title) for s in analysis.strata))
    caption = f"{metric.title} between noise (0) and real audio (1)"
    return TableView(f"normalised-{metric.name}", caption, columns, (tuple(rows),), tuple(notes.reasons), (THIN,))
