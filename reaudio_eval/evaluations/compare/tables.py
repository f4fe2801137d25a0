"""Tables of the comparison page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.text import count, interval, number, p_value, quantity_titles
from reaudio_eval.reports.views import (
    Cell,
    Column,
    Notes,
    Row,
    TableView,
    arrow,
    difference_cell,
    grouped,
    metric_decimals,
)
from reaudio_eval.runs.published import METRICS
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.thresholds import ALPHA

HOLM = (
    f"Bold: significantly different (paired test, p < {ALPHA} after Holm's correction over the compared systems and all columns; for the "
    "real audio, a reference, over the columns only). Shaded: a significant gain or loss."
)
CLASS_REMARK = (
    "Each number is the mean difference over the clips of the class. Shaded: the 95% interval excludes zero. Intervals are not corrected "
    "for the number of classes, so about one class in twenty is shaded by chance; classes with fewer than 5 clips have no interval."
)
PUBLISHED_CAPTION = "As published: not measured here, with other clips and protocols"
PUBLISHED_REMARK = (
    "Copied as printed; not ranked, not marked and not compared with the measured numbers. The scores of one system differ between "
    "sources by more than most systems differ, because lists of clips, captions, networks and resampling differ."
)
SHORT_HASH = 10


def position(comparison: Comparison, system: str) -> int:
    """Position of a system in the analysis, which gives its colour and marker."""
    return next(i for i, s in enumerate(comparison.analysis.systems) if s.name == system)


def gain(metric: MetricInfo, difference: float) -> float:
    """The difference with the sign that makes positive better."""
    return difference if metric.higher_is_better else -difference


def differences_table(comparison: Comparison, metric: MetricInfo) -> TableView | None:
    """Systems by quantities: all clips, each stratum, head-tail gap and slope; None where nothing could be compared."""
    row_of = lookup(comparison.strata[comparison.strata["metric"] == metric.name], "system", "quantity")
    quantities = list(dict.fromkeys(quantity for _, quantity in row_of))
    if not quantities:
        return None
    analysis, notes = comparison.analysis, Notes()
    shown = {*comparison.compared, *(s.name for s in analysis.systems if s.kind == "real")} - {comparison.baseline}
    digits, rows = metric_decimals(analysis, metric), []
    for i, system in enumerate(analysis.systems):
        if system.name not in shown:
            continue
        cells = []
        for quantity in quantities:
            row = row_of.get((system.name, quantity))
            if row is None:
                cells.append(notes.undefined("Not compared: one of the two has no value."))
                continue
            css, detail = _significance(row, metric, quantity)
            cell = difference_cell(row, digits + (quantity == "slope"), notes, detail=detail, css=css)
            cells.append(cell if system.competes else replace(cell, mark=""))
        rows.append(Row(system.name, tuple(cells), system=i))
    titles = quantity_titles(analysis.strata)
    sizes = {q: _size([r for (_, quantity), r in row_of.items() if quantity == q], metric) for q in quantities}
    columns = (Column("system"), *(Column(titles[q], sizes[q]) for q in quantities))
    return TableView(
        f"differences-{metric.name}",
        f"{metric.title} {arrow(metric)}: system minus {comparison.baseline} on the same prompts, with 95% intervals",
        columns,
        grouped(analysis.systems, rows),
        tuple(notes.reasons),
        (HOLM,),
    )


def _significance(row: Any, metric: MetricInfo, quantity: str) -> tuple[str, str]:
    """CSS class and small text of a difference: its corrected p-value, and the direction where it is significant.

    A gap or slope is neither better nor worse when it is larger.
    """
    if not math.isfinite(row.p_holm):
        return "", ""
    text = f"p {p_value(row.p_holm)}"
    if row.p_holm >= ALPHA or quantity in ("gap_head_tail", "slope"):
        return "", text
    word = "gain" if gain(metric, row.difference) > 0 else "loss"
    return word, f"{text}, {word}"


def _size(rows: Sequence[Any], metric: MetricInfo) -> str:
    sizes = {
        count(r.n_clips, "clip")
        if metric.level == "set"
        else f"{count(r.n_classes, 'class', 'classes')}, {count(r.n_clips, 'clip')}"
        for r in rows
        if math.isfinite(r.n_clips) and math.isfinite(r.n_classes)
    }
    return sizes.pop() if len(sizes) == 1 else ""


def class_table(comparison: Comparison, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> TableView | None:
    """Classes by systems: the baseline's score and every difference from it; ``listen`` maps a label to prompts with players."""
    frame = comparison.classes[comparison.classes["metric"] == metric.name]
    if frame.empty:
        return None
    row_of, digits = lookup(frame, "system", "label"), metric_decimals(comparison.analysis, metric)
    systems = [s for s in comparison.compared if s in set(frame["system"])]
    place, titles = list(comparison.analysis.metrics).index(metric), stratum_titles(comparison.analysis.strata)
    notes, rows = Notes(), []
    for i, label in enumerate(records(comparison.analysis.labels)):
        differences = {s: row_of[s, label.label] for s in systems if (s, label.label) in row_of}
        if not differences:
            continue
        first = next(iter(differences.values()))
        cells = [Cell(f"{label.n_train:,.0f}"), Cell(titles[label.stratum], css="text")]
        cells += [Cell(f"{max(r.n_clips for r in differences.values()):,.0f}"), Cell(number(first.baseline_value, digits))]
        cells += [_class_cell(differences.get(s), metric, digits, notes) for s in systems]
        rows.append(Row(label.name, tuple(cells), anchor=f"c-{place}-{i}", clips=listen.get(label.label, ())))
    columns = (
        Column("class"), Column("train"), Column("stratum", text=True), Column("test"),
        Column(comparison.baseline, "score", system=position(comparison, comparison.baseline)),
        *(Column(s, "difference", system=position(comparison, s)) for s in systems),
    )  # fmt: skip
    return TableView(
        f"class-differences-{metric.name}",
        f"{metric.title} {arrow(metric)} of every class: score of {comparison.baseline} and differences of the others from it",
        columns,
        (tuple(rows),),
        tuple(notes.reasons),
        (CLASS_REMARK,),
    )


def _class_cell(row: Any, metric: MetricInfo, digits: int, notes: Notes) -> Cell:
    if row is None:
        return notes.undefined("No clip of this class has a value of both systems.")
    ends = interval(row.ci_low, row.ci_high, digits)
    clear = bool(ends) and (row.ci_low > 0 or row.ci_high < 0)
    css = "" if not clear else "gain" if gain(metric, row.difference) > 0 else "loss"
    return Cell(number(row.difference, digits, sign=True), ends, css=css)


def published_table(comparison: Comparison) -> TableView | None:
    """Published rows, a group for each source; None where none are shown."""
    frame = comparison.published
    if frame.empty:
        return None
    metrics = [m for m in METRICS if m in set(frame["metric"])]
    groups = []
    for source in dict.fromkeys(frame["source"]):
        rows_of = frame[frame["source"] == source]
        rows = []
        for system in dict.fromkeys(rows_of["system"]):
            values = lookup(rows_of[rows_of["system"] == system], "metric")
            about = next(iter(values.values()))
            numbers = [Cell(values[m].value if m in values else "") for m in metrics]
            origin = [Cell(text, css="text") for text in (about.protocol, about.prompts, about.evidence)]
            rows.append(Row(system, (Cell(source, css="text"), *numbers, *origin)))
        groups.append(tuple(rows))
    columns = (
        Column("system"), Column("source", text=True), *(Column(METRICS[m][0], "", METRICS[m][1]) for m in metrics),
        *(Column(title, text=True) for title in ("protocol", "clips", "read in")),
    )  # fmt: skip
    return TableView("published", PUBLISHED_CAPTION, columns, tuple(groups), remarks=(PUBLISHED_REMARK,))


def runs_table(comparison: Comparison) -> TableView:
    """The run of each system."""
    titles = {"run": "run directory", "created": "scored", "n_clips": "clips of the run", "code_sha256": "scoring code",
              "list_sha256": "list of clips"}  # fmt: skip
    keys = [k for k in comparison.runs.columns if k != "system"]
    rows = tuple(
        Row(
            r.system,
            tuple(
                Cell(str(getattr(r, k))[:SHORT_HASH] if k.endswith("sha256") else f"{getattr(r, k)}", css="text")
                for k in keys
            ),
            system=position(comparison, r.system),
        )
        for r in records(comparison.runs)
    )
    columns = (Column("system"), *(Column(titles.get(k, k), text=True) for k in keys))
    return TableView("runs", "Runs", columns, (rows,))
