"""Schema of a DataFrame: its columns, their types and meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

Kind = Literal["text", "number", "count", "flag", "list"]

DTYPES: Mapping[Kind, str] = {"text": "object", "number": "float64", "count": "Int64", "flag": "bool", "list": "object"}

_HOLDS: Mapping[Kind, Callable[[Any], bool]] = {
    "text": lambda dtype: isinstance(dtype, pd.StringDtype) or dtype.kind == "O",
    "number": lambda dtype: bool(dtype == "float64"),
    "count": pd.api.types.is_integer_dtype,
    "flag": pd.api.types.is_bool_dtype,
    "list": lambda dtype: bool(dtype.kind == "O"),
}


class FrameError(TypeError):
    """A DataFrame does not have the columns of its schema: an error of the program, or a damaged file."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: key in DataFrames and files.
        kind: "text" (str, None where missing), "number" (float64, NaN where undefined), "count" (whole number, NA where missing), "flag"
            (bool) or "list".
        meaning: unit, range and values.
        optional: frames may lack it: files of older versions, or results of which nobody asked for it.
    """

    name: str
    kind: Kind
    meaning: str
    optional: bool = False

    @property
    def dtype(self) -> str:
        """The pandas dtype of a new column."""
        return DTYPES[self.kind]


def text(name: str, meaning: str) -> Column:
    return Column(name, "text", meaning)


def number(name: str, meaning: str, *, optional: bool = False) -> Column:
    return Column(name, "number", meaning, optional)


def count(name: str, meaning: str, *, optional: bool = False) -> Column:
    return Column(name, "count", meaning, optional)


def flag(name: str, meaning: str) -> Column:
    return Column(name, "flag", meaning)


class Schema:
    """The columns of one DataFrame, in order.

    Args:
        name: of the DataFrame.
        meaning: what a row is.
        columns: in order.
    """

    def __init__(self, name: str, meaning: str, *columns: Column) -> None:
        self.name = name
        self.meaning = meaning
        self.columns = columns

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [c.name for c in self.columns]

    @property
    def required(self) -> list[str]:
        """Names of the columns that every frame has, in order."""
        return [c.name for c in self.columns if not c.optional]

    @property
    def dtypes(self) -> dict[str, str]:
        """Column name -> dtype of a new frame."""
        return {c.name: c.dtype for c in self.columns}

    def empty(self) -> pd.DataFrame:
        """A frame without rows."""
        return self.frame(())

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """A frame of rows; a key that a row lacks is missing there, and keys that are no column are left out. An optional column that no
        row has is left out too."""
        rows = list(rows)
        present = [c for c in self.columns if not c.optional or any(c.name in row for row in rows)]
        return pd.DataFrame({c.name: pd.Series([row.get(c.name) for row in rows], dtype=c.dtype) for c in present})

    def cast(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The schema's columns of a frame, in order and with the dtypes of a new frame; optional ones may be missing."""
        present = [c for c in self.columns if not c.optional or c.name in frame.columns]
        return frame[[c.name for c in present]].astype({c.name: c.dtype for c in present})

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The schema's columns of a frame from a file, in order, checked; optional ones may be missing, further ones are left out.

        A frame without rows, whose dtypes say nothing, gets those of a new frame.

        Raises:
            FrameError: see :meth:`check`.
        """
        known = frame[[name for name in self.names if name in frame.columns]]
        return self.check(known.astype({name: self.dtypes[name] for name in known.columns}) if known.empty else known)

    def check(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame itself.

        Raises:
            FrameError: a column is missing, unknown or of another dtype.
        """
        missing = [c.name for c in self.columns if not c.optional and c.name not in frame.columns]
        unknown = [str(name) for name in frame.columns if name not in self.names]
        if missing or unknown:
            parts = {"lacks": missing, "has unknown": unknown}
            listed = "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts.items() if names)
            raise FrameError(f"Table {self.name!r} {listed}.")
        for column in self.columns:
            if column.name in frame.columns and not _HOLDS[column.kind](frame[column.name].dtype):
                raise FrameError(
                    f"Column {column.name!r} of table {self.name!r} is {frame[column.name].dtype}, not {column.dtype}."
                )
        return frame


def by_name(*schemas: Schema) -> Mapping[str, Schema]:
    """Schema name -> schema, in order."""
    return {schema.name: schema for schema in schemas}


SYSTEM = text("system", "name of the system")
METRIC = text("metric", "name of the metric")
CLIP_ID = text("clip_id", "id of the clip")
EMBEDDER = text("embedder", "registered name of the embedder")
LABEL = text("label", "id of the class")
NAME = text("name", "name of the class for readers")
STRATUM = text("stratum", "name of the stratum")
N_TRAIN = count("n_train", "training clips of the class")
N_CLASSES = count("n_classes", "classes that enter the number")
N_CLIPS = count("n_clips", "clips that enter the number")
VALUE = number("value", "value in the unit of the metric; NaN where undefined")
INTERVAL = (
    number("ci_low", "lower end of the 95 % interval, NaN without one"),
    number("ci_high", "upper end of the 95 % interval, NaN without one"),
)
CI_METHOD = text("ci_method", 'how the interval was computed, "none" without one')
REASON = text("reason", "why the value or its interval is undefined, else None")
DIFFERENCE = number("difference", "paired difference in the unit of the metric")
TESTED = (
    number("p_value", "two-sided p-value against no difference, NaN without a test"),
    number("p_holm", "p-value after Holm's correction"),
)
FAMILY = text(
    "family",
    '"confirmatory" (the tests that the report names in advance), "exploratory" (other tests among systems) or "reference" (real audio, a '
    "copy or an oracle on one side); each is corrected by itself",
)
PRECISION = (
    number("se", "standard error of the difference, NaN without one"),
    number("df", "degrees of freedom of the standard error"),
    number("level", "mean of the two values, NaN for gap and slope"),
)
DETECTABLE = number(
    "detectable", "smallest difference found with probability 0.8 at the 5 % level after the correction, NaN without any"
)
POWER_NOTE = text("power_note", "why no difference could be significant, else None")
