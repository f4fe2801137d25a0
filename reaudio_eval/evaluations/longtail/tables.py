"""Tables of gap, slope and paired differences."""

from __future__ import annotations

import math
from typing import Any

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.text import count, end_titles, quantity_titles
from reaudio_eval.reports.views import (
    PAIRED_COLUMNS,
    Cell,
    Column,
    Notes,
    Row,
    TableView,
    arrow,
    bar,
    grouped,
    metric_decimals,
    paired_cells,
    scale,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.thresholds import ALPHA

STATISTICS = {
    "gap_head_tail": "",  # named by the strata
    "slope": "slope per tenfold training clips",
    "ratio_tail_head": "",
    "spearman": "Spearman ρ",
    "worst_10pct": "worst tenth of classes",
    "macro": "mean over classes",
    "micro": "mean over clips",
    "frequency_weighted": "weighted by frequency",
    "macro_without_ubiquitous": "classes without the ubiquitous",
}
UNITLESS = ("ratio_tail_head", "spearman")
TRENDS = ("gap_head_tail", "slope")


def statistic_titles(analysis: LongtailAnalysis) -> dict[str, str]:
    """Name -> title of every statistic of the trend."""
    common, rare = end_titles(analysis.strata)
    return STATISTICS | {"gap_head_tail": f"{common} minus {rare}", "ratio_tail_head": f"{rare} / {common}"}


def trend_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Gap and slope of every system, drawn in the cell; None where the metric has no class scores."""
    return _statistics(analysis, metric, TRENDS, f"gap-{metric.name}", "Decline of the score towards rare classes")


def summary_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """The other summaries over classes: ratio, rank correlation, averages under other weights."""
    present = set(analysis.trend["statistic"])
    others = tuple(s for s in STATISTICS if s not in TRENDS and s in present)
    return _statistics(analysis, metric, others, f"summaries-{metric.name}", "Other summaries over classes")


def _statistics(
    analysis: LongtailAnalysis, metric: MetricInfo, statistics: tuple[str, ...], name: str, caption: str
) -> TableView | None:
    row_of = lookup(analysis.trend[analysis.trend["metric"] == metric.name], "system", "statistic")
    if not any(math.isfinite(r.value) and r.statistic in statistics for r in row_of.values()):
        return None
    columns_of = {s: [row_of.get((system.name, s)) for system in analysis.systems] for s in statistics}
    in_unit = metric_decimals(analysis, metric)
    digits = {s: 2 if s in UNITLESS else in_unit + (s == "slope") for s in statistics}
    limits = {
        s: scale(v for r in rows if r is not None for v in (r.value, r.ci_low, r.ci_high)) for s, rows in columns_of.items()
    }
    notes, table = Notes(), []
    for i, system in enumerate(analysis.systems):
        cells = []
        for s in statistics:
            row = columns_of[s][i]
            drawn = bar(row.value, row.ci_low, row.ci_high, limits[s]) if row is not None and s in TRENDS else None
            cells.append(notes.value(row, digits[s], bar=drawn))
        table.append(Row(system.name, tuple(cells), system=i))
    titles = statistic_titles(analysis)
    columns = (Column("system"), *(Column(titles[s]) for s in statistics))
    return TableView(
        name,
        f"{caption}: {metric.title} {arrow(metric)}, with 95% intervals",
        columns,
        grouped(analysis.systems, table),
        tuple(notes.reasons),
    )


def paired_tables(analysis: LongtailAnalysis, metric: MetricInfo) -> list[TableView]:
    """For each quantity the differences on the same prompts between generated systems, then with the real audio."""
    rows = analysis.paired[analysis.paired["metric"] == metric.name]
    return [
        _paired_table(analysis, metric, quantity, list(records(rows[rows["quantity"] == quantity])))
        for quantity in dict.fromkeys(rows["quantity"])
    ]


def _paired_table(analysis: LongtailAnalysis, metric: MetricInfo, quantity: str, rows: list[Any]) -> TableView:
    digits = metric_decimals(analysis, metric) + (quantity == "slope")
    limits = scale(v for r in rows for v in (r.difference, r.ci_low, r.ci_high))
    competitors = set(competing(analysis.systems))
    pairs = [r for r in rows if {r.system_a, r.system_b} <= competitors]
    others = [r for r in rows if not {r.system_a, r.system_b} <= competitors]
    notes = Notes()
    groups = tuple(
        tuple(Row(f"{r.system_a} − {r.system_b}", paired_cells(r, digits, limits, notes, _size(r))) for r in group)
        for group in (pairs, others)
        if group
    )
    what = quantity_titles(analysis.strata)[quantity]
    separated = sum(r.p_holm < ALPHA for r in pairs)
    return TableView(
        f"paired-{metric.name}-{quantity}",
        f"Paired differences in {metric.title} {arrow(metric)}: {what}",
        PAIRED_COLUMNS,
        groups,
        tuple(notes.reasons),
        summary=f"{what[0].upper()}{what[1:]}: {separated} of {count(len(pairs), 'pair')} of systems significantly different",
    )


def has_difference(view: TableView) -> bool:
    """Whether a table of paired differences has a number beside those of clips."""
    return any(row.cells[0].numbers is not None for group in view.groups for row in group)


def _size(row: Any) -> Cell:
    classes = count(row.n_classes, "class", "classes") if math.isfinite(row.n_classes) else ""
    return Cell(f"{row.n_clips:,.0f}", detail=classes)
