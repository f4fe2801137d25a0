"""Short sentences and lists: what a figure shows (its accessible title), the shape of the tail, what the audit found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reaudio_eval.reports.text import count, decimals, interval, listing, number
from reaudio_eval.reports.views import Cell, Column, Row, TableView, metric_decimals, records
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

SHAPES = {
    "gini": "Gini coefficient of the training counts",
    "imbalance_ratio": "most against least frequent class",
    "n_classes_train": "classes with training clips",
    "n_classes_test": "classes with test clips",
}


def histogram(analysis: LongtailAnalysis) -> str:
    """What the label histogram shows."""
    sizes = [f"{row.stratum} {count(row.n_classes_train, 'class', 'classes')}" for row in records(analysis.strata_sizes)]
    if analysis.labels.empty or not sizes:
        return "No class has a training count."
    top = max(records(analysis.labels), key=lambda row: row.n_train)
    return (
        f"Training clips per class fall from {count(top.n_train, 'clip')} ({top.name}) over {len(analysis.labels):,} "
        f"classes: {listing(sizes)}."
    )


def frequency(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    """What the score does as classes become more frequent, in each system's slope."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & (analysis.trend["statistic"] == "slope")]
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return f"{metric.title} of every class against its number of training clips."
    digits = metric_decimals(analysis, metric) + 1
    slopes = [f"{r.system} {number(r.value, digits, sign=True)} {interval(r.ci_low, r.ci_high, digits)}".strip()
              for r in records(rows)]  # fmt: skip
    return f"Change of {metric.title} for ten times as many training clips: {listing(slopes)}."


def strata(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    """The range of the generated systems in each stratum."""
    generated = {s.name for s in analysis.systems if s.kind == "generated"}
    rows = analysis.by_stratum[
        (analysis.by_stratum["metric"] == metric.name) & analysis.by_stratum["system"].isin(generated)
    ]
    rows = rows[rows["value"].notna()]
    digits, told = metric_decimals(analysis, metric), []
    for stratum in analysis.strata:
        own = sorted(
            records(rows[rows["stratum"] == stratum.name]), key=lambda r: r.value, reverse=not metric.higher_is_better
        )
        if own:
            worst, best = (f"{r.system} {number(r.value, digits)}" for r in (own[0], own[-1]))
            told.append(f"in {stratum.name} from {worst} to {best}")
    return f"{metric.title} by stratum, from the worst to the best value of a system: {listing(told)}."


def tail_shape(analysis: LongtailAnalysis) -> list[tuple[str, str]]:
    """(what, value) for the numbers that describe the tail."""
    return [
        (SHAPES.get(name, name.replace("_", " ")), number(value, 0 if float(value).is_integer() else decimals([value])))
        for name, value in analysis.tail_shape.items()
        if math.isfinite(value)
    ]


def odd_clips(analysis: LongtailAnalysis) -> list[tuple[str, str, str]]:
    """(system, clip id, what is odd) for every clip that the audit lists."""
    return [
        (system, str(entry.get("clip_id", "")), _oddity(entry))
        for system, summary in analysis.audit.items()
        if isinstance(summary, Mapping)
        for entry in summary.get("clips", ())
        if isinstance(entry, Mapping)
    ]


def _oddity(entry: Mapping[str, Any]) -> str:
    status = str(entry.get("status", "ok"))
    parts = [*entry.get("flags", ()), *([] if status == "ok" else [status])]
    reason = entry.get("reason")
    return ", ".join(map(str, parts)) + (f": {reason}" if reason else "")


def audit_table(analysis: LongtailAnalysis) -> TableView | None:
    """One row a system with everything the audit counts; None unless every entry is a summary."""
    summaries = {name: s for name, s in analysis.audit.items() if isinstance(s, Mapping)}
    if not summaries or len(summaries) < len(analysis.audit):
        return None
    keys = [k for k in dict.fromkeys(k for s in summaries.values() for k in s) if k != "clips"]
    rows = tuple(Row(name, tuple(Cell(_flat(s.get(k))) for k in keys)) for name, s in summaries.items())
    columns = (Column("system"), *(Column(k.removeprefix("n_").replace("_", " ")) for k in keys))
    return TableView("audit", "What was found in the files", columns, (rows,))


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_flat, value)) or "–"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
