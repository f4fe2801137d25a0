"""What a sweep found, in sentences: the best setting for all clips and for the tail, and what chance alone does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from reaudio_eval.evaluations.sweep.analysis import Sweep, chance_cells, numbers_of
from reaudio_eval.evaluations.sweep.cells import Axis, describe, show
from reaudio_eval.evaluations.sweep.tables import REFERENCE, short_name
from reaudio_eval.reports.text import interval, listing, number, p_value
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.frames import lookup, records
from reaudio_eval.statistics.rows import ALL
from reaudio_eval.statistics.thresholds import ALPHA

NAMED = 4  # settings in one sentence


def sentences(sweep: Sweep) -> list[str]:
    """The verdict, most important first; none without a metric that has values."""
    if sweep.analysis.primary is None:
        return []
    metric = sweep.analysis.metric(sweep.analysis.primary)
    return [*_by_stratum(sweep, metric), *_chance(sweep, metric)]


def _by_stratum(sweep: Sweep, metric: MetricInfo) -> Iterator[str]:
    if any(cell != sweep.reference and cell.name not in chance_cells(sweep) for cell in sweep.cells):
        tail = sweep.analysis.strata[-2].name
        yield from _best(sweep, metric, ALL, "Over all clips", f" ({describe(sweep.reference.settings)})")
        yield from _best(sweep, metric, tail, f"In the stratum {tail}", "")


def _best(sweep: Sweep, metric: MetricInfo, stratum: str, where: str, named: str) -> Iterator[str]:
    """Which settings differ from the reference beyond chance, and in which direction."""
    rows = [row for row in records(numbers_of(sweep, metric, stratum)) if row.cell not in chance_cells(sweep)]
    usual = next((row for row in rows if row.cell == sweep.reference.name), None)
    others = [row for row in rows if math.isfinite(row.difference)]
    if usual is None or not others:
        return
    digits, sign = metric_decimals(sweep.analysis, metric), 1 if metric.higher_is_better else -1
    ranked = sorted(others, key=lambda row: -sign * row.difference)
    told = [row for row in ranked if row.p_holm < ALPHA]
    better = [row for row in told if sign * row.difference > 0]
    worse = [row for row in reversed(told) if sign * row.difference < 0]
    base = f"the {REFERENCE}{named}"
    if better:
        first = better[0]
        yield (
            f"{where}, {short_name(sweep, first.cell)} has the best {_lower_first(metric.title)}, {number(first.value, digits)} against "
            f"{number(usual.value, digits)} of {base}: a difference of {_difference(first, digits)}, p = {p_value(first.p_holm)}."
        )
        if len(better) > 1:
            yield f"{where}, better than the {REFERENCE} beyond chance are also {_listed(sweep, better[1:], digits)}."
    elif told:
        yield (
            f"{where}, no setting is better in {_lower_first(metric.title)} than {base}, {number(usual.value, digits)}, beyond chance."
            f"{_nearly(sweep, ranked[0], sign, digits)}"
        )
    else:
        yield (
            f"{where}, no setting can be told apart in {_lower_first(metric.title)} from {base}, {number(usual.value, digits)}."
            f"{_nearly(sweep, ranked[0], sign, digits)}{_resolution(others, digits)}"
        )
    if worse:
        yield f"{where}, worse beyond chance: {_listed(sweep, worse, digits)}."


def _lower_first(title: str) -> str:
    """In the middle of a sentence: "label accuracy", but "CLAP score"."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def _difference(row: Any, digits: int) -> str:
    return f"{number(row.difference, digits, sign=True)} {interval(row.difference_low, row.difference_high, digits)}".strip()


def _listed(sweep: Sweep, rows: list[Any], digits: int) -> str:
    shown = [f"{short_name(sweep, row.cell)} ({_difference(row, digits)})" for row in rows[:NAMED]]
    return listing([*shown, *([f"{len(rows) - NAMED} more"] if len(rows) > NAMED else [])])


def _nearly(sweep: Sweep, first: Any, sign: int, digits: int) -> str:
    if sign * first.difference <= 0:
        return ""
    name, value = short_name(sweep, first.cell), number(first.value, digits)
    return f" The value of {name} is better, {value}, but its difference of {_difference(first, digits)} may be chance."


def _resolution(rows: list[Any], digits: int) -> str:
    found = sorted(row.detectable for row in rows if math.isfinite(row.detectable))
    if not found:
        return " There are too few classes for a test."
    return f" These prompts would show a difference of about {number(found[len(found) // 2], digits)}."


def _chance(sweep: Sweep, metric: MetricInfo) -> Iterator[str]:
    digits = metric_decimals(sweep.analysis, metric)
    own = sweep.spread[(sweep.spread["metric"] == metric.name) & (sweep.spread["stratum"] == ALL)]
    for row in records(own):
        what = "seeds" if row.factor == "seed" else "captions"
        text = (
            f"Between {int(row.n)} {what}, {_lower_first(metric.title)} over all clips has a standard deviation of "
            f"{number(row.sd, digits)} (from "
            f"{number(row.low, digits)} to {number(row.high, digits)})"
        )
        if math.isfinite(row.half_width):
            less = "less" if row.sd < row.half_width / 2 else "not less"
            text += f", {less} than the standard error that the choice of prompts brings, about {number(row.half_width / 2, digits)}"
        yield f"{text}."


def finding(sweep: Sweep, axis: Axis, metric: MetricInfo) -> str:
    """What the figure of a factor shows: the values over all clips."""
    found, digits = lookup(numbers_of(sweep, metric), "cell"), metric_decimals(sweep.analysis, metric)
    told = [
        f"{show(value)}{f' ({REFERENCE})' if cell == sweep.reference else ''}: {number(found[cell.name].value, digits)}"
        for value, cell in axis.points
        if cell.name in found
    ]
    return (
        f"{metric.title} over all clips by {axis.factor.title}, {listing(told)}." if told else f"{metric.title} by stratum."
    )
