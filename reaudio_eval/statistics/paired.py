"""Paired comparisons of systems on the same prompts.

Differences are taken on each clip before anything is averaged. p-values are t tests with the standard error of the interval: of the mixed
model for clip- and label-level metrics, of the paired jackknife for set metrics. A p-value is below 0.05 where the interval excludes zero.
:mod:`reaudio_eval.statistics.families` corrects them for their number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval.scores.jackknife import Floats, Interval, no_interval
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.class_table import Bools, ClassTable, Summary, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import gap, head_and_tail, macro, micro
from reaudio_eval.statistics.intervals import Estimate, paired_jackknife, t_test_p
from reaudio_eval.statistics.rows import ALL, CLASSES, Row
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.trends import slope


class Quantity(NamedTuple):
    """A difference by the classes that enter it."""

    name: str
    estimate: Estimate
    n_clips: int
    n_classes: int


def paired_rows(
    metric: MetricInfo,
    systems: Sequence[SystemScores],
    values: Mapping[str, Mapping[str, Floats]],
    context: Context,
    against: str | None = None,
) -> list[Row]:
    """Rows of ``LongtailAnalysis.paired`` for one metric: every pair of generated and real systems that have it.

    With ``against`` only that system is compared with each other one (the other minus it).

    Args:
        metric: of any level.
        systems: noise is not compared.
        values: system name -> metric name -> array of ``class_table.score_arrays``.
        context: classes and strata.
        against: name of the system that all others are compared with, or None.
    """
    # A pair is named in an order of its own (generated before real, then by name), not in that of the command line.
    compared = sorted((s for s in systems if s.system.kind != "noise"), key=lambda s: (s.system.kind, s.system.name))
    if metric.level == "set":
        by_name = {s.system.name: s for s in compared}
        rows = [row for a, b in _pairs(by_name, against) for row in _set_rows(metric.name, by_name[a], by_name[b], context)]
    else:
        names = [s.system.name for s in compared if metric.name in values[s.system.name]]
        arrays, scale = {n: values[n][metric.name] for n in names}, Scale.of(metric.range).difference()
        pairs = _pairs(names, against)
        differences = {(a, b): summarise(arrays[a] - arrays[b], context.table, scale) for a, b in pairs}
        # Both systems on the clips of the difference.
        middles = {(a, b): summarise((arrays[a] + arrays[b]) / 2, context.table) for a, b in pairs}
        context.prepare(differences.values())
        rows = []
        for (a, b), difference in differences.items():
            rows += [
                _row(a, b, q.name, q.estimate, q.n_clips, q.n_classes, level(q.name, middles[a, b], context.table))
                for q in quantities(difference, context)
            ]
    return [row | {"metric": metric.name} for row in rows]


def _pairs(names: Iterable[str], against: str | None) -> list[tuple[str, str]]:
    if against is None:
        return list(combinations(names, 2))
    listed = list(names)
    return [(name, against) for name in listed if name != against] if against in listed else []


def _row(a: str, b: str, quantity: str, estimate: Estimate, n_clips: int, n_classes: int, level: float = math.nan) -> Row:
    difference, interval = estimate
    return {
        "quantity": quantity,
        "system_a": a,
        "system_b": b,
        "difference": difference,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "se": interval.se,
        "df": interval.df,
        "level": level,
        "p_value": t_test_p(difference, interval),
        "n_clips": n_clips,
        "n_classes": n_classes,
        "reason": interval.reason,
    }


def level(quantity: str, middle: Summary, table: ClassTable) -> float:
    """A quantity of the mean of two systems; NaN for gap and slope."""
    if quantity == ALL:
        counts = middle.clip_counts.sum()
        return float(middle.clip_sums.sum() / counts) if counts else math.nan
    names = [s.name for s in table.strata]
    if quantity not in (CLASSES, *names):
        return math.nan
    classes = middle.defined & (table.stratum == names.index(quantity) if quantity in names else True)
    return float(middle.class_means[classes].mean()) if classes.any() else math.nan


def quantities(difference: Summary, context: Context) -> Iterator[Quantity]:
    """What is compared, in this order: all clips, all classes, each stratum, head-tail gap, slope."""
    table, defined = context.table, difference.defined
    n_clips = int((difference.clip_counts > 0).sum())
    yield Quantity(ALL, micro(difference, context), n_clips, int(defined.sum()))
    yield _over_classes(CLASSES, macro(difference, defined, context), difference, defined)
    members = [(table.stratum == i) & defined for i in range(len(table.strata))]
    for i, stratum in enumerate(table.strata):
        yield _over_classes(stratum.name, macro(difference, table.stratum == i, context), difference, members[i])
    head, tail = (members[i] for i in head_and_tail(table))
    yield _over_classes("gap_head_tail", gap(difference, context), difference, head | tail)
    yield _over_classes("slope", slope(difference, context), difference, defined)


def _over_classes(name: str, estimate: Estimate, difference: Summary, classes: Bools) -> Quantity:
    return Quantity(name, estimate, difference.n_clips(classes), int(classes.sum()))


def _set_rows(metric: str, a: SystemScores, b: SystemScores, context: Context) -> Iterator[Row]:
    """Differences of a set metric over all clips and in each stratum, where both systems have a value."""
    by_stratum = [_by_stratum(s.set_values, metric) for s in (a, b)]
    table = context.table
    classes = {s.name: int((table.stratum == i).sum()) for i, s in enumerate(table.strata)} | {ALL: len(table.labels)}
    for stratum in (ALL, *(s.name for s in table.strata)):
        if all(stratum in rows and np.isfinite(rows[stratum]["value"]) for rows in by_stratum):
            row_a, row_b = by_stratum[0][stratum], by_stratum[1][stratum]
            interval = _set_interval(row_a, row_b, a.seed == b.seed)
            estimate = Estimate(float(row_a["value"] - row_b["value"]), interval)
            n_clips = min(int(row_a["n_clips"]), int(row_b["n_clips"]))
            yield _row(a.system.name, b.system.name, stratum, estimate, n_clips, classes[stratum])


def _by_stratum(set_values: pd.DataFrame, metric: str) -> dict[str, Row]:
    rows = set_values[set_values["metric"] == metric].to_dict("records")
    return {str(row["stratum"]): {str(k): v for k, v in row.items()} for row in rows}


def _set_interval(a: Row, b: Row, same_groups: bool) -> Interval:
    if not same_groups:
        return no_interval("scored with different seeds, so the jackknife left out different groups of clips")
    if len(a["replicates"]) == 0 or len(a["replicates"]) != len(b["replicates"]):
        return no_interval("no common jackknife groups")
    return paired_jackknife(a["value"], a["replicates"], b["value"], b["replicates"])
