"""Tables before they become HTML or LaTeX: rounded text, marks, footnotes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.reports.text import DASH, decimals, interval, number, p_value
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.thresholds import ALPHA

NOT_COMPUTED = "Not computed for this system."


class Numbers(NamedTuple):
    """A value and the ends of its interval, in full precision; NaN where undefined."""

    value: float
    low: float
    high: float


class Bar(NamedTuple):
    """A value and its interval drawn in a cell; positions from 0 to 100, ``zero`` the position of no effect."""

    low: float
    value: float
    high: float
    zero: float


@dataclass(frozen=True)
class Cell:
    """One value.

    Attributes:
        text: the number, a word, or the dash.
        interval: "[low, high]" or "".
        detail: a smaller line below.
        reason: why the value, or its interval, is undefined.
        note: number of the footnote with that reason; 0 for none.
        mark: "best" or "near" (see :meth:`reaudio_eval.statistics.separation.Separation.mark`), or "".
        css: further classes: "thin" (few classes or clips), "q0" to "q4" (fifths of the column, 4 is best), "text".
        bar: drawn beside the number.
        numbers: behind ``text`` and ``interval``, for CSV; None for other cells.
    """

    text: str
    interval: str = ""
    detail: str = ""
    reason: str = ""
    note: int = 0
    mark: str = ""
    css: str = ""
    bar: Bar | None = None
    numbers: Numbers | None = None


@dataclass(frozen=True)
class Column:
    """``arrow`` is "↑" (higher is better), "↓", "→ 0" (that is) or ""; ``system`` the position of the system it belongs to, or None."""

    title: str
    detail: str = ""
    arrow: str = ""
    system: int | None = None
    text: bool = False


PAIRED_COLUMNS = tuple(Column(title) for title in ("systems", "difference", "p", "p, Holm", "detectable", "n"))


@dataclass(frozen=True)
class Row:
    """``system`` is the position of the system (for its marker) or None; ``clips`` are prompts to listen to."""

    head: str
    cells: tuple[Cell, ...]
    system: int | None = None
    detail: str = ""
    anchor: str = ""
    clips: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableView:
    """Groups are sorted on their own; the first column is the row's head.

    Attributes:
        name: unique in the page, part of file names.
        caption: what the table shows.
        columns: heads, the row head's first.
        groups: rows that belong together.
        footnotes: reasons of undefined cells, in order of their numbers.
        remarks: sentences below ("" is left out).
        caveats: sentences below that a paper needs too.
        bold: what bold means, a sentence, where it is not the best system.
        summary: the finding in a few words, for a table that is folded away.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    groups: tuple[tuple[Row, ...], ...]
    footnotes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    bold: str = ""
    summary: str = ""

    @property
    def n_rows(self) -> int:
        return sum(len(group) for group in self.groups)

    @property
    def is_empty(self) -> bool:
        """Whether no cell says anything."""
        return all(cell.text in ("", DASH) for group in self.groups for row in group for cell in row.cells)


@dataclass
class Notes:
    """Collects reasons and numbers them from 1."""

    reasons: list[str] = field(default_factory=list)

    def number(self, reason: str) -> int:
        """The footnote with this reason."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason) + 1

    def undefined(self, reason: object) -> Cell:
        """The dash with its footnote."""
        text = reason if isinstance(reason, str) and reason else NOT_COMPUTED
        return Cell(DASH, reason=text, note=self.number(text))

    def value(
        self, row: Any, digits: int, *, detail: str = "", mark: str = "", css: str = "", bar: Bar | None = None
    ) -> Cell:
        """A cell from a row with value, ci_low, ci_high and perhaps reason; ``row`` None means never computed. A value that
        has no interval keeps the reason for that as a footnote."""
        if row is None or not math.isfinite(row.value):
            return self.undefined(getattr(row, "reason", None))
        ends, reason = interval(row.ci_low, row.ci_high, digits), getattr(row, "reason", None)
        missing = reason if not ends and isinstance(reason, str) else ""
        note = self.number(missing) if missing else 0
        numbers = Numbers(row.value, row.ci_low, row.ci_high)
        return Cell(number(row.value, digits), ends, detail, missing, note, mark, css, bar, numbers)


def primary_first(analysis: LongtailAnalysis) -> list[MetricInfo]:
    """The metrics, the primary one first."""
    return sorted(analysis.metrics, key=lambda m: m.name != analysis.primary)


def metric_notes(metrics: Iterable[MetricInfo]) -> tuple[str, ...]:
    """What a reader of these metrics' numbers needs to know, each sentence once."""
    return tuple(dict.fromkeys(m.note for m in metrics if m.note))


def arrow(metric: MetricInfo) -> str:
    """The direction that is better, or the value that is; "" for a neutral metric."""
    if metric.neutral:
        return ""
    if metric.target is not None:
        return f"→\N{NO-BREAK SPACE}{metric.target:g}"
    return "↑" if metric.higher_is_better else "↓"


def grouped(systems: Sequence[SystemInfo], rows: Sequence[Row]) -> tuple[tuple[Row, ...], ...]:
    """Systems that compete, then references, which are not compared."""
    competing = tuple(r for r in rows if r.system is not None and systems[r.system].competes)
    others = tuple(r for r in rows if r.system is None or not systems[r.system].competes)
    return tuple(group for group in (competing, others) if group)


def metric_decimals(analysis: LongtailAnalysis, metric: MetricInfo) -> int:
    """Decimals of everything in this metric's unit: values, differences and gaps then line up across the page."""
    return decimals(analysis.overall.loc[analysis.overall["metric"] == metric.name, "value"])


def scale(values: Iterable[float]) -> tuple[float, float]:
    """Range of the finite values, with zero inside and a margin."""
    finite = [0.0, *(v for v in values if math.isfinite(v))]
    low, high = min(finite), max(finite)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def bar(value: float, low: float, high: float, limits: tuple[float, float]) -> Bar | None:
    """Positions on ``limits``; None for an undefined value. Without an interval the bar is a point."""
    if not math.isfinite(value):
        return None
    if not (math.isfinite(low) and math.isfinite(high)):
        low = high = value
    start, width = limits[0], limits[1] - limits[0]
    return Bar(*(round(100 * (v - start) / width, 1) for v in (low, value, high, 0.0)))


def fifths(values: Sequence[float], higher_is_better: bool) -> list[float]:
    """The four values that cut ``values`` into fifths, from the worst to the best."""
    finite = sorted((v for v in values if math.isfinite(v)), reverse=not higher_is_better)
    return [finite[(len(finite) * k) // 5] for k in range(1, 5)] if len(finite) >= 5 else []


def fifth(value: float, cuts: Sequence[float], higher_is_better: bool) -> str:
    """CSS class "q0" (worst fifth) to "q4", or "" where there are too few values to cut."""
    if not cuts or not math.isfinite(value):
        return ""
    return f"q{sum(value >= c if higher_is_better else value <= c for c in cuts)}"


def difference_cell(
    row: Any, digits: int, notes: Notes, limits: tuple[float, float] | None = None, *, detail: str = "", css: str = ""
) -> Cell:
    """A difference with its interval, bold where it is significant.

    Args:
        row: difference, ci_low, ci_high, p_holm, reason.
        digits: decimals.
        notes: take the reason of an undefined difference or interval.
        limits: of the axis on which it is drawn; None: not drawn.
        detail, css: of the cell.
    """
    if not math.isfinite(row.difference):
        return notes.undefined(row.reason)
    ends = interval(row.ci_low, row.ci_high, digits)
    reason = row.reason if not ends and isinstance(row.reason, str) else ""
    return Cell(
        number(row.difference, digits, sign=True), ends, detail, reason, notes.number(reason) if reason else 0,
        "best" if row.p_holm < ALPHA else "", css,
        bar(row.difference, row.ci_low, row.ci_high, limits) if limits else None,
        Numbers(row.difference, row.ci_low, row.ci_high),
    )  # fmt: skip


def paired_cells(
    row: Any, digits: int, limits: tuple[float, float], notes: Notes, size: Cell, *, p_detail: str = ""
) -> tuple[Cell, ...]:
    """The cells of ``PAIRED_COLUMNS`` but the first; ``size`` is the last, ``p_detail`` stands below the p-value."""
    significant = "best" if row.p_holm < ALPHA else ""
    return (
        difference_cell(row, digits, notes, limits),
        Cell(p_value(row.p_value), detail=p_detail if math.isfinite(row.p_value) else ""),
        Cell(p_value(row.p_holm), mark=significant),
        Cell(number(row.detectable if math.isfinite(row.p_value) else math.nan, digits)),
        size,
    )
