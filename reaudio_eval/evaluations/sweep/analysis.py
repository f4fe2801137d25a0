"""Sweep analysis: values along the factors, differences, spread of chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.sweep.cells import Axis, Cell, Design, show
from reaudio_eval.frames.evaluations import SWEEP_FRAMES
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.families import GAP
from reaudio_eval.statistics.rows import ALL, CLASSES, Row


@dataclass(frozen=True)
class Sweep:
    """Everything the report of a sweep shows.

    Attributes:
        analysis: of the cells as systems, each compared with the reference.
        cells, axes, design: as planned; the first cell is the reference.
        costs: cell -> seconds a clip of generation alone, None where nobody measured.
        cell_table, numbers, curves, spread: DataFrames, columns as in ``frames.evaluations.SWEEP_FRAMES`` (``cell_table``: "cells").
    """

    analysis: LongtailAnalysis
    cells: tuple[Cell, ...]
    axes: tuple[Axis, ...]
    design: Design
    costs: Mapping[str, float | None]
    cell_table: pd.DataFrame
    numbers: pd.DataFrame
    curves: pd.DataFrame
    spread: pd.DataFrame

    @property
    def reference(self) -> Cell:
        return self.cells[0]


def summarise_sweep(
    analysis: LongtailAnalysis,
    cells: tuple[Cell, ...],
    axes: tuple[Axis, ...],
    design: Design,
    costs: Mapping[str, float | None],
) -> Sweep:
    """The frames of a sweep.

    Args:
        analysis: of ``analysis.analyse(..., against=<the reference>)``.
        cells: the reference first; each is a system of the analysis.
        axes: see ``cells.plan_cells``.
        design: of the cells.
        costs: cell -> seconds a clip, or None.
    """
    numbers = _numbers(analysis, cells)
    curves = _curves(numbers, axes, cells[0])
    return Sweep(
        analysis, cells, axes, design, costs, _cell_table(analysis, cells, costs), numbers, curves, _spread(curves, axes, cells[0])
    )  # fmt: skip


def _numbers(analysis: LongtailAnalysis, cells: Sequence[Cell]) -> pd.DataFrame:
    over_classes = analysis.trend.assign(stratum=analysis.trend["statistic"].map({"macro": CLASSES, GAP: GAP}))
    parts = [analysis.overall.assign(stratum=ALL), over_classes.dropna(subset=["stratum"]), analysis.by_stratum]
    values = pd.concat(parts, ignore_index=True)
    values = values.rename(columns={"system": "cell"})
    paired = analysis.paired[analysis.paired["system_b"] == cells[0].name]
    paired = paired.rename(
        columns={"system_a": "cell", "quantity": "stratum", "ci_low": "difference_low", "ci_high": "difference_high"}
    )
    keys = ["cell", "metric", "stratum"]
    columns = [c.name for c in SWEEP_FRAMES["numbers"].columns if c.name in paired.columns and c.name not in values.columns]
    joined = values.merge(paired[[*keys, *columns]], on=keys, how="left")
    joined[["n_classes", "n_clips"]] = joined[["n_classes", "n_clips"]].astype("Int64")
    order = {cell.name: i for i, cell in enumerate(cells)}
    joined = joined.sort_values("cell", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    return SWEEP_FRAMES["numbers"].cast(joined)


def _curves(numbers: pd.DataFrame, axes: Sequence[Axis], reference: Cell) -> pd.DataFrame:
    rows: list[Row] = [
        {"factor": axis.factor.name, "setting": show(value), "cell": cell.name, "reference": cell == reference}
        for axis in axes
        for value, cell in axis.points
    ]
    points = pd.DataFrame(rows, columns=["factor", "setting", "cell", "reference"])
    return SWEEP_FRAMES["curves"].cast(points.merge(numbers, on="cell", how="left"))


def _cell_table(analysis: LongtailAnalysis, cells: Sequence[Cell], costs: Mapping[str, float | None]) -> pd.DataFrame:
    folders = {s.name: s.run_dir for s in analysis.systems}
    rows: list[Row] = [
        {
            "cell": cell.name,
            "reference": cell.reference,
            **cell.settings.values(),
            "seconds_per_clip": costs.get(cell.name),
            "run": None if folders[cell.name] is None else str(folders[cell.name]),
        }
        for cell in cells
    ]
    return SWEEP_FRAMES["cells"].frame(rows)


def _spread(curves: pd.DataFrame, axes: Sequence[Axis], reference: Cell) -> pd.DataFrame:
    rows: list[Row] = []
    for axis in axes:
        points = curves[(curves["factor"] == axis.factor.name) & curves["value"].notna()]
        if not axis.factor.chance:
            continue
        for (metric, stratum), group in points.groupby(["metric", "stratum"], sort=False):
            at_reference = group[group["cell"] == reference.name]
            if len(group) < 2 or at_reference.empty:
                continue
            values = group["value"].to_numpy(dtype=np.float64)
            rows.append(
                {
                    "factor": axis.factor.name,
                    "metric": metric,
                    "stratum": stratum,
                    "n": len(values),
                    "mean": float(values.mean()),
                    "sd": float(values.std(ddof=1)),
                    "low": float(values.min()),
                    "high": float(values.max()),
                    "half_width": float((at_reference["ci_high"] - at_reference["ci_low"]).iloc[0] / 2),
                }
            )
    return SWEEP_FRAMES["spread"].frame(rows)


def sweep_alerts(analysis: LongtailAnalysis, cells: Sequence[Cell], defaults: Sampling) -> Iterator[Alert]:
    """Warnings about the curves of a sweep.

    Args:
        analysis: of the cells.
        cells: the reference first.
        defaults: the model's own settings.
    """
    pairs = {(cell.settings.k, cell.settings.retrieval) for cell in cells}
    clap_scores = [m for m in analysis.metrics if m.role == "text_similarity"]
    if len(pairs) > 1:
        yield Alert(
            "note",
            "All settings come from one checkpoint, with different conditioning at sampling: a setting that was rare in training can score "
            "worse than a model trained for it alone.",
        )
        for metric in clap_scores:
            yield Alert(
                "warning",
                f"{metric.title} can favour sounds that a CLAP retrieved: between settings of k or retrieval prefer the other metrics.",
            )
    most = max(cell.settings.k for cell in cells)
    if defaults.k and most > defaults.k:
        yield Alert(
            "warning",
            f"The model was trained with {defaults.k} retrieved pairs at most: k = {most} is outside its training.",
        )
    if len({cell.settings.captions for cell in cells}) > 1:
        yield Alert(
            "note",
            "Cells with another caption of each clip are scored against that caption, and against the same real clips.",
        )


def numbers_of(sweep: Sweep, metric: MetricInfo, stratum: str = ALL) -> pd.DataFrame:
    """The rows of ``Sweep.numbers`` of a metric in a stratum, one a cell that has a value, in the order of the cells."""
    numbers = sweep.numbers
    return numbers[(numbers["metric"] == metric.name) & (numbers["stratum"] == stratum) & numbers["value"].notna()]


def chance_cells(axes: Sequence[Axis], reference: Cell) -> set[str]:
    """Cells that differ from the reference by a draw alone (seed, caption): none of them is a choice."""
    return {cell.name for axis in axes if axis.factor.chance for _, cell in axis.points if cell != reference}
