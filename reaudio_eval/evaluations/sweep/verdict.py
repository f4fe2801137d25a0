"""Verdict of a sweep in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from reaudio_eval.evaluations.sweep.analysis import Sweep, chance_cells, numbers_of
from reaudio_eval.evaluations.sweep.cells import Axis, describe, show
from reaudio_eval.evaluations.sweep.tables import REFERENCE, short_name
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.text import interval, listing, number, p_words, stratum_words
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
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
    if any(cell != sweep.reference and cell.name not in chance_cells(sweep.axes, sweep.reference) for cell in sweep.cells):
        tail = sweep.analysis.strata[-2]
        yield from _best(sweep, metric, ALL, "Over all clips", "Over all clips", f" ({describe(sweep.reference.settings)})")
        yield from _best(sweep, metric, tail.name, f"In {stratum_words(tail)}", "In these classes", "")


def _best(sweep: Sweep, metric: MetricInfo, stratum: str, where: str, again: str, named: str) -> Iterator[str]:
    """The settings that are significantly different from the reference, and in which direction."""
    rows = [
        row
        for row in records(numbers_of(sweep, metric, stratum))
        if row.cell not in chance_cells(sweep.axes, sweep.reference)
    ]
    reference = next((row for row in rows if row.cell == sweep.reference.name), None)
    others = [row for row in rows if math.isfinite(row.difference)]
    if reference is None or not others:
        return
    digits, sign = metric_decimals(sweep.analysis, metric), 1 if metric.higher_is_better else -1
    ranked = sorted(others, key=lambda row: -sign * row.difference)
    different = [row for row in ranked if row.p_holm < ALPHA]
    better = [row for row in different if sign * row.difference > 0]
    worse = [row for row in reversed(different) if sign * row.difference < 0]
    base = f"the {REFERENCE}{named}"
    title, value = _lower_first(metric.title), number(reference.value, digits)
    if better:
        first = better[0]
        yield (
            f"{where}, {short_name(sweep, first.cell)} has the best {title}, {number(first.value, digits)}; {base} has {value}. "
            f"Difference {_difference(first, digits)}, p {p_words(first.p_holm)}."
        )
        if len(better) > 1:
            yield f"{again}, also significantly better than the {REFERENCE}: {_listed(sweep, better[1:], digits)}."
    elif different:
        yield (
            f"{where}, no setting has a significantly better {title} than {base}, {value}."
            f"{_nearly(sweep, ranked[0], sign, digits)}"
        )
    else:
        yield (
            f"{where}, no setting is significantly different in {title} from {base}, {value}."
            f"{_nearly(sweep, ranked[0], sign, digits)}{_resolution(others, digits)}"
        )
    if worse:
        yield f"{again}, significantly worse: {_listed(sweep, worse, digits)}."


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
    return f" {name} has a better value, {value}, but its difference of {_difference(first, digits)} is not significant."


def _resolution(rows: list[Any], digits: int) -> str:
    detectable = sorted(row.detectable for row in rows if math.isfinite(row.detectable))
    if not detectable:
        return " There are too few classes for a test."
    return f" Differences below about {number(detectable[len(detectable) // 2], digits)} would probably not be detected."


def _chance(sweep: Sweep, metric: MetricInfo) -> Iterator[str]:
    digits = metric_decimals(sweep.analysis, metric)
    spread = sweep.spread[(sweep.spread["metric"] == metric.name) & (sweep.spread["stratum"] == ALL)]
    for row in records(spread):
        what = "seeds" if row.factor == "seed" else "captions"
        text = (
            f"Over {int(row.n)} {what}, {_lower_first(metric.title)} over all clips has a standard deviation of "
            f"{number(row.sd, digits)} (from "
            f"{number(row.low, digits)} to {number(row.high, digits)})"
        )
        if math.isfinite(row.half_width):
            less = "less" if row.sd < row.half_width / 2 else "not less"
            text += f", {less} than the standard error of the sample of prompts, about {number(row.half_width / 2, digits)}"
        yield f"{text}."


def finding(sweep: Sweep, axis: Axis, metric: MetricInfo) -> str:
    """Title of the figure of a factor: the values over all clips."""
    row_of, digits = lookup(numbers_of(sweep, metric), "cell"), metric_decimals(sweep.analysis, metric)
    values = [
        f"{show(value)}{f' ({REFERENCE})' if cell == sweep.reference else ''}: {number(row_of[cell.name].value, digits)}"
        for value, cell in axis.points
        if cell.name in row_of
    ]
    return (
        f"{metric.title} over all clips by {axis.factor.title}, {listing(values)}."
        if values
        else f"{metric.title} by stratum."
    )
