"""Numbers as CSV and JSON (full precision) and LaTeX."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reaudio_eval.reports.views import Cell, Row, TableView
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_model.common.files import atomic_write

FRAMES = (
    "labels", "strata_sizes", "overall", "by_stratum", "per_class", "curve", "bins", "trend", "paired", "clip_scores",
)  # fmt: skip
SCHEMA_VERSION = 1  # of the JSON of an evaluation
LONG_TABLE = 40  # rows; more than a page
_ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "−": "$-$", "–": "--", "≈": r"$\approx$", "→": r"$\to$", "×": r"$\times$", "ρ": r"$\rho$",
    "τ": r"$\tau$", "\n": " ", "\N{NO-BREAK SPACE}": "~",
}  # fmt: skip
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPES)))


def escape_latex(text: str) -> str:
    """User text that LaTeX prints as it is (letters beyond ASCII need a Unicode engine or inputenc)."""
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], text)


def latex_label(name: str) -> str:
    """The label of a table of that name."""
    return f"tab:{re.sub(r'[^A-Za-z0-9:-]', '-', name)}"


def latex(view: TableView) -> str:
    """A booktabs table (``longtable`` beyond ``LONG_TABLE`` rows): values with intervals, bold where a paired test
    is significant."""
    columns = "l" + "".join("l" if c.text else "r" for c in view.columns[1:])
    heads = " & ".join(escape_latex(" ".join(filter(None, [c.title, c.arrow]))) for c in view.columns) + r" \\"
    body = "\n\\midrule\n".join("\n".join(_latex_row(row) for row in group) for group in view.groups)
    caption = rf"\caption{{{escape_latex(view.caption)}}}\label{{{latex_label(view.name)}}}"
    notes = [f"% {i}: {' '.join(reason.split())}" for i, reason in enumerate(view.footnotes, start=1)]
    if view.n_rows > LONG_TABLE:
        lines = [
            "% needs booktabs, longtable",
            *notes,
            rf"\begin{{longtable}}{{{columns}}}",
            caption + r"\\",
            *(r"\toprule", heads, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"),
            *(body, r"\end{longtable}"),
        ]
    else:
        lines = [
            "% needs booktabs",
            *notes,
            *(r"\begin{table}", r"\centering", caption, rf"\begin{{tabular}}{{{columns}}}"),
            *(r"\toprule", heads, r"\midrule", body, r"\bottomrule", r"\end{tabular}", r"\end{table}"),
        ]
    return "\n".join([*lines, ""])


def _latex_row(row: Row) -> str:
    return " & ".join([escape_latex(row.head), *map(_latex_cell, row.cells)]) + r" \\"


def _latex_cell(cell: Cell) -> str:
    value = escape_latex(cell.text)
    if cell.mark == "best":
        value = rf"\textbf{{{value}}}"
    elif cell.mark == "near":
        value += r"\,$\approx$"
    return value + (rf" {{\scriptsize {escape_latex(cell.interval)}}}" if cell.interval else "")


def write_tables(
    frames: Mapping[str, pd.DataFrame],
    views: Iterable[TableView | None],
    folder: Path,
    more: Mapping[str, bytes] | None = None,
) -> list[Path]:
    """Write tables into ``folder``; those without a number are left out.

    Args:
        frames: file stem -> frame, written as CSV (shortest decimals that read back as the same float).
        views: written as LaTeX; None is left out.
        folder: made if it is missing.
        more: file name -> content of further files, which replace others of that name.

    Returns:
        The paths written.
    """
    files = {f"{name}.csv": csv_bytes(frame) for name, frame in frames.items() if _says_something(frame)}
    files |= {
        f"{file_stem(view.name)}.tex": latex(view).encode() for view in views if view is not None and not view.is_empty
    }
    files |= more or {}
    for name, data in files.items():
        atomic_write(folder / name, data)
    return [folder / name for name in files]


def _says_something(frame: pd.DataFrame) -> bool:
    """Whether a frame has a row, and a value or difference where it is one of those."""
    return len(frame) > 0 and all(frame[name].notna().any() for name in ("value", "difference") if name in frame)


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """UTF-8 CSV; undefined values are empty fields."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def file_stem(name: str) -> str:
    """A name that is a file name on every system."""
    return re.sub(r"[^\w.-]+", "-", name)


def analysis_fields(analysis: LongtailAnalysis) -> dict[str, Any]:
    """The fields of an analysis that go into JSON."""
    return {f.name: getattr(analysis, f.name) for f in dataclasses.fields(analysis) if f.name != "references"}


def dataset_json(analysis: LongtailAnalysis) -> dict[str, Any]:
    """The dataset of an analysis, as every JSON of an evaluation has it."""
    return {
        "name": analysis.dataset_name,
        "split": analysis.split,
        "n_clips": len(analysis.prompts),
        "list_sha256": analysis.list_sha256,
    }


def record_json(fields: Mapping[str, Any]) -> bytes:
    """Frames, dataclasses and plain values under the schema version; NaN and infinities are null."""
    return (json.dumps(plain({"schema_version": SCHEMA_VERSION, **fields}), ensure_ascii=False, indent=1) + "\n").encode()


def plain(value: Any) -> Any:
    """Frames, records and arrays as JSON has them: rows as objects, NaN and infinities as null."""
    if isinstance(value, pd.DataFrame):
        return [plain(dict(zip(value.columns, row, strict=True))) for row in value.itertuples(index=False, name=None)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name not in ("clips", "retrieval")
        }
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
