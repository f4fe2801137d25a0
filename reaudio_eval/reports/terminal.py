"""Tables for the terminal."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from reaudio_eval.reports.text import DASH, number
from reaudio_eval.reports.views import arrow
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

DECIMALS = 3


def table_text(frame: pd.DataFrame, decimals: int = DECIMALS) -> str:
    """A frame as a table; its index is the first column, undefined numbers are dashes. As wide as it needs to be where stdout is no
    terminal, so that a program can read it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(str(frame.index.name or ""), overflow="fold")
    for column in frame.columns:
        table.add_column(
            str(column), justify="right" if pd.api.types.is_numeric_dtype(frame[column]) else "left", overflow="fold"
        )
    for label, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        table.add_row(str(label), *(_cell(value, decimals) for value in row))
    out = io.StringIO()
    width = max(shutil.get_terminal_size((1000, 0)).columns, 40)
    console = Console(
        file=out, width=width, color_system=None, markup=False, emoji=False, highlight=False, force_jupyter=False
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")


def _cell(value: object, decimals: int) -> str:
    if isinstance(value, float):
        return number(value, decimals)
    return DASH if value is None or value is pd.NA else str(value)


def overall_by_system(analysis: LongtailAnalysis) -> str:
    """Every metric over all clips, metrics against systems."""
    table = analysis.overall.pivot(index="metric", columns="system", values="value")
    table = table.reindex([m.name for m in analysis.metrics])[[s.name for s in analysis.systems]]
    table.index = pd.Index([f"{m.title} {arrow(m)}" for m in analysis.metrics], name="metric")
    return table_text(table.astype("float64"))


def systems_by(frame: pd.DataFrame, column: str, metric: MetricInfo, by: str, order: Sequence[str] = ()) -> str:
    """The value of one metric, systems against the groups in ``column``, with a heading that says the direction."""
    rows = frame[frame["metric"] == metric.name]
    table = rows.pivot_table(index="system", columns=column, values="value", sort=False, observed=True, dropna=False)
    if order:
        table = table.reindex(columns=[name for name in order if name in table.columns])
    return f"{metric.title}: mean over classes by {by} ({metric.better} is better)\n\n{table_text(table.rename_axis(index='system'))}"
