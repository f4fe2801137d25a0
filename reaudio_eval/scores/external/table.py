"""Tables of external scores, read and checked row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reaudio_eval.scores.checked import ROUNDING
from reaudio_eval.scores.external.metrics import StatedMetric, is_metric_name, merged, read_sidecar, sidecar_path
from reaudio_eval.scores.external.source import GivenFrame
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.frame_tables import read_csv_or_parquet, table_of
from reaudio_model.common.tables import Table, shown

REQUIRED = ("clip_id", "system", "metric", "value")
OPTIONAL = ("label", "seed", "rater")
WHAT = "the scores"
EXAMPLES = 3


@dataclass(frozen=True)
class ScoreTable:
    """A table whose rows are checked by themselves; :meth:`Table.finish` is left to the one who looks up its clips.

    Attributes:
        name: of the file or DataFrame, without its folder.
        table: rows with the columns of ``REQUIRED`` and ``OPTIONAL``, all text, "" where missing.
        sha256: of its content.
    """

    name: str
    table: Table
    sha256: str

    @property
    def clip_ids(self) -> list[str]:
        """The clip ids of its sound rows, each once, in their order."""
        return list(dict.fromkeys(self.table.sound["clip_id"]))


def read_score_tables(
    sources: Sequence[Path | GivenFrame], options: Mapping[str, StatedMetric], *, skip: bool = False
) -> tuple[list[ScoreTable], dict[str, StatedMetric]]:
    """The tables, and what is stated of every metric that they have.

    Args:
        sources: CSV files, Parquet files (``.parquet``) and DataFrames with the columns clip_id, system, metric and value, and optionally
            label, seed and rater; other columns are not used.
        options: metric -> what the user states of it, before what the file beside a table states
            (:func:`reaudio_eval.scores.external.metrics.read_sidecar`).
        skip: leave faulty rows out.

    Raises:
        ReaudioError: no such file, columns missing, no rows; a metric without direction, or one that no table has; contradictory files.
            Faulty rows are only marked (:class:`reaudio_model.common.tables.Table`).
    """
    tables = [_read(source, skip) for source in sources]
    files = [source for source in sources if isinstance(source, Path)]
    stated = merged(options, [(sidecar_path(path), read_sidecar(path)) for path in files])
    names = {name: each for each in reversed(tables) for name in each.table.sound["metric"].unique()}
    mentioned = {name for each in tables for name in each.table.rows["metric"] if name}
    for name in options if mentioned else ():
        one_of("metric of --score-metric", name, mentioned)
    for name, each in names.items():
        if name not in stated:
            raise ReaudioError(_without_direction(each, name))
    for each in tables:
        _check_values(each.table, stated)
    return tables, {name: stated[name] for name in names}


def _read(source: Path | GivenFrame, skip: bool) -> ScoreTable:
    if isinstance(source, GivenFrame):
        table = table_of(source.frame, Path(source.name), REQUIRED, WHAT, skip=skip)
    else:
        table = read_csv_or_parquet(source, REQUIRED, WHAT, skip=skip)
    found = {name: table.rows[name] if name in table.rows.columns else "" for name in (*REQUIRED, *OPTIONAL)}
    table.rows = pd.DataFrame(found, index=table.rows.index, dtype=object)
    for column in ("metric", "seed", "rater"):
        table.rows[column] = table.rows[column].str.strip()
    for column in ("clip_id", "system", "metric"):
        table.require_values(column)
    table.require("metric", is_metric_name, "the metric {} may have only letters, digits, '.', '_' and '-', at most 80")
    sha256 = canonical_sha256([table.rows[name].tolist() for name in table.rows.columns])
    return ScoreTable(source.name, table, sha256)


def _without_direction(table: ScoreTable, metric: str) -> str:
    path = sidecar_path(table.table.path)
    return (
        f"{table.table.path} does not say whether higher or lower values of {metric!r} are better: give --score-metric {metric}=higher (or "
        f"lower), or write {path.name} beside it."
    )


def _check_values(table: Table, stated: Mapping[str, StatedMetric]) -> None:
    """Mark rows whose value is no finite number, or is outside the range of its metric."""
    numbers = table.parsed("value", number)
    for metric, rows in table.sound.groupby("metric", sort=False):
        low, high = bounds = stated[str(metric)].range
        values = np.array([numbers[row] for row in rows.index])
        outside = np.zeros(len(values), dtype=bool)
        if low is not None:
            outside |= values < low - ROUNDING
        if high is not None:
            outside |= values > high + ROUNDING
        for row, value in rows.loc[outside, "value"].items():
            table.fault(int(str(row)), f"the value {shown(value)} of {metric} is outside its range, {range_text(bounds)}")


def number(text: str) -> float:
    """A finite number.

    Raises:
        ReaudioError: other text.
    """
    try:
        value = float(text.replace("_", "?"))  # Python reads 1_000
    except ValueError as error:
        raise ReaudioError(
            f"the value {shown(text)} is not a number" if text.strip() else "the value is missing or NaN"
        ) from error
    if math.isfinite(value):
        return value
    raise ReaudioError(f"the value {shown(text)} is not a finite number")


def range_text(bounds: Range) -> str:
    """ "0 to 10", "0 or more", "at most 1"."""
    low, high = bounds
    if low is None:
        return f"at most {high:g}"
    return f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
