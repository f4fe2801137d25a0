"""Tables of a sweep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from reaudio_eval.evaluations.sweep.analysis import Sweep
from reaudio_eval.evaluations.sweep.cells import Axis, show
from reaudio_eval.frames.rows import lookup
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.text import DASH, WITH_INTERVALS, interval, number, quantity_titles
from reaudio_eval.reports.views import (
    Cell,
    Column,
    Notes,
    Numbers,
    Row,
    TableView,
    arrow,
    metric_decimals,
    metric_notes,
    primary_first,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.rows import ALL
from reaudio_eval.statistics.thresholds import ALPHA

REFERENCE = "reference"
BELOW = "Below each value: its paired difference from the reference, with a 95% interval."
BOLD = "Bold: significantly different from the reference (paired test, Holm-corrected over the settings, p < 0.05)."


def short_name(sweep: Sweep, cell: str) -> str:
    """A cell without the model's name; "reference" for the reference."""
    return REFERENCE if cell == sweep.reference.name else cell.removeprefix(f"{sweep.reference.name} ")


def strata_of(sweep: Sweep) -> list[str]:
    """All clips, then the strata from the most frequent that hold a class of the prompts."""
    sizes = sweep.analysis.strata_sizes
    return [ALL, *sizes.loc[sizes["n_classes_test"] > 0, "stratum"]]


def cells_table(sweep: Sweep) -> TableView:
    """Every cell over all clips, in every metric."""
    notes, metrics = Notes(), primary_first(sweep.analysis)
    row_of = lookup(sweep.numbers[sweep.numbers["stratum"] == ALL], "cell", "metric")
    digits = {m.name: metric_decimals(sweep.analysis, m) for m in metrics}
    rows = tuple(
        Row(
            short_name(sweep, cell.name),
            (*(_brief(notes, row_of.get((cell.name, m.name)), digits[m.name]) for m in metrics), _cost(sweep, cell.name)),
            system=i,
        )
        for i, cell in enumerate(sweep.cells)
    )
    columns = (Column("setting"), *(Column(m.title, m.unit, arrow(m)) for m in metrics), *_cost_column())
    return TableView(
        "settings",
        "Every setting over all clips",
        columns,
        (rows,),
        tuple(notes.reasons),
        (BELOW, BOLD),
        metric_notes(metrics),
        BOLD,
    )


def factor_table(sweep: Sweep, axis: Axis, metric: MetricInfo) -> TableView:
    """The values of one factor: rows settings, columns strata."""
    notes, digits = Notes(), metric_decimals(sweep.analysis, metric)
    row_of = lookup(sweep.numbers[sweep.numbers["metric"] == metric.name], "cell", "stratum")
    strata = [s for s in strata_of(sweep) if s == ALL or any(stratum == s for _, stratum in row_of)]
    rows = tuple(
        Row(
            show(value),
            (*(_value(notes, row_of.get((cell.name, s)), digits) for s in strata), _cost(sweep, cell.name)),
            detail=REFERENCE if cell == sweep.reference else "",
        )
        for value, cell in axis.points
    )
    columns = (Column(axis.factor.name), *_strata_columns(sweep, metric, strata), *_cost_column())
    return TableView(
        f"sweep-{axis.factor.name}-{metric.name}", f"{metric.title} by {axis.factor.title}{WITH_INTERVALS}", columns, (rows,),
        tuple(notes.reasons), (BELOW, BOLD), metric_notes([metric]), BOLD,
    )  # fmt: skip


def _strata_columns(sweep: Sweep, metric: MetricInfo, strata: Sequence[str]) -> Iterator[Column]:
    sizes, titles = lookup(sweep.analysis.strata_sizes, "stratum"), stratum_titles(sweep.analysis.strata)
    for stratum in strata:
        if stratum == ALL:
            yield Column("all clips", f"{len(sweep.analysis.prompts):,} clips", arrow(metric))
        elif metric.level == "set":
            yield Column(titles[stratum], f"{sizes[stratum].n_clips_rarest:,.0f} clips", arrow(metric))
        else:
            yield Column(titles[stratum], f"{sizes[stratum].n_classes_test:,.0f} classes", arrow(metric))


def _value(notes: Notes, row: Any, digits: int) -> Cell:
    if row is None or not math.isfinite(row.difference):
        return notes.value(row, digits)
    ends = interval(row.difference_low, row.difference_high, digits)
    text = f"Δ {number(row.difference, digits, sign=True)} {ends}".strip()
    return notes.value(row, digits, detail=text, mark="best" if row.p_holm < ALPHA else "")


def _brief(notes: Notes, row: Any, digits: int) -> Cell:
    """Without the interval of the value: the factors' tables have it."""
    return replace(_value(notes, row, digits), interval="")


def _cost_column() -> tuple[Column]:
    return (Column("seconds per clip", "generation only", "↓"),)


def _cost(sweep: Sweep, cell: str) -> Cell:
    seconds = sweep.costs.get(cell)
    if seconds is None:
        return Cell(DASH)
    return Cell(number(seconds, 3 if seconds < 1 else 2), numbers=Numbers(seconds, math.nan, math.nan))


def spread_table(sweep: Sweep, axis: Axis, metric: MetricInfo) -> TableView | None:
    """Spread between seeds or captions, and the interval of one of them; None for other factors."""
    rows_of = sweep.spread[(sweep.spread["factor"] == axis.factor.name) & (sweep.spread["metric"] == metric.name)]
    row_of = lookup(rows_of, "stratum")
    if not row_of:
        return None
    digits, titles = metric_decimals(sweep.analysis, metric), quantity_titles(sweep.analysis.strata)
    rows = tuple(
        Row(
            titles[stratum],
            tuple(Cell(number(getattr(row, name), digits)) for name in ("mean", "sd", "low", "high", "half_width")),
        )
        for stratum, row in row_of.items()
    )
    n = int(next(iter(row_of.values())).n)
    heads = ("mean", "standard deviation", "lowest", "highest", "half a 95% interval of the reference")
    what = "seeds" if axis.factor.name == "seed" else "captions"
    caption = f"{metric.title}: spread between {n} {what}, and the sampling error of clips and classes"
    return TableView(f"spread-{axis.factor.name}-{metric.name}", caption, (Column("clips"), *map(Column, heads)), (rows,))
