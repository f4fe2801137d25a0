"""Reading and checking CSV tables.

A :class:`Table` collects the faults of all its rows, so that they are reported together; :meth:`Table.finish` raises, or leaves those rows
out. Rows are numbered from 1, without the header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import compress
from pathlib import Path
from typing import TypeVar

import pandas as pd

from reaudio_model.common.csv_files import Record, read_records
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import name_key

SKIP_OPTION = "--skip-bad-rows"
SHOWN_FAULTS = 10
SHOWN_CHARACTERS = 60  # of a value in a message
MAX_COLUMNS = 1_000
MAX_COUNT_DIGITS = 15  # such a number is exact as a float, too
T = TypeVar("T")
# Columns whose values are looked up: they are read as they are compared.
KEY_COLUMNS = ("clip_id", "system", "split", "match", "label", "mid", "audiocap_id", "youtube_id", "source_id", "start_time")
_NO_FILE_NAME = re.compile(r"[/\\\x00]")


class Table:
    """A table with the faults of its rows.

    Attributes:
        path: the file.
        rows: every value a string ("" where empty), those of ``KEY_COLUMNS`` as :func:`reaudio_model.common.naming.name_key`; the index
            is the number of the row.
        n_rows: rows of the file.
        notes: what :meth:`finish` left out.
    """

    def __init__(self, path: Path, skip: bool = False, option: str = SKIP_OPTION) -> None:
        """
        Args:
            path: the file.
            skip: leave faulty rows out.
            option: how a user says that, for messages; "" where no option does.
        """
        self.path = path
        self.rows = pd.DataFrame()
        self.n_rows = 0
        self.notes: tuple[str, ...] = ()
        self._skip, self._option = skip, option
        self._faults: dict[int, str] = {}
        self._lines: dict[int, int] = {}  # of rows that are not on the line after their number

    def fault(self, row: int, what: str) -> None:
        """Mark a row as faulty; its first fault is kept. ``what`` is a part of a sentence without a full stop."""
        self._faults.setdefault(int(row), what)

    @property
    def sound(self) -> pd.DataFrame:
        """The rows without a fault so far."""
        return self.rows.drop(index=[row for row in self._faults if row in self.rows.index]) if self._faults else self.rows

    def require(self, column: str, valid: Callable[[str], bool], fault: str) -> None:
        """Mark the rows whose value is not valid; "{}" in ``fault`` stands for the value."""
        values = self.sound[column]
        for row, value in zip(values.index, values, strict=True):
            if not valid(value):
                self.fault(row, fault.format(shown(value)))

    def require_values(self, column: str) -> None:
        """Mark the rows whose ``column`` is empty."""
        self.require(column, lambda value: bool(value.strip()), f"{column!r} is empty")

    def require_unique(self, columns: Sequence[str], key: Callable[[str], Hashable] = name_key) -> None:
        """Mark the rows that repeat the values of ``columns``, compared as they are looked up later: by ``key``."""
        first: dict[tuple[Hashable, ...], int] = {}
        sound = self.sound
        for row, *values in zip(sound.index, *(sound[c] for c in columns), strict=True):
            earlier = first.setdefault(tuple(map(key, values)), row)
            if earlier != row:
                said = ", ".join(f"{c} {shown(v)}" for c, v in zip(columns, values, strict=True))
                self.fault(row, f"repeats {said} of row {earlier}")

    def require_ids(self, column: str = "clip_id") -> None:
        """Mark the rows whose id is empty or cannot be a file name."""
        self.require_values(column)
        fault = f"the {column} {{}} cannot be a file name (no slashes)"
        self.require(column, lambda v: not (_NO_FILE_NAME.search(v) or v.strip() in (".", "..")), fault)

    def require_counts(self, column: str) -> None:
        """Mark the rows whose ``column`` is not a whole number of at least 0."""
        self.require(column, is_count, f"{column} {{}} is not a whole number of at least 0")

    def parsed(self, column: str, parse: Callable[[str], T]) -> dict[int, T]:
        """Row -> what ``parse`` makes of its value, of the sound rows; those where it raises a ReaudioError are marked with its message."""
        found: dict[int, T] = {}
        seen: dict[str, T | ReaudioError] = {}
        values = self.sound[column]
        for row, value in zip(values.index.tolist(), values, strict=True):
            if value not in seen:
                try:
                    seen[value] = parse(value)
                except ReaudioError as error:
                    seen[value] = error
            result = seen[value]
            if isinstance(result, ReaudioError):
                self.fault(row, str(result).rstrip("."))
            else:
                found[row] = result
        return found

    def finish(self) -> pd.DataFrame:
        """The rows, all without a fault; those left out are named in ``notes``.

        Raises:
            ReaudioError: faulty rows, the first ten and how many; or no row is left.
        """
        n = len(self._faults)
        if not n:
            return self.rows
        if not self._skip:
            raise ReaudioError(self._refusal(n))
        left = self.sound
        if left.empty:
            raise ReaudioError(f"{self.path} has no row without a fault: {self._listed()}.")
        self.notes = (f"{self.path.name}: {n:,} of {self.n_rows:,} rows are left out ({self._option}): {self._listed()}.",)
        return left

    def _refusal(self, n: int) -> str:
        listed = self._listed()
        stop = "" if listed.endswith("?") else "."
        skip = f", or leave {'it' if n == 1 else 'them'} out with {self._option}" if self._option else ""
        if n == 1:
            return f"{self.path} {listed}{stop} Correct the row{skip}."
        return f"{self.path} has {n:,} faulty rows: {listed}{stop} Correct them{skip}."

    def _listed(self) -> str:
        rows = sorted(self._faults)
        said = "; ".join(f"{self.place(row)}: {self._faults[row]}" for row in rows[:SHOWN_FAULTS])
        return said + (f"; and {len(rows) - SHOWN_FAULTS:,} more" if len(rows) > SHOWN_FAULTS else "")

    def place(self, row: int) -> str:
        """``row 6``, with its line where that is not the usual one."""
        return f"row {row}" + (f" (line {self._lines[row]})" if row in self._lines else "")

    def fill(
        self, header: list[str], records: Iterable[Record], wanted: Callable[[list[str]], bool] = lambda cells: True
    ) -> None:
        """Take the rows from records under a header; a short record is filled with "", a longer one is a fault.

        Args:
            header: names of the columns; those without a name are not kept.
            records: the rows.
            wanted: whether a row is kept, by its values; others are counted.
        """
        columns: list[list[str]] = [[] for _ in header]
        numbers: list[int] = []
        for row, (line, cells, fault, doubtful) in enumerate(records, start=1):
            self.n_rows = row
            if not fault and not wanted(cells):
                continue
            if line != row + 1:
                self._lines[row] = line
            if not fault and any(cell.strip() for cell in cells[len(header) :]):
                fault = f"{len(cells)} values for {len(header)} columns: quote values that contain commas"
            if not fault and doubtful and len(cells) != len(header):
                fault = "it follows a row whose quotes do not match, and has other columns than the header"
            if fault:
                self.fault(row, fault)
                continue
            numbers.append(row)
            for values, cell in zip(columns, cells + [""] * (len(header) - len(cells)), strict=False):
                values.append(cell)
        named = dict(compress(zip(header, columns, strict=True), map(bool, header)))
        self.rows = pd.DataFrame(
            {name: list(map(name_key, values)) if name in KEY_COLUMNS else values for name, values in named.items()},
            index=pd.Index(numbers, dtype=int),
            dtype=object,
        )


def read_table(
    path: Path,
    columns: Iterable[str],
    what: str,
    *,
    skip: bool = False,
    option: str = SKIP_OPTION,
    delimiter: str | None = ",",
) -> Table:
    """A UTF-8 CSV with a header, to be checked and finished.

    Args:
        path: the file; it may be compressed (:func:`reaudio_model.common.csv_files.read_bytes`).
        columns: required ones.
        what: the content, for messages, e.g. "the captions".
        skip, option: see :class:`Table`.
        delimiter: see :func:`reaudio_model.common.csv_files.read_records`.

    Raises:
        ReaudioError: no such file, one that cannot be read, without header or rows, columns missing or named twice.
    """
    records = read_records(path, what, delimiter=delimiter)
    head = next(records, None)
    if head is None:
        raise ReaudioError(f"{path} is empty; {what} should be there, under a header.")
    if head.fault:
        raise ReaudioError(f"{path} is not a readable CSV table, line {head.line}: {head.fault}.")
    header = list(map(name_key, head.cells))
    check_columns(path, header, columns)
    table = Table(path, skip, option)
    table.fill(header, records)
    if not table.n_rows:
        raise ReaudioError(f"{path} has a header but no rows; {what} should be there.")
    return table


def check_columns(path: Path, header: Sequence[str], columns: Iterable[str]) -> None:
    """Raise ReaudioError where the header of a table lacks one of ``columns``, has one twice, or too many."""
    named = [name for name in header if name]
    if len(header) > MAX_COLUMNS:
        raise ReaudioError(f"{path} has {len(header):,} columns, more than the {MAX_COLUMNS:,} of a table.")
    missing = [c for c in columns if c not in named]
    if missing:
        other = len(named) == 1 and next((mark for mark in (";", "\t") if mark in named[0]), None)
        remedy = ": separate the columns by commas" if other else ""
        has = quoted(named[:SHOWN_FAULTS]) + (", ..." if len(named) > SHOWN_FAULTS else "")
        raise ReaudioError(f"{path} lacks the column {quoted(missing)}; it has {has}{remedy}.")
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ReaudioError(f"{path} names the column {quoted(twice)} twice: rename or remove one.")


def is_count(text: str) -> bool:
    """Whether a text is a whole number of at least 0, of at most 15 digits."""
    return text.strip().isascii() and text.strip().isdigit() and len(text.strip()) <= MAX_COUNT_DIGITS


def shown(value: str) -> str:
    """A value in quotes for a message, shortened."""
    return repr(value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 3] + "...")


def quoted(columns: Iterable[str]) -> str:
    """Names in quotes for a message: ``'clip_id', 'caption'``."""
    return ", ".join(map(shown, columns))
