"""Short sentences and lists: what a figure shows (its accessible title), the shape of the tail, what the audit found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from reaudio_eval.records import LongtailAnalysis, MetricInfo
from reaudio_eval.render.text import count, decimals, interval, listing, number
from reaudio_eval.render.views import Cell, Column, Row, TableView

SHAPES = {
    "gini": "Gini coefficient of the training counts",
    "imbalance_ratio": "most against least frequent class",
    "effective_number": "effective number of classes",
}


def histogram(analysis: LongtailAnalysis) -> str:
    """What the label histogram shows."""
    sizes = [
        f"{row.stratum} {count(row.n_classes_train, 'class', 'classes')}" for row in analysis.strata_sizes.itertuples(index=False)
    ]
    if analysis.labels.empty or not sizes:
        return "No class has a training count."
    top = analysis.labels.sort_values("n_train", ascending=False, kind="stable").iloc[0]
    return (
        f"Training clips per class fall from {count(top['n_train'], 'clip')} ({top['name']}) over {len(analysis.labels):,} classes: "
        f"{listing(sizes)}."
    )


def frequency(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    """What the score does as classes become more frequent, in each system's slope."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & (analysis.trend["statistic"] == "slope")]
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return f"{metric.title} of every class against its number of training clips."
    digits = decimals(rows["value"])
    slopes = [f"{r.system} {number(r.value, digits, sign=True)} {interval(r.ci_low, r.ci_high, digits)}".strip()
              for r in rows.itertuples(index=False)]  # fmt: skip
    return f"Change of {metric.title} for ten times as many training clips: {listing(slopes)}."


def strata(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    """The best generated system of each stratum by value, with its interval."""
    generated = {s.name for s in analysis.systems if s.kind == "generated"}
    rows = analysis.by_stratum[(analysis.by_stratum["metric"] == metric.name) & analysis.by_stratum["system"].isin(generated)]
    rows = rows[rows["value"].notna()]
    digits, told = decimals(rows["value"]), []
    for stratum in analysis.strata:
        own = rows[rows["stratum"] == stratum.name].sort_values("value", ascending=not metric.higher_is_better, kind="stable")
        if len(own):
            told.append(f"in {stratum.name} from {_entry(own.iloc[-1], digits)} to {_entry(own.iloc[0], digits)}")
    return f"{metric.title} by stratum, from the worst to the best value of a system: {listing(told)}."


def _entry(row: pd.Series, digits: int) -> str:
    return f"{row['system']} {number(row['value'], digits)}"


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
