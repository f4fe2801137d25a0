"""Tables that several reports show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from reaudio_eval.clips.roles import competing
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.text import count, number
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
    primary_first,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.separation import Separation, overall_separation, separate
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES, MIN_CLIPS

MARKS = (
    f"Marks are from paired tests (Holm-corrected p < {ALPHA}). Bold: significantly better than every other system. ≈: not "
    "significantly different from the best value of its column, while others are. No mark in a column: no significant difference."
)
HALVES = (
    "Set metrics depend on the number of clips. Half: generated clips of one half against real clips of the other half, to be "
    "compared with the floor, one half of the real audio against the other."
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
    """Systems by metrics over all clips, with the real-against-real floor as last row."""
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
    groups = grouped(analysis.systems, rows)
    floor = _floor_row(metrics, row_of, digits)
    clips = count(analysis.systems[0].n_clips, "clip") if same_size else "clips"
    circular = {m.name for m in metrics if retrievers(analysis, m.embedder)}
    columns = (
        Column("system"),
        *(
            Column(m.title, " ".join(filter(None, [m.unit, DAGGER if m.name in circular else ""])), arrow(m))
            for m in metrics
        ),
    )
    marks, halves = MARKS if len(competing(analysis.systems)) > 1 else "", HALVES if floor else ""
    return TableView(
        "main",
        f"Every metric over all {clips}, with 95% intervals",
        columns,
        (*groups, (floor,)) if floor else groups,
        tuple(notes.reasons),
        (marks, halves, SAME_MODEL if circular else "", methods(analysis.overall)),
    )


def retrievers(analysis: LongtailAnalysis, embedder: str) -> list[str]:
    """Systems that retrieve with the network of this embedder."""
    return [s.name for s in analysis.systems if s.retrieval is not None and embedder in s.retrieval.judges]


def _better(metric: MetricInfo) -> str:
    if metric.target is not None:
        return f"near {metric.target:g}"
    return "higher" if metric.higher_is_better else "lower"


def _overall_cell(row: Any, digits: int, mark: str, notes: Notes, n_clips: int) -> Cell:
    """A value over all clips; the number of clips that have one where not all ``n_clips`` do."""
    if row is None:
        return notes.undefined(None)
    matched = f"half {number(row.matched, digits)}" if math.isfinite(row.matched) else ""
    fewer = count(row.n_clips, "clip") if math.isfinite(row.value) and row.n_clips != n_clips else ""
    return notes.value(row, digits, detail=", ".join(filter(None, [fewer, matched])), mark=mark)


def _floor_row(metrics: Sequence[MetricInfo], row_of: Mapping[Any, Any], digits: Mapping[str, int]) -> Row | None:
    """The distance of real audio from other real audio: a system below it is not different from real."""
    cells = []
    for metric in metrics:
        row = next((r for r in row_of.values() if r.metric == metric.name and math.isfinite(r.floor)), None)
        cells.append(
            Cell("") if row is None else Cell(number(row.floor, digits[metric.name]), detail=f"{row.floor_n:.0f} clips each")
        )
    return Row("real half against half", tuple(cells), detail="floor of set metrics") if any(c.text for c in cells) else None


def methods(frame: pd.DataFrame) -> str:
    """The methods behind the intervals of a frame."""
    names = [name for name in dict.fromkeys(frame["ci_method"].dropna()) if name not in ("", "none")]
    return f"95% intervals: {'; '.join(names)}." if names else ""


def strata_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView:
    """Systems by strata: macro over classes, or for set metrics the clips of the stratum with their floor."""
    rows_of = analysis.by_stratum[analysis.by_stratum["metric"] == metric.name]
    row_of = lookup(rows_of, "system", "stratum")
    digits = metric_decimals(analysis, metric)
    sizes = {s.name: _common_size(analysis, metric, s.name, row_of) for s in analysis.strata}
    notes, rows = Notes(), []
    separation = {s.name: _stratum_separation(analysis, metric, s.name, row_of) for s in analysis.strata}
    for i, system in enumerate(analysis.systems):
        cells = []
        for stratum in analysis.strata:
            row = row_of.get((system.name, stratum.name))
            detail = _detail(row, metric, digits, sizes[stratum.name])
            mark = separation[stratum.name].mark(system.name)
            cells.append(notes.value(row, digits, detail=detail, mark=mark, css=_thin(row, metric)))
        rows.append(Row(system.name, tuple(cells), system=i))
    columns = (
        Column("system"),
        *(Column(s.name, sizes[s.name] or f"{s.range_text} training clips") for s in analysis.strata),
    )
    how = "clips by their rarest label" if metric.level == "set" else "mean over classes"
    return TableView(
        f"strata-{metric.name}", f"{metric.title} {arrow(metric)} by stratum ({how}), with 95% intervals", columns,
        grouped(analysis.systems, rows), tuple(notes.reasons), (THIN, methods(rows_of)),
    )  # fmt: skip


def _stratum_separation(
    analysis: LongtailAnalysis, metric: MetricInfo, stratum: str, row_of: Mapping[Any, Any]
) -> Separation:
    values = {s: row_of[s, stratum].value for s in competing(analysis.systems) if (s, stratum) in row_of}
    return separate(values, analysis.paired, metric, stratum)


def _thin(row: Any, metric: MetricInfo) -> str:
    if row is None:
        return ""
    few_classes = metric.level != "set" and row.n_classes < MIN_CLASSES
    return "thin" if few_classes or row.n_clips < MIN_CLIPS else ""


def _size(row: Any, metric: MetricInfo) -> str:
    clips = count(row.n_clips, "clip")
    return clips if metric.level == "set" else f"{count(row.n_classes, 'class', 'classes')}, {clips}"


def _common_size(analysis: LongtailAnalysis, metric: MetricInfo, stratum: str, row_of: Mapping[Any, Any]) -> str:
    """The size of a stratum if it is the same for every system that has a value there, else ""."""
    rows = [row_of[s.name, stratum] for s in analysis.systems if (s.name, stratum) in row_of]
    sizes = {_size(row, metric) for row in rows if math.isfinite(row.value)}
    return sizes.pop() if len(sizes) == 1 else ""


def _detail(row: Any, metric: MetricInfo, digits: int, common_size: str) -> str:
    if row is None:
        return ""
    floor = f"floor {number(row.floor, digits)}" if math.isfinite(row.floor) else ""
    return ", ".join(filter(None, ["" if common_size else _size(row, metric), floor]))


def normalised_table(analysis: LongtailAnalysis, metric: MetricInfo) -> TableView | None:
    """Strata on a scale from noise (0) to real audio (1), or None where that scale does not exist."""
    row_of = lookup(analysis.by_stratum[analysis.by_stratum["metric"] == metric.name], "system", "stratum")
    if not any(math.isfinite(r.normalised) for r in row_of.values()):
        return None
    notes, rows = Notes(), []
    for i, system in enumerate(analysis.systems):
        if system.kind != "generated":
            continue
        values = [row_of.get((system.name, s.name)) for s in analysis.strata]
        cells = tuple(
            Cell(number(r.normalised, 2), css=_thin(r, metric))
            if r is not None and math.isfinite(r.normalised)
            else notes.undefined("Noise and real audio do not both have a value here, or they agree.")
            for r in values
        )
        rows.append(Row(system.name, cells, system=i))
    columns = (Column("system"), *(Column(s.name) for s in analysis.strata))
    caption = f"{metric.title} between noise (0) and real audio (1)"
    return TableView(f"normalised-{metric.name}", caption, columns, (tuple(rows),), tuple(notes.reasons), (THIN,))


def class_table(analysis: LongtailAnalysis, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> TableView | None:
    """Classes by systems, most frequent first; ``listen`` maps a label to the prompts with players that carry it."""
    frame = analysis.per_class[analysis.per_class["metric"] == metric.name]
    if frame.empty:
        return None
    row_of = lookup(frame, "system", "label")
    digits, cuts = metric_decimals(analysis, metric), fifths(list(frame["value"]), metric.higher_is_better)
    counts = frame.groupby("label")["n_clips"].max()
    place = list(analysis.metrics).index(metric)
    notes, rows = Notes(), []
    for position, label in enumerate(records(analysis.labels)):
        if label.label not in counts.index:
            continue
        values = [row_of.get((s.name, label.label)) for s in analysis.systems]
        cells = [Cell(f"{label.n_train:,.0f}"), Cell(str(label.stratum), css="text"), Cell(f"{int(counts[label.label]):,}")]
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
    """Class means in bins of the training count: the figure as numbers."""
    frame = analysis.bins[analysis.bins["metric"] == metric.name]
    if frame.empty:
        return None
    row_of, digits, notes = lookup(frame, "system", "n_train"), metric_decimals(analysis, metric), Notes()
    rows = []
    for centre in sorted(set(frame["n_train"])):
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
    ranges = {s.name: s.range_text for s in analysis.strata}
    rows = tuple(
        Row(r.stratum, (Cell(ranges.get(r.stratum, ""), css="text"), *(Cell(f"{int(n):,}") for n in r[3:7])))
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
    return TableView("metrics", "Metrics", columns, (rows,))
