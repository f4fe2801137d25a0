"""Tables of systems for a paper: LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from reaudio_eval.reports.files import escape_latex, file_stem, latex_label
from reaudio_eval.reports.text import DASH, WITH_INTERVALS, count
from reaudio_eval.reports.views import Cell, Column, Numbers, Row, TableView
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.thresholds import ALPHA

WIDE = 7  # columns; more are scaled to the width of the text
SHORT = {"KL divergence": "KL", "Inception score": "IS", "CLAP score": "CLAP"}
UNDEFINED = Numbers(math.nan, math.nan, math.nan)


def paper_files(views: Iterable[TableView | None], analysis: LongtailAnalysis) -> dict[str, bytes]:
    """File name -> content of the tables: of each the values as ``.tex`` and ``.csv`` (full precision), and where it has intervals both
    again as ``-intervals``. A table without any number has no file.

    Args:
        views: rows are systems; None is left out.
        analysis: names the dataset.
    """
    files: dict[str, bytes] = {}
    about = f"Dataset: {analysis.dataset_name} ({analysis.split}), {count(len(analysis.prompts), 'clip')}."
    for view in map(_known, filter(None, views)):
        if view.is_empty:
            continue
        stem, caption = file_stem(view.name), f"{view.caption.removesuffix(WITH_INTERVALS)}. {about}"
        files |= {
            f"{stem}.tex": paper_latex(view, caption, intervals=False).encode(),
            f"{stem}.csv": _csv(view, intervals=False),
        }
        if any(cell.interval for cell in _cells(view)):
            files[f"{stem}-intervals.tex"] = paper_latex(view, caption).encode()
            files[f"{stem}-intervals.csv"] = _csv(view, intervals=True)
    return files


def _csv(view: TableView, *, intervals: bool) -> bytes:
    """A row for each system; numbers in full precision, undefined ones empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    titles = [f"{c.title} ({c.detail})" if c.detail else c.title for c in view.columns[1:]]
    ends = ("", " low", " high") if intervals else ("",)
    writer.writerow([view.columns[0].title, *(title + end for title in titles for end in ends)])
    for row in (row for group in view.groups for row in group):
        numbers = [value for cell in row.cells for value in (cell.numbers or UNDEFINED)[: len(ends)]]
        writer.writerow([row.head, *(repr(float(value)) if math.isfinite(value) else "" for value in numbers)])
    return out.getvalue().encode()


def _cells(view: TableView) -> list[Cell]:
    return [cell for group in view.groups for row in group for cell in row.cells]


def paper_latex(view: TableView, about: str, *, intervals: bool = True) -> str:
    """A booktabs table of systems: one line of values and a small one of intervals for each system, references below a rule.

    Columns without any value are left out; a wide table takes both columns of the page.

    Args:
        view: rows are systems.
        about: sentences for the caption (plain text), before those on numbers and marks.
        intervals: with the intervals.
    """
    view = _known(view)
    notes = [f"% {' '.join(reason.split())}" for reason in view.footnotes]
    body = "\n\\midrule\n".join("\n".join(_row(row, intervals) for row in group) for group in view.groups)
    tabular = [
        rf"\begin{{tabular}}{{l{'c' * (len(view.columns) - 1)}}}",
        r"\toprule",
        *_heads(view.columns[1:]),
        r"\midrule",
        body,
        r"\bottomrule",
        r"\end{tabular}%",
    ]
    wide = len(view.columns) > WIDE
    needs, table = ("booktabs and graphicx", "table*") if wide else ("booktabs", "table")
    caption = " ".join(filter(None, [escape_latex(" ".join(filter(None, [about, *view.caveats]))), _marks(view, intervals)]))
    lines = [
        f"% Needs {needs}. Dashes are undefined values:",
        *notes,
        rf"\begin{{{table}}}[t]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{latex_label(view.name)}}}",
        *([r"\resizebox{\textwidth}{!}{%", *tabular, "}"] if wide else tabular),
        rf"\end{{{table}}}",
    ]
    return "\n".join([*lines, ""])


def _marks(view: TableView, intervals: bool) -> str:
    """The meaning of bold and of the sign, where they occur."""
    marks = {cell.mark for cell in _cells(view)}
    test = rf"paired test, Holm-corrected $p < {ALPHA}$"
    remarks = ["95\\% intervals in brackets."] if intervals and any(c.interval for c in _cells(view)) else []
    if "best" in marks:
        remarks.append(escape_latex(view.bold) or rf"Bold: significantly better than every other system ({test}).")
    if "near" in marks:
        remarks.append(
            rf"$\approx$: not significantly different from the best value of its column, while others are ({test})."
        )
    return " ".join(remarks)


def _known(view: TableView) -> TableView:
    """Without columns that hold no number, and the reasons that only they have."""
    rows = [row for group in view.groups for row in group]
    kept = [i for i in range(len(view.columns) - 1) if any(row.cells[i].text not in ("", DASH) for row in rows)]
    used = {row.cells[i].note for row in rows for i in kept}
    return replace(
        view,
        columns=(view.columns[0], *(view.columns[i + 1] for i in kept)),
        groups=tuple(tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in group) for group in view.groups),
        footnotes=tuple(reason for number, reason in enumerate(view.footnotes, start=1) if number in used),
    )


def _short(title: str) -> str:
    """KL for "KL divergence (sigmoid)" and the like: what papers call it."""
    name = next((name for name in SHORT if title.startswith(name)), None)
    return title if name is None else SHORT[name] + title.removeprefix(name)


def _heads(columns: Sequence[Column]) -> list[str]:
    """Metric and direction, or stratum; below, in small, the network or the number of clips."""
    names, networks = [], []
    for column in columns:
        match = re.fullmatch(r"(.*\S) \(([^()]*(?:\([^()]*\)[^()]*)*)\)", column.title)
        title, network = (match[1], match[2]) if match else (column.title, "")
        names.append(escape_latex(f"{_short(title)} {column.arrow}".strip()))
        networks.append(_small(network or column.detail))
    return [_line("", names), *([_line("", networks)] if any(networks) else [])]


def _row(row: Row, intervals: bool) -> str:
    values = _line(escape_latex(row.head), [_value(cell) for cell in row.cells])
    ends = [_small(cell.interval) for cell in row.cells]
    return "\n".join([values, _line("", ends)]) if intervals and any(ends) else values


def _value(cell: Cell) -> str:
    text = escape_latex(cell.text)
    if cell.mark == "best":
        return rf"\textbf{{{text}}}"
    return rf"{text}$^{{\approx}}$" if cell.mark == "near" else text


def _small(text: str) -> str:
    return rf"{{\scriptsize {escape_latex(text)}}}" if text else ""


def _line(head: str, cells: Sequence[str]) -> str:
    return " & ".join([head, *cells]) + r" \\"
