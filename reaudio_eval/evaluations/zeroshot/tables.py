"""Tables of the zero-shot report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.regimes import RARE, ZERO_SHOT
from reaudio_eval.prompts.regimes import SEEN as SEEN_REGIME
from reaudio_eval.reports.shared_tables import methods
from reaudio_eval.reports.text import WITH_INTERVALS, count, number
from reaudio_eval.reports.views import (
    PAIRED_COLUMNS,
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
    paired_cells,
    scale,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES

ROLES: Mapping[str, str] = {
    "system": "",
    "control": "control",
    "copy": "copy of the retrieved clip",
    "oracle": "oracle: conditioned on the real clip (upper reference, not compared)",
    "real": "real clips",
    "noise": "noise",
}
SEEN = "n/a (seen)"
SEEN_NOTE = "n/a (seen): the class is in the training data of the system, so its score is not zero-shot or few-shot."
UNKNOWN = "training data unknown"


def regimes_table(analysis: ZeroshotAnalysis) -> TableView:
    """Definition and size of each regime."""
    columns = (Column("regime"), Column("classes", text=True), Column("classes in test"), Column("test clips"))
    rows = tuple(
        Row(r.title, (Cell(r.meaning, css="text"), Cell(f"{r.n_classes:,.0f}"), Cell(f"{r.n_clips:,.0f}")))
        for r in records(analysis.regimes)
    )
    return TableView(
        "zeroshot-regimes", "Regimes of classes", columns, (rows,),
        remarks=("A clip with classes of several regimes is counted in each of them.",),
    )  # fmt: skip


def systems_table(analysis: ZeroshotAnalysis) -> TableView:
    """Role and training data of each system."""
    place = {s.name: i for i, s in enumerate(analysis.base.systems)}
    rows = [
        Row(r.system, (Cell(ROLES[r.role] or "system", css="text"), Cell(r.trained_on, css="text")), system=place[r.system])
        for r in records(analysis.systems)
    ]
    columns = (Column("system"), Column("role", text=True), Column("training data", text=True))
    return TableView("zeroshot-systems", "Systems and their training data", columns, grouped(analysis.base.systems, rows))


def by_regime_table(analysis: ZeroshotAnalysis, metric: MetricInfo) -> TableView:
    """Systems by regimes: means over classes, with numbers of classes and clips."""
    rows_of = analysis.by_regime[analysis.by_regime["metric"] == metric.name]
    row_of, digits, notes = lookup(rows_of, "system", "regime"), metric_decimals(analysis.base, metric), Notes()
    known = lookup(analysis.systems, "system")
    sizes = {r.regime: (r.n_classes, r.n_clips) for r in records(analysis.regimes)}
    rows = []
    for i, system in enumerate(analysis.base.systems):
        cells = tuple(
            _regime_cell(row_of.get((system.name, name)), digits, size, known[system.name].training_known, notes)
            for name, size in sizes.items()
        )
        rows.append(Row(system.name, cells, system=i, detail=ROLES[analysis.role(system.name)]))
    columns = (
        Column("system"),
        *(
            Column(r.title, f"{count(r.n_classes, 'class', 'classes')}, {count(r.n_clips, 'clip')}")
            for r in records(analysis.regimes)
        ),
    )
    return TableView(
        f"zeroshot-regimes-{metric.name}",
        f"{metric.title} {arrow(metric)} by regime (mean over classes){WITH_INTERVALS}",
        columns,
        grouped(analysis.base.systems, rows),
        tuple(notes.reasons),
        (
            f"Grey: fewer than {MIN_CLASSES} classes, or a system whose training data are not known.",
            *_context(analysis),
            methods(rows_of),
        ),
    )


def _context(analysis: ZeroshotAnalysis) -> tuple[str, ...]:
    if analysis.every_prompt or SEEN_REGIME.name not in set(analysis.regimes["regime"]):
        return ()
    return (
        "Seen classes are context: they occur here only in clips that have a rarer class too (--all uses every prompt).",
    )


def _regime_cell(row: Any, digits: int, size: tuple[float, float], training_known: bool, notes: Notes) -> Cell:
    if row is not None and row.n_seen > 0 and row.n_classes == 0:
        return Cell(SEEN, reason=SEEN_NOTE, note=notes.number(SEEN_NOTE), css="thin")
    if row is None or not math.isfinite(row.value):
        return notes.undefined(getattr(row, "reason", None))
    parts = []
    if (row.n_classes, row.n_clips) != size:
        parts.append(f"{count(row.n_classes, 'class', 'classes')}, {count(row.n_clips, 'clip')}")
    if row.n_seen:
        parts.append(f"{row.n_seen:.0f} {SEEN}")
    rare = row.regime in {regime.name for regime in RARE}
    if rare and not training_known:
        parts.append(UNKNOWN)
    thin = row.n_classes < MIN_CLASSES or (rare and not training_known)
    return notes.value(row, digits, detail=", ".join(parts), css="thin" if thin else "")


def paired_table(analysis: ZeroshotAnalysis, metric: MetricInfo) -> TableView | None:
    """Differences from the no-retrieval control and from copying, a group of rows for each regime; None without any."""
    paired = analysis.paired[analysis.paired["metric"] == metric.name]
    if paired.empty:
        return None
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    digits, notes = metric_decimals(analysis.base, metric), Notes()
    limits = scale(v for r in records(paired) for v in (r.difference, r.ci_low, r.ci_high))
    groups = tuple(
        tuple(
            Row(f"{r.system} − {r.against}", _paired(r, digits, limits, notes), detail=titles[regime])
            for r in records(paired[paired["regime"] == regime])
        )
        for regime in titles
        if (paired["regime"] == regime).any()
    )
    remarks = (
        f"System minus the system it is compared with, on the same clips. Bold: significantly different (Holm-corrected p < {ALPHA}).",
        f"p: t test with the standard error of the interval, so that p is below {ALPHA} where the interval excludes 0. Holm's correction "
        "runs over the tests of a family.",
        "Detectable: the smallest difference that the test detects with a power of 0.8.",
    )  # fmt: skip
    return TableView(
        f"zeroshot-paired-{metric.name}",
        f"Gain from retrieval: paired differences in {metric.title} {arrow(metric)}",
        PAIRED_COLUMNS,
        groups,
        tuple(notes.reasons),
        remarks,
    )


def _paired(row: Any, digits: int, limits: tuple[float, float], notes: Notes) -> tuple[Cell, ...]:
    size = Cell(f"{row.n_clips:,.0f}", detail=count(row.n_classes, "class", "classes"))
    return paired_cells(row, digits, limits, notes, size)


def classes_table(analysis: ZeroshotAnalysis, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> TableView:
    """Every class with its counts and each system's value; ``listen`` maps a label to the prompts with players that carry it."""
    frame = analysis.per_class[analysis.per_class["metric"] == metric.name]
    row_of, digits = lookup(frame, "system", "label"), metric_decimals(analysis.base, metric)
    cuts = fifths([] if metric.neutral else list(frame["value"]), metric.higher_is_better)
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    place, notes = analysis.metrics.index(metric), Notes()
    rows: dict[str, list[Row]] = {}
    for position, label in enumerate(records(analysis.classes)):
        cells = [Cell(f"{label.n_train:,.0f}"), Cell(titles[label.regime], css="text"), Cell(f"{label.n_test:,.0f}")]
        cells.append(Cell(f"{label.n_pool:,.0f}" if math.isfinite(label.n_pool) else "unknown"))
        for system in analysis.base.systems:
            row = row_of.get((system.name, label.label))
            if row is not None and row.status == "seen":
                cells.append(Cell(SEEN, reason=SEEN_NOTE, note=notes.number(SEEN_NOTE), css="thin"))
            elif row is not None and math.isfinite(row.value):
                cells.append(Cell(number(row.value, digits), css=fifth(row.value, cuts, metric.higher_is_better)))
            else:
                cells.append(notes.undefined("No clip of this class has a value." if row is not None else None))
        anchor = f"c-{place}-{position}"
        group = "zero-shot" if label.regime in {r.name for r in ZERO_SHOT} else label.regime
        rows.setdefault(group, []).append(Row(label.name, tuple(cells), anchor=anchor, clips=listen.get(label.label, ())))
    systems = (Column(s.name, system=i) for i, s in enumerate(analysis.base.systems))
    columns = (Column("class"), Column("train"), Column("regime", text=True), Column("test"), Column("pool"), *systems)
    return TableView(
        f"zeroshot-classes-{metric.name}",
        f"{metric.title} {arrow(metric)} of every class; train, test and pool are numbers of clips",
        columns,
        tuple(tuple(group) for group in rows.values()),
        tuple(notes.reasons),
        ("Shading: fifths of all values of the table; darker is better.",),
    )
