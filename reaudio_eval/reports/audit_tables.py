"""Tables of the audit of files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reaudio_eval.reports.views import Cell, Column, Row, TableView
from reaudio_eval.statistics.analysis import LongtailAnalysis


def odd_clips(analysis: LongtailAnalysis) -> list[tuple[str, str, str]]:
    """(system, clip id, anomaly) for every clip that the audit lists."""
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
    """For each system everything the audit counts; None unless every entry is a summary."""
    summaries = {name: s for name, s in analysis.audit.items() if isinstance(s, Mapping)}
    if not summaries or len(summaries) < len(analysis.audit):
        return None
    keys = [k for k in dict.fromkeys(k for s in summaries.values() for k in s) if k != "clips"]
    rows = tuple(Row(name, tuple(Cell(_flat(s.get(k))) for k in keys)) for name, s in summaries.items())
    columns = (Column("system"), *(Column(k.removeprefix("n_").replace("_", " ")) for k in keys))
    return TableView("audit", "Audit of the files", columns, (rows,))


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items()) or "–"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_flat, value)) or "–"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
