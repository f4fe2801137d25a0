"""The tables of the zero-shot report, one function each: ``ZeroshotAnalysis`` in, ``TableView`` out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis
from reaudio_eval.prompts.regimes import RARE, ZERO_SHOT
from reaudio_eval.prompts.regimes import SEEN as SEEN_REGIME
from reaudio_eval.reports.shared_tables import methods
from reaudio_eval.reports.text import DASH, count, number, p_value
from reaudio_eval.reports.views import Cell, Column, Notes, Row, TableView, arrow, bar, fifth, fifths, metric_decimals, scale
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.frames import lookup, records
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES

ROLES: Mapping[str, str] = {
    "system": "",
    "twin": "twin without retrieval",
    "copy": "the retrieved clip as it is",
    "oracle": "oracle: it heard the real clip",
    "real": "the real clips",
    "noise": "noise",
}
GROUPS = (("system",), ("twin", "copy"), ("oracle", "real", "noise"))
SEEN = "n/a (seen)"
SEEN_NOTE = "n/a (seen): the system met the class in its own training, so its number is no zero-shot or few-shot number."
UNKNOWN = "training unknown"


def _grouped(analysis: ZeroshotAnalysis, rows: Sequence[Row]) -> tuple[tuple[Row, ...], ...]:
    """Systems, then the two they are compared with, then bounds and landmarks."""
    groups = (tuple(r for r in rows if analysis.role(r.head) in roles) for roles in GROUPS)
    return tuple(group for group in groups if group)


def regimes_table(analysis: ZeroshotAnalysis) -> TableView:
    """What each regime means, and how many classes and clips it has here."""
    columns = (Column("regime"), Column("classes", text=True), Column("classes in test"), Column("test clips"))
    rows = tuple(
        Row(r.title, (Cell(r.meaning, css="text"), Cell(f"{r.n_classes:,.0f}"), Cell(f"{r.n_clips:,.0f}")))
        for r in records(analysis.regimes)
    )
    return TableView(
        "zeroshot-regimes", "Regimes: what can be known of a class", columns, (rows,),
        remarks=("A clip with classes of several regimes counts in each of them.",),
    )  # fmt: skip


def systems_table(analysis: ZeroshotAnalysis) -> TableView:
    """What each system is here for, and what it was trained on."""
    place = {s.name: i for i, s in enumerate(analysis.base.systems)}
    rows = [
        Row(r.system, (Cell(ROLES[r.role] or "system", css="text"), Cell(r.trained_on, css="text")), system=place[r.system])
        for r in records(analysis.systems)
    ]
    columns = (Column("system"), Column("here as", text=True), Column("its own training", text=True))
    return TableView("zeroshot-systems", "Systems and what they were trained on", columns, _grouped(analysis, rows))


def by_regime_table(analysis: ZeroshotAnalysis, metric: MetricInfo) -> TableView:
    """Systems by regimes: means over classes, with what they rest on."""
    own = analysis.by_regime[analysis.by_regime["metric"] == metric.name]
    found, digits, notes = lookup(own, "system", "regime"), metric_decimals(analysis.base, metric), Notes()
    known = lookup(analysis.systems, "system")
    sizes = {r.regime: (r.n_classes, r.n_clips) for r in records(analysis.regimes)}
    rows = []
    for i, system in enumerate(analysis.base.systems):
        cells = tuple(
            _regime_cell(found.get((system.name, name)), digits, size, known[system.name].training_known, notes)
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
        f"{metric.title} {arrow(metric)} by regime (mean over classes), with 95% intervals",
        columns,
        _grouped(analysis, rows),
        tuple(notes.reasons),
        (
            f"Grey: fewer than {MIN_CLASSES} classes, or a system whose training is not known.",
            *_context(analysis),
            methods(own),
        ),
    )


def _context(analysis: ZeroshotAnalysis) -> tuple[str, ...]:
    if analysis.every_prompt or SEEN_REGIME.name not in set(analysis.regimes["regime"]):
        return ()
    return (
        "The classes seen are context: they occur here only in clips that hold a rarer class too (--all uses every prompt).",
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
    """Differences to the twin and to copying, a group of rows for each regime; None without any."""
    own = analysis.paired[analysis.paired["metric"] == metric.name]
    if own.empty:
        return None
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    digits, notes = metric_decimals(analysis.base, metric), Notes()
    limits = scale(v for r in records(own) for v in (r.difference, r.ci_low, r.ci_high))
    groups = tuple(
        tuple(
            Row(f"{r.system} − {r.against}", _paired_cells(r, digits, limits, notes), detail=titles[regime])
            for r in records(own[own["regime"] == regime])
        )
        for regime in titles
        if (own["regime"] == regime).any()
    )
    heads = ("systems", "difference", "p", "p, Holm", "detectable", "n")
    n_tests = int(own["p_value"].notna().sum())
    remarks = (
        f"System minus what it is compared with, on the same clips. Bold: the Holm-corrected test separates the two (p < {ALPHA}).",
        f"p: random signs of the class differences. With few classes it cannot fall below the value under it, and Holm's correction over "
        f"{count(n_tests, 'test')} of the table multiplies the smallest of them by {n_tests}." if n_tests else "",
        "The test assumes less than the interval: where the two disagree, the test decides.",
        "Detectable: the smallest difference that such a test would probably (power 0.8) see.",
    )  # fmt: skip
    return TableView(
        f"zeroshot-paired-{metric.name}",
        f"What retrieval buys: paired differences in {metric.title} {arrow(metric)}",
        tuple(Column(title) for title in heads),
        groups,
        tuple(notes.reasons),
        remarks,
    )


def _paired_cells(row: Any, digits: int, limits: tuple[float, float], notes: Notes) -> tuple[Cell, ...]:
    size = Cell(f"{row.n_clips:,.0f}", detail=count(row.n_classes, "class", "classes"))
    dashes = (Cell(DASH),) * 3
    if not math.isfinite(row.difference):
        return (notes.undefined(row.reason), *dashes, size)
    drawn = bar(row.difference, row.ci_low, row.ci_high, limits)
    mark = "best" if row.p_holm < ALPHA else ""
    found = _Valued(row.difference, row.ci_low, row.ci_high, row.reason)
    signed = replace(notes.value(found, digits, mark=mark, bar=drawn), text=number(row.difference, digits, sign=True))
    if not math.isfinite(row.p_value):
        return (signed, *dashes, size)
    return (
        signed,
        Cell(p_value(row.p_value), detail=f"{p_value(row.smallest_p)} at best"),
        Cell(p_value(row.p_holm), mark=mark),
        Cell(number(row.detectable, digits)), size,
    )  # fmt: skip


class _Valued(NamedTuple):
    """A paired row as ``Notes.value`` reads it."""

    value: float
    ci_low: float
    ci_high: float
    reason: object


def classes_table(analysis: ZeroshotAnalysis, metric: MetricInfo, listen: Mapping[str, tuple[str, ...]]) -> TableView:
    """Every class with its counts and each system's value; ``listen`` maps a label to the prompts with players that carry it."""
    own = analysis.per_class[analysis.per_class["metric"] == metric.name]
    found, digits = lookup(own, "system", "label"), metric_decimals(analysis.base, metric)
    cuts = fifths(list(own["value"]), metric.higher_is_better)
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    place, notes = analysis.metrics.index(metric), Notes()
    rows: dict[str, list[Row]] = {}
    for position, label in enumerate(records(analysis.classes)):
        cells = [Cell(f"{label.n_train:,.0f}"), Cell(titles[label.regime], css="text"), Cell(f"{label.n_test:,.0f}")]
        cells.append(Cell(f"{label.n_pool:,.0f}" if math.isfinite(label.n_pool) else "unknown"))
        for system in analysis.base.systems:
            row = found.get((system.name, label.label))
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
        ("Shading: fifths of all values of the table, deeper is better.",),
    )


def gains_table(analysis: ZeroshotAnalysis) -> TableView | None:
    """The differences of the primary metric in the regimes of zero-shot classes, drawn; for the verdict."""
    metric = analysis.primary
    if metric is None:
        return None
    names = [r.name for r in RARE]
    own = analysis.paired[(analysis.paired["metric"] == metric.name) & analysis.paired["regime"].isin(names)]
    own = own[own["difference"].notna()]
    if own.empty:
        return None
    titles = dict(zip(analysis.regimes["regime"], analysis.regimes["title"], strict=True))
    digits, notes = metric_decimals(analysis.base, metric), Notes()
    limits = scale(v for r in records(own) for v in (r.difference, r.ci_low, r.ci_high))
    several = own["system"].nunique() > 1
    groups = tuple(
        tuple(
            Row(
                f"against {r.against}",
                (_paired_cells(r, digits, limits, notes)[0],),
                detail=f"{r.system}, {titles[regime]}" if several else titles[regime],
            )
            for r in records(own[own["regime"] == regime])
        )
        for regime in names
        if (own["regime"] == regime).any()
    )
    return TableView(
        "zeroshot-gains", f"What retrieval buys in {metric.title} {arrow(metric)}", (Column("systems"), Column("difference")), groups,
        tuple(notes.reasons),
    )  # fmt: skip
