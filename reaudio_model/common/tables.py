"""Reading and checking CSV tables.

Errors name file and row.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from reaudio_model.common.errors import ReaudioError


def read_table(path: Path, columns: Iterable[str], what: str) -> pd.DataFrame:
    """A UTF-8 CSV with a header, every value a string ("" where empty).

    Args:
        path: the file.
        columns: required ones.
        what: the content, for messages, e.g. "the captions".

    Raises:
        ReaudioError: no such file, not UTF-8 (the line is named), not a table, without rows, or columns missing (named).
    """
    if not path.is_file():
        raise ReaudioError(f"{path} does not exist; {what} should be there.")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaudioError(f"{path} is not UTF-8 in line {_line_of_bad_byte(path)}: save it as UTF-8.") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ReaudioError(f"{path} is not a readable CSV table: {str(error).strip().rstrip('.')}.") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise ReaudioError(f"{path} has more values in a row than columns: quote the captions that contain commas.")
    table.columns = table.columns.str.strip()
    missing = [c for c in columns if c not in table.columns]
    if missing:
        raise ReaudioError(f"{path} lacks the column {quoted(missing)}; it has {quoted(table.columns)}.")
    if table.empty:
        raise ReaudioError(f"{path} has a header but no rows.")
    return table.fillna("")


def quoted(columns: Iterable[str]) -> str:
    """Names in quotes for a message: ``'clip_id', 'caption'``."""
    return ", ".join(repr(c) for c in columns)


def _line_of_bad_byte(path: Path) -> int:
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    raise AssertionError("called on a file that is UTF-8")


def require_values(table: pd.DataFrame, column: str, path: Path) -> None:
    """Raises ReaudioError naming the first row whose ``column`` is empty."""
    empty = table.index[table[column].str.strip() == ""]
    if len(empty):
        raise ReaudioError(f"{path} row {empty[0] + 1}: {column!r} is empty.")


def require_unique(table: pd.DataFrame, columns: list[str], path: Path) -> None:
    """Raises ReaudioError naming the first row that repeats the values of ``columns``."""
    repeated = table.index[table.duplicated(columns)]
    if len(repeated):
        values = ", ".join(f"{c} {table.at[repeated[0], c]!r}" for c in columns)
        raise ReaudioError(f"{path} row {repeated[0] + 1} repeats {values}: give every clip once.")


def require_ids(table: pd.DataFrame, path: Path) -> None:
    """Raises ReaudioError for a clip_id that is empty or cannot be a file name."""
    require_values(table, "clip_id", path)
    bad = table.index[table["clip_id"].str.contains(r"[/\\\x00]") | table["clip_id"].isin([".", ".."])]
    if len(bad):
        raise ReaudioError(
            f"{path} row {bad[0] + 1}: the clip_id {table.at[bad[0], 'clip_id']!r} cannot be a file name (no slashes)."
        )
