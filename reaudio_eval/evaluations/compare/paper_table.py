"""Main table for a paper (LaTeX)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from reaudio_eval.reports.files import escape_latex
from reaudio_eval.reports.text import DASH
from reaudio_eval.reports.views import Cell, Column, Row, TableView
from reaudio_eval.statistics.thresholds import ALPHA

WIDE = 7  # columns; more are scaled to the width of the text
SHORT = {"KL divergence": "KL", "Inception score": "IS", "CLAP score": "CLAP"}


def paper_latex(view: TableView, about: str) -> str:
    """A ``table*`` of systems by metrics: one line of values and a small one of intervals for each system.

    Metrics without any value are left out.

    Args:
        view: :func:`reaudio_eval.reports.shared_tables.main_table`.
        about: sentences for the caption (plain text), before those on marks.
    """
    view = _known(view)
    notes = [f"% {' '.join(reason.split())}" for reason in view.footnotes]
    body = "\n\\midrule\n".join("\n".join(_row(row) for row in group) for group in view.groups)
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
    needs = "booktabs and graphicx" if wide else "booktabs"
    lines = [
        f"% Needs {needs}. Dashes are undefined values:",
        *notes,
        r"\begin{table*}[t]",
        r"\centering",
        rf"\caption{{{escape_latex(about)} {_marks(view)}}}",
        r"\label{tab:comparison}",
        *([r"\resizebox{\textwidth}{!}{%", *tabular, "}"] if wide else tabular),
        r"\end{table*}",
    ]
    return "\n".join([*lines, ""])


def _marks(view: TableView) -> str:
    """The meaning of bold and of the sign, where they occur."""
    marks = {cell.mark for group in view.groups for row in group for cell in row.cells}
    test = rf"paired test, Holm-corrected $p < {ALPHA}$"
    remarks = ["95\\% intervals in brackets."] if any(c.interval for g in view.groups for r in g for c in r.cells) else []
    if "best" in marks:
        remarks.append(rf"Bold: significantly better than every other system ({test}).")
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
    """Metric and direction; below, in small, the network."""
    names, networks = [], []
    for column in columns:
        match = re.fullmatch(r"(.*\S) \(([^()]*(?:\([^()]*\)[^()]*)*)\)", column.title)
        title, network = (match[1], match[2]) if match else (column.title, "")
        names.append(escape_latex(f"{_short(title)} {column.arrow}".strip()))
        networks.append(_small(network))
    return [_line("", names), *([_line("", networks)] if any(networks) else [])]


def _row(row: Row) -> str:
    values = _line(escape_latex(row.head), [_value(cell) for cell in row.cells])
    intervals = [_small(cell.interval) for cell in row.cells]
    return "\n".join([values, _line("", intervals)]) if any(intervals) else values


def _value(cell: Cell) -> str:
    text = escape_latex(cell.text)
    if cell.mark == "best":
        return rf"\textbf{{{text}}}"
    return rf"{text}$^{{\approx}}$" if cell.mark == "near" else text


def _small(text: str) -> str:
    return rf"{{\scriptsize {escape_latex(text)}}}" if text else ""


def _line(head: str, cells: Sequence[str]) -> str:
    return " & ".join([head, *cells]) + r" \\"
