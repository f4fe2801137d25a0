"""Tables that several reports show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.text import WITH_INTERVALS, count, listing, number
from reaudio_eval.reports.views import (
    Cell,
    Column,
    Notes,
    Row,
    TableView,
    arrow,
    fifth,
    fifths,
    grouped,
    metric_decimals,
    metric_notes,
    primary_first,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.separation import overall_separation
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES, MIN_CLIPS

MARKS = (
    f"Marks are from paired tests (Holm-corrected p < {ALPHA}). Bold: significantly better than every other system. ≈: not "
    "significantly different from the best value of its column, while others are. No mark in a column: no significant difference."
)
DAGGER = "†"
SAME_MODEL = f"{DAGGER} The scoring model is the retrieval model of a system here (see the alerts)."
PAIRED = (
    "First system minus second, on the same prompts. Bold: significantly different (Holm-corrected p < 0.05). Detectable: the "
    "smallest difference that the test detects with a power of 0.8."
)
THIN = f"Grey: fewer than {MIN_CLASSES} classes or {MIN_CLIPS} clips."


def _system_columns(analysis: LongtailAnalysis) -> tuple[Column, ...]:
    return tuple(Column(s.name, system=i) for i, s in enumerate(analysis.systems))


def main_table(analysis: LongtailAnalysis) -> TableView:
    """Systems by metrics over all clips. Distances stand beside their floor in :func:`reaudio_eval.reports.set_tables.floor_table`."""
    metrics = primary_first(analysis)
    row_of = lookup(analysis.overall, "system", "metric")
    digits = {m.name: metric_decimals(analysis, m) for m in metrics}
    separation = {m.name: overall_separation(analysis, m) for m in metrics}
    same_size = len({s.n_clips for s in analysis.systems}) == 1
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        cells = tuple(
            _overall_cell(
                row_of.get((system.name, m.name)),
                digits[m.name],
                separation[m.name].mark(system.name),
                notes,
                len(analysis.prompts),
            )
            for m in metrics
        )
        rows.append(Row(system.name, cells, system=i, detail="" if same_size else count(system.n_clips, "clip")))
    clips = count(analysis.systems[0].n_clips, "clip") if same_size else "clips"
    circular = {m.name for m in metrics if retrievers(analysis, m.embedder)}
    columns = (
        Column("system"),
        *(
            Column(m.title, " ".join(filter(None, [m.unit, DAGGER if m.name in circular else ""])), arrow(m))
            for m in metrics
        ),
    )
    marks = MARKS if len(competing(analysis.systems)) > 1 else ""
    return TableView(
        "main",
        f"Every metric over all {clips}{WITH_INTERVALS}",
        columns,
        grouped(analysis.systems, rows),
        tuple(notes.reasons),
        (marks, SAME_MODEL if circular else "", methods(analysis.overall)),
        number_caveats(analysis, metrics),
    )


def retrievers(analysis: LongtailAnalysis, embedder: str) -> list[str]:
    """Systems that retrieve with the network of this embedder."""
    return [s.name for s in analysis.systems if s.retrieval is not None and embedder in s.retrieval.judges]


def number_caveats(analysis: LongtailAnalysis, metrics: Sequence[MetricInfo]) -> tuple[str, ...]:
    """What a reader of these metrics' numbers needs to know."""
    return (*metric_notes(metrics), compared_with(analysis) if any(m.role == "copying" for m in metrics) else "")


def compared_with(analysis: LongtailAnalysis) -> str:
    """What the copying of systems that retrieve nothing is measured against, a sentence; "" where every system retrieves."""
    others = [s.name for s in analysis.systems if analysis.copying.neighbours_of.get(s.name, s.name) != s.name]
    if not others:
        return ""
    verb, by = (
        "retrieves" if len(others) == 1 else "retrieve",
        sorted({analysis.copying.neighbours_of[name] for name in others}),
    )
    return (
        f"Copying of {listing(others)}, which {verb} nothing, is measured against the clips retrieved by {listing(by)}; beside other "
        "systems these may be others."
    )


def _better(metric: MetricInfo) -> str:
    if metric.target is not None:
        return f"near {metric.target:g}"
    return metric.better


def _overall_cell(row: Any, digits: int, mark: str, notes: Notes, n_clips: int) -> Cell:
    """A value over all clips; the number of clips that have one where not all ``n_clips`` do."""
    if row is None:
        return notes.undefined(None)
    fewer = count(row.n_clips, "clip") if math.isfinite(row.value) and row.n_clips != n_clips else ""
    return notes.value(row, digits, detail=fewer, mark=mark)


def methods(frame: pd.DataFrame) -> str:
    """The methods behind the intervals of a frame."""
    names = [name for name in dict.fromkeys(frame["ci_method"].dropna()) if name not in ("", "none")]
    return f"95% intervals: {'; '.join(names)}." if names else ""


def class_table(analysis: LongtailAnalysis, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> TableView | None:
    """Classes by systems, most frequent first; ``listen`` maps a label to the prompts with players that carry it."""
    frame = analysis.per_class[analysis.per_class["metric"] == metric.name]
    if frame.empty:
        return None
    row_of = lookup(frame, "system", "label")
    digits, cuts = (
        metric_decimals(analysis, metric),
        fifths([] if metric.neutral else list(frame["value"]), metric.higher_is_better),
    )
    counts = frame.groupby("label")["n_clips"].max()
    place, titles = list(analysis.metrics).index(metric), stratum_titles(analysis.strata)
    notes, rows = Notes(), []
    for position, label in enumerate(records(analysis.labels)):
        if label.label not in counts.index:
            continue
        values = [row_of.get((s.name, label.label)) for s in analysis.systems]
        cells = [
            Cell(f"{label.n_train:,.0f}"),
            Cell(titles[label.stratum], css="text"),
            Cell(f"{int(counts[label.label]):,}"),
        ]
        cells += [
            Cell(number(r.value, digits), css=fifth(r.value, cuts, metric.higher_is_better))
            if r is not None and math.isfinite(r.value)
            else notes.undefined("No clip of this class has a value." if r is not None else None)
            for r in values
        ]
        row = Row(label.name, tuple(cells), anchor=f"c-{place}-{position}", clips=listen.get(label.label, ()))
        rows.append((label.n_train, row))
    ordered = tuple(row for _, row in sorted(rows, key=lambda pair: -pair[0]))
    columns = (Column("class"), Column("train"), Column("stratum", text=True), Column("test"), *_system_columns(analysis))
    missing = len(analysis.labels) - len(ordered)
    remarks = (f"Shading: fifths of all values of the table, deeper is better. {missing} classes have no test clip.",)
    return TableView(
        f"classes-{metric.name}",
        f"{metric.title} {arrow(metric)} of every class",
        columns,
        (ordered,),
        tuple(notes.reasons),
        remarks,
    )


def bins_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Class means in bins of the training count, common to rare: the figure as numbers."""
    frame = analysis.bins[analysis.bins["metric"] == metric.name]
    if frame.empty:
        return None
    row_of, digits, notes = lookup(frame, "system", "n_train"), metric_decimals(analysis, metric), Notes()
    rows = []
    for centre in sorted(set(frame["n_train"]), reverse=True):
        each = [row_of.get((s.name, centre)) for s in analysis.systems]
        n = max((r.n_classes for r in each if r is not None), default=0)
        cells = tuple(notes.value(r, digits) for r in each)
        rows.append(Row(f"about {centre:,.0f}", cells, detail=count(n, "class", "classes")))
    columns = (Column("training clips"), *_system_columns(analysis))
    caption = f"{metric.title} {arrow(metric)} in bins of the training count"
    return TableView(f"bins-{metric.name}", caption, columns, (tuple(rows),), tuple(notes.reasons))


def sizes_table(analysis: LongtailAnalysis) -> TableView:
    """How many classes and clips each stratum has."""
    columns = (
        Column("stratum"), Column("training clips", text=True), Column("classes in training"), Column("classes in test"),
        Column("test clips with such a label"), Column("test clips by rarest label"),
    )  # fmt: skip
    stratum_of = {s.name: s for s in analysis.strata}
    rows = tuple(
        Row(
            stratum_of[r.stratum].word or stratum_of[r.stratum].title,
            (Cell(stratum_of[r.stratum].range_text, css="text"), *(Cell(f"{int(n):,}") for n in r[3:7])),
        )
        for r in records(analysis.strata_sizes)
    )
    return TableView("sizes", "Strata by the number of training clips of a class", columns, (rows,))


def metrics_table(analysis: LongtailAnalysis) -> TableView:
    """For each metric what it is computed on, its scoring model and checkpoint, and its source."""
    columns = (
        Column("metric"),
        *(Column(t, text=True) for t in ("name", "a value per", "better", "scoring model", "checkpoint", "source")),
    )
    rows = tuple(
        Row(m.title, tuple(Cell(text, css="text") for text in (
            m.name, {"clip": "clip", "label": "clip and label", "set": "set of clips"}[m.level],
            _better(m), m.embedder, m.embedder_sha256[:12], m.source,
        )))
        for m in analysis.metrics
    )  # fmt: skip
    return TableView("metrics", "Metrics", columns, (rows,), caveats=metric_notes(analysis.metrics))
