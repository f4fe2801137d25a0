"""Tables of a listening report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.listening.analysis import ListeningAnalysis
from reaudio_eval.evaluations.listening.records import QUESTIONS
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.text import count, interval, number
from reaudio_eval.reports.views import (
    PAIRED_COLUMNS,
    Cell,
    Column,
    Notes,
    Row,
    TableView,
    arrow,
    paired_cells,
    scale,
)
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.rows import ALL
from reaudio_eval.statistics.separation import Separation, separate
from reaudio_eval.statistics.thresholds import ALPHA

RHO, TAU = "Spearman ρ", "Kendall τ"


def system_infos(analysis: ListeningAnalysis) -> tuple[SystemInfo, ...]:
    """The systems in the report's order: generated, then real audio."""
    n = len(analysis.key.prompts)
    return tuple(SystemInfo(s.name, s.kind, n, description=s.description) for s in analysis.key.systems)


def value_name(analysis: ListeningAnalysis) -> str:
    """Name of a system's value."""
    if analysis.key.design == "pairs":
        return "proportion of comparisons won"
    return f"mean rating, 1 to {analysis.key.scale}"


def value_digits(analysis: ListeningAnalysis) -> int:
    """Decimals of ratings, proportions and their differences."""
    return 1 if analysis.key.design == "mos" and analysis.key.scale > 10 else 2


def question_title(question: str) -> str:
    """The abbreviation with its meaning."""
    return f"{question}, {QUESTIONS[question]}"


def separation(analysis: ListeningAnalysis, question: str, stratum: str = ALL) -> Separation:
    """The generated system with the highest value, and the results of its paired tests."""
    generated = {s.name for s in analysis.key.systems if s.kind == "generated"}
    rows = analysis.means[(analysis.means["question"] == question) & (analysis.means["stratum"] == stratum)]
    values = {r.system: r.value for r in records(rows) if r.system in generated}
    paired = analysis.paired.rename(columns={"question": "metric", "stratum": "quantity"})
    return separate(values, paired, MetricInfo(question, QUESTIONS[question], "clip", True, "", ""), stratum)


def _groups(analysis: ListeningAnalysis, rows: Sequence[Row]) -> tuple[tuple[Row, ...], ...]:
    kinds = [s.kind for s in analysis.key.systems]
    split = [
        tuple(r for r in rows if r.system is not None and (kinds[r.system] == "real") == real) for real in (False, True)
    ]
    return tuple(group for group in split if group)


def means_table(analysis: ListeningAnalysis, stratum: str = ALL) -> TableView:
    """Every system's means on both questions, over all prompts or one stratum."""
    row_of = lookup(analysis.means[analysis.means["stratum"] == stratum], "question", "system")
    tests = {q: separation(analysis, q, stratum) for q in QUESTIONS}
    digits, notes, rows = value_digits(analysis), Notes(), []
    for i, system in enumerate(analysis.key.systems):
        cells = [
            notes.value(
                row_of.get((q, system.name)), digits, mark=tests[q].mark(system.name) if system.kind != "real" else ""
            )
            for q in QUESTIONS
        ]
        sizes = [row_of[q, system.name].n_answers for q in QUESTIONS if (q, system.name) in row_of]
        rows.append(Row(system.name, (*cells, Cell(f"{max(sizes, default=0):,.0f}")), system=i))
    where = "all prompts" if stratum == ALL else f"prompts whose rarest label is {analysis.key.title(stratum)}"
    n = max((r.n_prompts for r in row_of.values()), default=0)
    columns = (Column("system"), *(Column(q, QUESTIONS[q], "↑") for q in QUESTIONS), Column("answers"))
    remark = "Bold: significantly different from every other system (paired tests). ≈: not significantly different from the leader."
    marked = any(c.mark for row in rows for c in row.cells)
    return TableView(
        "means" if stratum == ALL else f"means-{stratum}",
        f"{value_name(analysis)[0].upper()}{value_name(analysis)[1:]}, with 95% intervals: {where} ({count(n, 'prompt')})",
        columns,
        _groups(analysis, rows),
        tuple(notes.reasons),
        (remark if marked else "",),
    )


def strength_table(analysis: ListeningAnalysis) -> TableView | None:
    """Bradley-Terry scores; None for ratings."""
    if analysis.strength.empty:
        return None
    row_of = lookup(analysis.strength, "question", "system")
    notes = Notes()
    rows = [
        Row(s.name, tuple(notes.value(row_of.get((q, s.name)), 2) for q in QUESTIONS), system=i)
        for i, s in enumerate(analysis.key.systems)
    ]
    return TableView(
        "bradley-terry",
        "Bradley-Terry scores, with 95% intervals: a difference of 1 means that the system is preferred in 73% of comparisons",
        (Column("system"), *(Column(q, QUESTIONS[q], "↑") for q in QUESTIONS)),
        _groups(analysis, rows),
        tuple(notes.reasons),
    )


def paired_table(analysis: ListeningAnalysis, question: str, stratum: str) -> TableView:
    """Differences of systems on the same prompts."""
    in_stratum = (analysis.paired["question"] == question) & (analysis.paired["stratum"] == stratum)
    rows = list(records(analysis.paired[in_stratum]))
    limits = scale(v for r in rows for v in (r.difference, r.ci_low, r.ci_high))
    digits, notes = value_digits(analysis), Notes()
    table = tuple(Row(f"{r.system_a} − {r.system_b}", paired_cells(r, digits, limits, notes, _size(r))) for r in rows)
    significant = sum(r.p_holm < ALPHA for r in rows)
    where = "all prompts" if stratum == ALL else f"prompts whose rarest label is {analysis.key.title(stratum)}"
    what = (
        "Preference (proportion for the first minus proportion for the second)"
        if analysis.key.design == "pairs"
        else "Difference"
    )
    return TableView(
        f"paired-{question}-{stratum}",
        f"{what}, {question_title(question)}: {where}",
        PAIRED_COLUMNS,
        (table,) if table else (),
        tuple(notes.reasons),
        summary=f"{question}, {where}: {significant} of {count(len(rows), 'pair')} significantly different",
    )


def _size(row: Any) -> Cell:
    return Cell(f"{row.n_prompts:,.0f}", detail=count(row.n_answers, "answer"))


METRIC_COLUMNS = (
    ("clip", "spearman", RHO, "single clips"),
    ("choice", "accuracy", "correct choice", "of two clips of a prompt"),
    ("system", "spearman", RHO, "systems"),
)
KENDALL_COLUMNS = (("clip", "kendall", TAU, "single clips"), ("system", "kendall", TAU, "systems"))


def metrics_table(analysis: ListeningAnalysis, *, kendall: bool = False) -> TableView | None:
    """Correlation of each metric with the listeners; None without metrics."""
    if analysis.metrics.empty:
        return None
    row_of = lookup(analysis.metrics, "metric", "question", "level", "statistic")
    chosen = KENDALL_COLUMNS if kendall else METRIC_COLUMNS
    notes, rows = Notes(), []
    for metric in analysis.key.metrics:
        cells = []
        for level, statistic, *_ in chosen:
            for question in QUESTIONS:
                row = row_of.get((metric.name, question, level, statistic))
                if row is None:
                    cells.append(notes.undefined("Computed on a set of clips: a single clip has no value."))
                else:
                    cells.append(notes.value(row, 2, detail=f"n = {row.n:,.0f}" if math.isfinite(row.value) else ""))
        rows.append(Row(f"{metric.title} {arrow(metric)}", tuple(cells)))
    columns = (Column(f"{q}: {title}", detail) for _, _, title, detail in chosen for q in QUESTIONS)
    choice = " Correct choice: how often the metric prefers the clip that listeners prefer; 0.5 is chance level."
    return TableView(
        "metrics-kendall" if kendall else "metrics",
        "Correlation of metrics with listeners: generated systems, with 95% intervals",
        (Column("metric"), *columns),
        (tuple(rows),),
        tuple(notes.reasons),
        (
            "1: same order as the listeners; 0: no correlation; the sign is reversed for metrics where lower is better."
            + ("" if kendall else choice),
        ),
    )


def agreement_table(analysis: ListeningAnalysis) -> TableView:
    """Agreement between and within listeners."""
    notes, rows = Notes(), []
    for r in records(analysis.agreement):
        alpha = notes.undefined(r.reason) if not math.isfinite(r.alpha) else _with_ends(notes, r)
        half = notes.undefined(r.split_half_reason) if not math.isfinite(r.split_half) else Cell(number(r.split_half, 2))
        if r.n_repeats:
            alike = Cell(f"{r.repeats_alike:.0%}", detail=f"of {count(r.n_repeats, 'answer')}")
            gap = Cell(number(r.repeats_gap, value_digits(analysis)))
        else:
            alike = gap = notes.undefined("No repeated item was answered twice.")
        rows.append(Row(question_title(r.question), (alpha, half, alike, gap)))
    titles = (
        ("question", ""),
        ("Krippendorff's α", "between listeners"),
        ("reliability", "of clip means, split halves"),
        ("same answer", "to a repeated item"),
        ("mean difference", "to a repeated item"),
    )
    return TableView(
        "agreement",
        "Agreement of listeners with each other and with themselves",
        tuple(Column(title, detail) for title, detail in titles),
        (tuple(rows),),
        tuple(notes.reasons),
    )


def _with_ends(notes: Notes, row: Any) -> Cell:
    ends = interval(row.ci_low, row.ci_high, 2)
    note = notes.number(row.reason) if not ends and isinstance(row.reason, str) else 0
    return Cell(number(row.alpha, 2), ends, reason=row.reason if note else "", note=note)


def participants_table(analysis: ListeningAnalysis) -> TableView:
    """Answers, failed checks and exclusion of each participant."""
    rows = [
        Row(
            r.participant,
            (
                Cell(r.forms, css="text"),
                Cell(f"{r.n_answers:,}", detail=f"{r.answered:.0%}"),
                Cell(f"{r.failed} of {r.checks}"),
                Cell(number(r.minutes, 1)),
                Cell(r.excluded or "no", css="text"),
            ),
        )
        for r in records(analysis.participants)
    ]
    columns = (
        Column("participant"), Column("forms", text=True), Column("answers"), Column("failed checks"), Column("minutes"),
        Column("excluded", text=True),
    )  # fmt: skip
    return TableView("participants", "Participants", columns, (tuple(rows),))
