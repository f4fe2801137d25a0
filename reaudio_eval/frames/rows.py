"""Rows of DataFrames as named tuples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd


def records(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows as named tuples; nullable integers become floats, so that every missing number is NaN."""
    nullable = {name: "float64" for name, kind in frame.dtypes.items() if isinstance(kind, pd.Int64Dtype)}
    return frame.astype(nullable).itertuples(index=False)


def lookup(frame: pd.DataFrame, *keys: str) -> dict[Any, Any]:
    """Rows as named tuples under the value (or tuple of values) of the key columns; the first of equals wins."""
    table: dict[Any, Any] = {}
    for row in records(frame):
        key = tuple(getattr(row, k) for k in keys)
        table.setdefault(key if len(keys) > 1 else key[0], row)
    return table
