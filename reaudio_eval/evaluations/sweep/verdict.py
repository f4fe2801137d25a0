"""Verdict of a sweep."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from markupsafe import Markup

from reaudio_eval.evaluations.sweep.analysis import Sweep, chance_cells, numbers_of
from reaudio_eval.evaluations.sweep.cells import Axis, describe, show
from reaudio_eval.evaluations.sweep.tables import REFERENCE, short_name
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.reports.first_screen.evidence import Evidence, Words, longtail_evidence
from reaudio_eval.reports.first_screen.sentences import verdict
from reaudio_eval.reports.first_screen.words import lower_first
from reaudio_eval.reports.text import listing, number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.rows import ALL


def evidence(sweep: Sweep) -> Evidence | None:
    """Of the primary metric: settings against the reference, without draws (seeds, captions). None without a metric."""
    found = longtail_evidence(sweep.analysis)
    if found is None:
        return None
    return dataclasses.replace(
        found,
        ranked=True,
        shown={cell.name: short_name(sweep, cell.name) for cell in sweep.cells},
        words=Words("setting", REFERENCE),
        left_out=frozenset(chance_cells(sweep.axes, sweep.reference)),
    )


def sentences(sweep: Sweep) -> list[Markup]:
    """The verdict, most important first; none without a metric that has values."""
    found = evidence(sweep)
    if found is None:
        return []
    reference = Markup("Reference: {}.").format(describe(sweep.reference.settings))
    chance = (Markup("{}").format(text) for text in _chance(sweep, found.metric))
    return [*verdict(sweep.analysis, found), reference, *chance]


def _chance(sweep: Sweep, metric: MetricInfo) -> Iterator[str]:
    digits = metric_decimals(sweep.analysis, metric)
    spread = sweep.spread[(sweep.spread["metric"] == metric.name) & (sweep.spread["stratum"] == ALL)]
    for row in records(spread):
        what = "seeds" if row.factor == "seed" else "captions"
        text = (
            f"Over {int(row.n)} {what}, {lower_first(metric.title)} over all clips has a standard deviation of "
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
