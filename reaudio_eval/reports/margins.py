"""Non-inferiority and equivalence by a margin, in sentences and JSON."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from markupsafe import Markup

from reaudio_eval.frames.rows import records
from reaudio_eval.reports.first_screen.evidence import EVERY_CLASS, EVERY_CLIP
from reaudio_eval.reports.text import interval, number, p_words
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.margins import LEVEL_EQUIVALENT, LEVEL_NONINFERIOR

Json = dict[str, Any]


class Tested(NamedTuple):
    """The tests of one difference, system - control; p-values are corrected."""

    system: str
    control: str
    quantity: str
    difference: float
    ci_low: float
    ci_high: float
    p_noninferior: float
    p_equivalent: float

    @property
    def noninferior(self) -> bool:
        return self.p_noninferior < LEVEL_NONINFERIOR

    @property
    def equivalent(self) -> bool:
        return math.isfinite(self.p_equivalent) and self.p_equivalent < LEVEL_EQUIVALENT


def margin_results(analysis: LongtailAnalysis) -> list[Tested]:
    """The tests of a margin, in the order of the frame; none without a margin."""
    if analysis.margin is None:
        return []
    roles = {s.name: s.role for s in analysis.systems}
    rows = records(analysis.paired[analysis.paired["p_noninferior"].notna()])
    return [_tested(row, roles[row.system_a] == "system") for row in rows]


def _tested(row: Any, first: bool) -> Tested:
    """first: whether the first of the two systems is not the control."""
    if first:
        ends = (row.system_a, row.system_b, row.quantity, row.difference, row.ci_low, row.ci_high)
    else:
        ends = (row.system_b, row.system_a, row.quantity, -row.difference, -row.ci_high, -row.ci_low)
    return Tested(*ends, row.p_noninferior, row.p_equivalent)


def margin_json(analysis: LongtailAnalysis) -> Json | None:
    """The margin and its tests; None without a margin."""
    if analysis.margin is None:
        return None
    tests = [
        {**each._asdict(), "noninferior": each.noninferior, "equivalent": each.equivalent}
        for each in margin_results(analysis)
    ]
    return {**dataclasses.asdict(analysis.margin), "tests": tests}


def margin_sentences(analysis: LongtailAnalysis) -> list[Markup]:
    """What the tests of the margin say of each system against each control; none without a margin."""
    if analysis.margin is None:
        return []
    groups: dict[tuple[str, str], list[Tested]] = {}
    for each in margin_results(analysis):
        groups.setdefault((each.system, each.control), []).append(each)
    if not groups:
        return [Markup("No test of the margin could be made: no system and control share enough classes with values.")]
    return [_sentence(analysis, *pair, tests) for pair, tests in groups.items()]


def _sentence(analysis: LongtailAnalysis, system: str, control: str, tests: list[Tested]) -> Markup:
    assert analysis.margin is not None
    metric = analysis.metric(analysis.margin.metric)
    opening = Markup("With a margin of {} in {}, <b>{}</b> compared with <b>{}</b> is ").format(
        f"{analysis.margin.value:g}", metric.title, system, control
    )
    digits = metric_decimals(analysis, metric)
    return opening + "; ".join(_part(analysis, each, digits) for each in tests) + "."


def _part(analysis: LongtailAnalysis, test: Tested, digits: int) -> str:
    numbers = [
        f"{number(test.difference, digits, sign=True)} {interval(test.ci_low, test.ci_high, digits)}".strip(),
        f"corrected p {p_words(test.p_noninferior)} for non-inferiority and p {p_words(test.p_equivalent)} for equivalence",
    ]
    return f"{_shown(test)} {_where(analysis, test.quantity)} ({', '.join(numbers)})"


def _shown(test: Tested) -> str:
    if test.noninferior:
        return "non-inferior and equivalent" if test.equivalent else "non-inferior"
    return (
        "equivalent, but not shown to be non-inferior," if test.equivalent else "not shown to be non-inferior or equivalent"
    )


def _where(analysis: LongtailAnalysis, quantity: str) -> str:
    group = next((g for g in (EVERY_CLASS, EVERY_CLIP) if g.name == quantity), None)
    if group is not None:
        return group.phrase
    return f"on {next(s for s in analysis.strata if s.name == quantity).title} classes"
