"""Leakage and copying in words and tables: what neighbours gave away, and how near clips come to what was retrieved."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.reports.shared_tables import methods
from reaudio_eval.reports.text import count, listing, number
from reaudio_eval.reports.views import Cell, Column, Notes, Row, TableView, arrow, grouped, metric_decimals, primary_first
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.frames import lookup, records

KINDS = {
    "target": "the target clip",
    "same_source": "its recording",
    "identical_caption": "the identical caption",
    "any": "any of these",
}
DIGITS = 3


def _retrieving(analysis: LongtailAnalysis) -> list[SystemInfo]:
    return [s for s in analysis.systems if s.retrieval is not None]


def nearest_words(k: int) -> str:
    """``nearest neighbour`` or ``first 3 neighbours``."""
    return "nearest neighbour" if k == 1 else f"first {k:,} neighbours"


def leak_sentences(analysis: LongtailAnalysis) -> list[str]:
    """What the neighbours gave away, in words."""
    systems = _retrieving(analysis)
    if not systems:
        return [
            "No system of this report says that it retrieves, so there is nothing that could have leaked or been copied."
        ]
    found = lookup(analysis.copying.leaks, "system", "kind")
    clean = [s.name for s in systems if found[s.name, "any"].n == 0]
    told = []
    for s in systems:
        row = found[s.name, "any"]
        assert s.retrieval is not None
        if row.n:
            told.append(
                f"The {nearest_words(s.retrieval.k)} of {s.name} gave something of the answer away for "
                f"{count(row.n, 'prompt')} of {row.n_prompts:,.0f} ({row.share:.1%})."
            )
    if clean:
        told.append(
            f"Nothing leaked to {listing(clean)}: no prompt has its target clip, the recording it was cut from or its very caption "
            "among the neighbours that were used."
        )
    unknown = not any(p.source_id for p in analysis.prompts)
    if unknown:
        told.append(
            "The dataset does not say what its clips were cut from, so neighbours of the same recording could not be looked for."
        )
    return told


def leak_tables(analysis: LongtailAnalysis) -> list[TableView]:
    """What leaked to each system, and scores on affected and clean prompts where any leaked."""
    if analysis.copying.leaks.empty:
        return []
    found = lookup(analysis.copying.leaks, "system", "kind")
    rows = []
    for i, system in enumerate(analysis.systems):
        if system.retrieval is not None:
            own = [found[system.name, kind] for kind in KINDS]
            cells = tuple(Cell(f"{r.n:,.0f}", detail=f"{r.share:.1%}" if math.isfinite(r.share) else "") for r in own)
            rows.append(Row(system.name, (Cell(str(system.retrieval.k)), *cells), system=i, detail=_rule(system)))
    columns = (Column("system"), Column("neighbours used"), *(Column(title) for title in KINDS.values()))
    n = count(found[rows[0].head, "any"].n_prompts, "prompt")
    caption = f"Of {n}, those whose neighbours hold something of the answer"
    views = [TableView("leaks", caption, columns, (tuple(rows),))]
    scores = _leak_scores(analysis)
    return views if scores is None else [*views, scores]


def _rule(system: SystemInfo) -> str:
    """How the system asked, in a few words."""
    assert system.retrieval is not None
    about = system.retrieval.about
    exclude = about.get("exclude")
    barred = (
        [str(k).strip("_").replace("_", " ") for k, v in exclude.items() if v not in (False, None)]
        if isinstance(exclude, Mapping)
        else []
    )
    parts = [f"pool {about['pool']}" if about.get("pool") else "", f"key {about['key']}" if about.get("key") else ""]
    if isinstance(exclude, Mapping):
        parts.append(f"never {listing(barred, 'or')}" if barred else "nothing excluded")
    return ", ".join(filter(None, parts))


def _leak_scores(analysis: LongtailAnalysis) -> TableView | None:
    frame = analysis.copying.leak_scores
    if frame.empty:
        return None
    found = lookup(frame, "system", "minus", "group", "metric")
    metrics = [m for m in primary_first(analysis) if m.name in set(frame["metric"])]
    notes, groups = Notes(), []
    for i, system in enumerate(analysis.systems):
        pairs = dict.fromkeys((r.minus, r.group) for r in records(frame[frame["system"] == system.name]))
        for minus in dict.fromkeys(minus for minus, _ in pairs):
            rows = []
            for group in ("affected", "clean"):
                own = [found.get((system.name, minus, group, m.name)) for m in metrics]
                n = max((r.n_clips for r in own if r is not None), default=0)
                cells = tuple(notes.value(r, metric_decimals(analysis, m)) for r, m in zip(own, metrics, strict=True))
                head = f"minus {minus}" if minus else system.name
                rows.append(Row(head, cells, system=i, detail=f"{group}, {count(n, 'clip')}"))
            groups.append(tuple(rows))
    columns = (Column("system"), *(Column(m.title, m.unit, arrow(m)) for m in metrics))
    remarks = (
        "Affected: prompts whose neighbours hold something of the answer. Minus: the difference to a system that retrieves nothing, on "
        "the same prompts; a system that wins by what leaked leads by more on the affected ones.",
        methods(frame),
    )
    return TableView(
        "leak-scores", "Scores on affected and on clean prompts", columns, tuple(groups), tuple(notes.reasons), remarks
    )


def copying_metrics(analysis: LongtailAnalysis) -> list[MetricInfo]:
    """The metrics of copying that have values, one for each embedder."""
    embedders = set(analysis.copying.copies["embedder"]) if len(analysis.copying.copies) else set()
    return [m for m in analysis.metrics if m.role == "copying" and m.embedder in embedders]


def copy_tables(analysis: LongtailAnalysis) -> list[TableView]:
    """Systems by how near they come to what was retrieved, a table for each embedder."""
    return [_copy_table(analysis, metric) for metric in copying_metrics(analysis)]


def _copy_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView:
    frame = analysis.copying.summary[analysis.copying.summary["embedder"] == metric.embedder]
    found = lookup(frame, "system", "quantity")
    reasons = lookup(analysis.overall[analysis.overall["metric"] == metric.name], "system")
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        of = analysis.copying.neighbours_of.get(system.name, "")
        own = [found.get((system.name, quantity)) for quantity in ("similarity", "real_similarity", "excess")]
        why = getattr(reasons.get(system.name), "reason", None)
        cells = [notes.value(row, DIGITS) if row is not None else notes.undefined(why) for row in own]
        cells.append(
            notes.undefined(why)
            if own[0] is None
            else _share(found.get((system.name, "near_copies")), found.get((system.name, "limit")), notes)
        )
        detail = f"compared with what {of} retrieved" if of and of != system.name else ""
        rows.append(Row(system.name, tuple(cells), system=i, detail=detail))
    columns = (
        Column("system"), Column("nearest neighbour", "mean cosine"), Column("real clip", "with the same neighbours"),
        Column("excess", "the first less the second", arrow(metric)), Column("near copies", "share of clips"),
    )  # fmt: skip
    near = "Near copies: clips nearer to a neighbour than 99% of the real clips are to the same neighbours."
    by = metric.title.partition("(")[2].rstrip(")") or metric.embedder
    return TableView(
        f"copying-{metric.embedder}", f"Nearness to what was retrieved, heard by {by}, with 95% intervals", columns,
        grouped(analysis, rows), tuple(notes.reasons), (near, methods(frame)),
    )  # fmt: skip


def _share(row: Any, limit: Any, notes: Notes) -> Cell:
    """A share of clips in per cent, with its interval and the cosine above which clips count."""
    if row is None or not math.isfinite(row.value):
        return notes.undefined(getattr(row, "reason", None))
    return Cell(
        f"{row.value:.1%}",
        interval=f"[{row.ci_low:.1%},\N{NO-BREAK SPACE}{row.ci_high:.1%}]",
        detail=f"above {number(limit.value, DIGITS)}",
    )
