"""Schemas: frames that fit them, and messages about those that do not."""

from __future__ import annotations

import importlib
import pkgutil

import pandas as pd
import pytest

from reaudio_eval import frames
from reaudio_eval.frames import Column, FrameError, Schema
from reaudio_eval.frames.schema import count, flag, number, text

SCHEMA = Schema(
    "points",
    "A point.",
    text("name", "its name"),
    number("x", "metres"),
    count("n", "how many"),
    flag("seen", "whether it was seen"),
    Column("pool", "count", "of the pool", optional=True),
)
ROW = {"name": "a", "x": 0.5, "n": 2, "seen": True, "pool": 1}
KNOWN = [
    value
    for module in pkgutil.iter_modules(frames.__path__)
    for entry in vars(importlib.import_module(f"reaudio_eval.frames.{module.name}")).values()
    for value in (entry.values() if isinstance(entry, dict) else (entry,))
    if isinstance(value, Schema)
]


def test_rows_become_a_frame_with_the_dtypes() -> None:
    frame = SCHEMA.check(SCHEMA.frame([ROW, {"name": "b", "seen": False, "further": 1}]))
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == SCHEMA.dtypes
    assert frame.columns.tolist() == SCHEMA.names
    assert frame.isna().sum().to_dict() == {"name": 0, "x": 1, "n": 1, "seen": 0, "pool": 1}


def test_an_optional_column_is_left_out_where_no_row_has_it() -> None:
    without = {name: value for name, value in ROW.items() if name != "pool"}
    assert SCHEMA.check(SCHEMA.frame([without])).columns.tolist() == SCHEMA.required == ["name", "x", "n", "seen"]
    assert SCHEMA.check(SCHEMA.empty()).columns.tolist() == SCHEMA.required
    assert {name: str(dtype) for name, dtype in SCHEMA.empty().dtypes.items()} | {"pool": "Int64"} == SCHEMA.dtypes
    cast = SCHEMA.cast(pd.DataFrame([without]))
    assert cast.columns.tolist() == SCHEMA.required
    assert SCHEMA.cast(pd.DataFrame([ROW])).dtypes["pool"] == "Int64"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": 1.0}, "Table 'points' has unknown y."),
        ({"x": "far"}, "Column 'x' of table 'points' is .*, not float64."),
        ({"x": 1}, "Column 'x' of table 'points' is int64, not float64."),
        ({"n": 1.5}, "Column 'n' of table 'points' is float64, not Int64."),
        ({"seen": 1}, "Column 'seen' of table 'points' is int64, not bool."),
        ({"name": 1}, "Column 'name' of table 'points' is int64, not object."),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, object], message: str) -> None:
    with pytest.raises(FrameError, match=message):
        SCHEMA.check(pd.DataFrame([ROW | changed]))


def test_only_optional_columns_may_be_missing() -> None:
    frame = pd.DataFrame([ROW])
    SCHEMA.check(frame.drop(columns="pool"))
    with pytest.raises(FrameError, match="Table 'points' lacks x, seen"):
        SCHEMA.check(frame.drop(columns=["x", "seen"]))


def test_files_may_hold_more_columns_in_another_order() -> None:
    frame = pd.DataFrame([ROW | {"later": 1}]).drop(columns="pool")[["later", "seen", "n", "x", "name"]]
    assert SCHEMA.select(frame).columns.tolist() == ["name", "x", "n", "seen"]
    # A file without rows has no dtypes.
    assert str(SCHEMA.select(pd.DataFrame(columns=["name", "x", "n", "seen"])).dtypes["x"]) == "float64"


@pytest.mark.parametrize("schema", KNOWN, ids=lambda schema: schema.name)
def test_every_schema_says_what_it_holds(schema: Schema) -> None:
    assert len(set(schema.names)) == len(schema.names)
    assert schema.meaning.endswith(".")
    assert all(column.meaning for column in schema.columns)
