"""Tables from Parquet files and DataFrames, checked like CSV tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from reaudio_model.common.csv_files import MAX_RECORDS, Record
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import name_key
from reaudio_model.common.tables import SKIP_OPTION, Table, check_columns, read_table

PARQUET = ".parquet"


def read_csv_or_parquet(
    path: Path, columns: Iterable[str], what: str, *, skip: bool = False, option: str = SKIP_OPTION
) -> Table:
    """A CSV, or a Parquet file where the name ends in ``.parquet``; arguments as for :func:`reaudio_model.common.tables.read_table`.

    Raises:
        ReaudioError: see :func:`reaudio_model.common.tables.read_table` and :func:`table_of`; or not a Parquet file.
    """
    if path.suffix.lower() != PARQUET:
        return read_table(path, columns, what, skip=skip, option=option)
    return table_of(read_parquet(path, what), path, columns, what, skip=skip, option=option)


def read_parquet(path: Path, what: str) -> pd.DataFrame:
    """The content of a Parquet file.

    Raises:
        ReaudioError: no such file, or not a readable Parquet file of at most ``MAX_RECORDS`` rows.
    """
    import pyarrow.parquet

    if not path.is_file():
        raise ReaudioError(f"{path} does not exist or is no file; {what} should be there.")
    try:
        n_rows = pyarrow.parquet.read_metadata(path).num_rows
        if n_rows > MAX_RECORDS:
            raise ReaudioError(f"{path} has more than {MAX_RECORDS:,} rows, the limit of a table: split it.")
        return pd.read_parquet(path)
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        NotImplementedError,
        MemoryError,
    ) as error:  # ArrowInvalid is a ValueError
        raise ReaudioError(f"{path} is not a readable Parquet file: write it again, or save {what} as CSV.") from error


def table_of(
    frame: pd.DataFrame, name: Path, columns: Iterable[str], what: str, *, skip: bool = False, option: str = SKIP_OPTION
) -> Table:
    """A DataFrame as a table of text: whole numbers without a decimal point, other numbers exactly, missing values as "".

    Args:
        frame: columns are found by name; the index is not used, rows are numbered from 1.
        name: for messages.
        columns, what, skip, option: see :func:`reaudio_model.common.tables.read_table`.

    Raises:
        ReaudioError: no rows, columns missing or named twice.
    """
    header = [name_key(str(column)) for column in frame.columns]
    check_columns(name, header, columns)
    if frame.empty:
        raise ReaudioError(f"{name} has no rows; {what} should be there.")
    texts = [_texts(frame.iloc[:, i]) for i in range(len(header))]
    table = Table(name, skip, option)
    table.fill(header, (Record(line, list(cells)) for line, cells in enumerate(zip(*texts, strict=True), start=2)))
    return table


def _texts(values: pd.Series) -> list[str]:
    missing = values.isna().to_numpy()
    return ["" if absent else _text(value) for value, absent in zip(values.tolist(), missing, strict=True)]


def _text(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
