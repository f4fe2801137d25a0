"""Sentences on non-inferiority and equivalence by a margin."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from reaudio_eval.frames.rows import records
from reaudio_eval.reports.text import QUANTITIES, interval, listing, number, p_words, stratum_words
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.margins import LEVEL_EQUIVALENT, LEVEL_NONINFERIOR


def margin_sentences(analysis: LongtailAnalysis) -> list[Markup]:
    """What the tests of the margin say of each system against each control; none without a margin."""
    if analysis.margin is None:
        return []
    roles = {s.name: s.role for s in analysis.systems}
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in records(analysis.paired[analysis.paired["p_noninferior"].notna()]):
        a, b = row.system_a, row.system_b
        groups.setdefault((a, b) if roles[a] == "system" else (b, a), []).append(row)
    if not groups:
        return [Markup("No test of the margin could be made: no system and control share enough classes with values.")]
    return [_sentence(analysis, system, control, rows) for (system, control), rows in groups.items()]


def _sentence(analysis: LongtailAnalysis, system: str, control: str, rows: list[Any]) -> Markup:
    assert analysis.margin is not None
    metric = analysis.metric(analysis.margin.metric)
    opening = Markup("With a margin of {} in {}, <b>{}</b> compared with <b>{}</b>: ").format(
        f"{analysis.margin.value:g}", metric.title, system, control
    )
    digits = metric_decimals(analysis, metric)
    parts = [_part(analysis, row, 1 if row.system_a == system else -1, digits) for row in rows]
    return opening + listing(parts) + "."


def _part(analysis: LongtailAnalysis, row: Any, sign: int, digits: int) -> str:
    low, high = (row.ci_low, row.ci_high) if sign > 0 else (-row.ci_high, -row.ci_low)
    numbers = [
        f"difference {number(sign * row.difference, digits)} {interval(low, high, digits)}".strip(),
        f"p {p_words(row.p_noninferior)} for non-inferiority",
        f"p {p_words(row.p_equivalent)} for equivalence",
    ]
    return f"{_where(analysis, row.quantity)} {_shown(row)} ({', '.join(numbers)})"


def _shown(row: Any) -> str:
    noninferior = row.p_noninferior < LEVEL_NONINFERIOR
    equivalent = math.isfinite(row.p_equivalent) and row.p_equivalent < LEVEL_EQUIVALENT
    if noninferior and equivalent:
        return "non-inferior and equivalent"
    if noninferior:
        return "non-inferior"
    return "equivalent, though not shown to be non-inferior" if equivalent else "not shown to be non-inferior or equivalent"


def _where(analysis: LongtailAnalysis, quantity: str) -> str:
    stratum = next((s for s in analysis.strata if s.name == quantity), None)
    return f"over {QUANTITIES[quantity]}" if stratum is None else f"in {stratum_words(stratum)}"
