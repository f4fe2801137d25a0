"""Sentences and tables on leakage and copying."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.shared_tables import compared_with, methods
from reaudio_eval.reports.text import count, listing, number
from reaudio_eval.reports.views import Cell, Column, Notes, Row, TableView, arrow, grouped, metric_decimals, primary_first
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

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
    """``nearest neighbour`` or ``nearest 3 neighbours``."""
    return "nearest neighbour" if k == 1 else f"nearest {k:,} neighbours"


def leak_sentences(analysis: LongtailAnalysis) -> list[str]:
    """How many prompts have their target among the neighbours, and of which kind."""
    systems = _retrieving(analysis)
    if not systems:
        return ["No system of this report declares retrieval, so leakage and copying do not apply."]
    row_of = lookup(analysis.copying.leaks, "system", "kind")
    clean = [s.name for s in systems if row_of[s.name, "any"].n == 0]
    sentences = []
    for s in systems:
        row = row_of[s.name, "any"]
        assert s.retrieval is not None
        if row.n:
            sentences.append(
                f"The {nearest_words(s.retrieval.k)} of {s.name} contained the target clip, its recording or its caption for "
                f"{count(row.n, 'prompt')} of {row.n_prompts:,.0f} ({row.share:.1%})."
            )
    if clean:
        sentences.append(
            f"No leakage for {listing(clean)}: no prompt has its target clip, the recording of that clip or an identical caption among "
            "the neighbours that were used."
        )
    if not any(p.source_id for p in analysis.prompts):
        sentences.append(
            "The dataset does not name the recordings of its clips, so neighbours from the same recording could not be searched for."
        )
    return sentences


def leak_tables(analysis: LongtailAnalysis) -> list[TableView]:
    """Leakage of each system, and scores on affected and clean prompts where any leaked."""
    if analysis.copying.leaks.empty:
        return []
    row_of = lookup(analysis.copying.leaks, "system", "kind")
    rows = []
    for i, system in enumerate(analysis.systems):
        if system.retrieval is not None:
            counts = [row_of[system.name, kind] for kind in KINDS]
            cells = tuple(Cell(f"{r.n:,.0f}", detail=f"{r.share:.1%}" if math.isfinite(r.share) else "") for r in counts)
            rows.append(Row(system.name, (Cell(str(system.retrieval.k)), *cells), system=i, detail=_rule(system)))
    columns = (Column("system"), Column("neighbours used"), *(Column(title) for title in KINDS.values()))
    n = count(row_of[rows[0].head, "any"].n_prompts, "prompt")
    caption = f"Of {n}, those whose neighbours contain the target clip, its recording or its caption"
    views = [TableView("leaks", caption, columns, (tuple(rows),))]
    scores = _leak_scores(analysis)
    return views if scores is None else [*views, scores]


def _rule(system: SystemInfo) -> str:
    """Pool, key and exclusions of the system's retrieval."""
    assert system.retrieval is not None
    about = system.retrieval.about
    exclude = about.get("exclude")
    excluded = (
        [str(k).strip("_").replace("_", " ") for k, v in exclude.items() if v not in (False, None)]
        if isinstance(exclude, Mapping)
        else []
    )
    parts = [f"pool {about['pool']}" if about.get("pool") else "", f"key {about['key']}" if about.get("key") else ""]
    if isinstance(exclude, Mapping):
        parts.append(f"excluded: {listing(excluded)}" if excluded else "nothing excluded")
    return ", ".join(filter(None, parts))


def _leak_scores(analysis: LongtailAnalysis) -> TableView | None:
    frame = analysis.copying.leak_scores
    if frame.empty:
        return None
    row_of = lookup(frame, "system", "minus", "group", "metric")
    metrics = [m for m in primary_first(analysis) if m.name in set(frame["metric"])]
    notes, groups = Notes(), []
    for i, system in enumerate(analysis.systems):
        pairs = dict.fromkeys((r.minus, r.group) for r in records(frame[frame["system"] == system.name]))
        for minus in dict.fromkeys(minus for minus, _ in pairs):
            rows = []
            for group in ("affected", "clean"):
                values = [row_of.get((system.name, minus, group, m.name)) for m in metrics]
                n = max((r.n_clips for r in values if r is not None), default=0)
                cells = tuple(notes.value(r, metric_decimals(analysis, m)) for r, m in zip(values, metrics, strict=True))
                head = f"minus {minus}" if minus else system.name
                rows.append(Row(head, cells, system=i, detail=f"{group}, {count(n, 'clip')}"))
            groups.append(tuple(rows))
    columns = (Column("system"), *(Column(m.title, m.unit, arrow(m)) for m in metrics))
    remarks = (
        "Affected: prompts whose neighbours contain the target clip, its recording or its caption. Minus: the difference from a system "
        "without retrieval, on the same prompts; a gain that comes from leakage is larger on the affected prompts.",
        methods(frame),
    )
    return TableView(
        "leak-scores", "Scores on affected and on clean prompts", columns, tuple(groups), tuple(notes.reasons), remarks
    )


def copying_metrics(analysis: LongtailAnalysis) -> list[MetricInfo]:
    """The metrics of copying that have values, one for each embedder."""
    embedders = set(analysis.copying.copies["embedder"]) if len(analysis.copying.copies) else set()
    return [m for m in analysis.metrics if m.role == "copying" and m.embedder in embedders]


def copy_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView:
    """Systems by their similarity to the retrieved clips, by one embedder."""
    frame = analysis.copying.summary[analysis.copying.summary["embedder"] == metric.embedder]
    row_of = lookup(frame, "system", "quantity")
    reasons = lookup(analysis.overall[analysis.overall["metric"] == metric.name], "system")
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        retriever = analysis.copying.neighbours_of.get(system.name, "")
        values = [row_of.get((system.name, quantity)) for quantity in ("similarity", "real_similarity", "excess")]
        reason = getattr(reasons.get(system.name), "reason", None)
        cells = [notes.value(row, DIGITS) if row is not None else notes.undefined(reason) for row in values]
        cells.append(
            notes.undefined(reason)
            if values[0] is None
            else _proportion(row_of.get((system.name, "near_copies")), row_of.get((system.name, "limit")), notes)
        )
        detail = f"compared with clips retrieved by {retriever}" if retriever and retriever != system.name else ""
        rows.append(Row(system.name, tuple(cells), system=i, detail=detail))
    columns = (
        Column("system"), Column("generated clip", "mean cosine"), Column("real clip", "same neighbours"),
        Column("excess", "first minus second", arrow(metric)), Column("near copies", "proportion of clips"),
    )  # fmt: skip
    near = "Near copies: clips more similar to a neighbour than 99% of the real clips are to the same neighbours."
    by = metric.title.partition("(")[2].rstrip(")") or metric.embedder
    return TableView(
        f"copying-{metric.embedder}", f"Similarity to the retrieved clips by {by}, with 95% intervals", columns,
        grouped(analysis.systems, rows), tuple(notes.reasons), (near, methods(frame)), (compared_with(analysis),),
    )  # fmt: skip


def _proportion(row: Any, limit: Any, notes: Notes) -> Cell:
    """A proportion of clips in per cent, with its interval and the cosine above which a clip is counted."""
    if row is None or not math.isfinite(row.value):
        return notes.undefined(getattr(row, "reason", None))
    return Cell(
        f"{row.value:.1%}",
        interval=f"[{row.ci_low:.1%},\N{NO-BREAK SPACE}{row.ci_high:.1%}]",
        detail=f"above {number(limit.value, DIGITS)}",
    )
