"""Paired comparisons of systems: the same prompts, the difference taken on each clip before anything is averaged.

p-values of clip- and label-level metrics are sign-flip tests (``stats.sign_flip_p``) over clips for "all" and over classes
for the rest; those of set metrics are t tests on the paired jackknife. Holm's correction runs over all pairs and quantities
of a metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval import trends
from reaudio_eval.classes import Bools, Summary, summarise
from reaudio_eval.records import MetricInfo, SystemScores
from reaudio_eval.stats import (
    Floats,
    Interval,
    detectable_difference,
    holm,
    no_interval,
    paired_jackknife,
    sign_flip_p,
    t_test_p,
)
from reaudio_eval.summaries import ALL, Context, Row, gap, head_and_tail, macro, micro


class _Quantity(NamedTuple):
    """A difference, and the signed terms (a value a clip or a class) whose sum it is, for the sign-flip test."""

    name: str
    value: float
    interval: Interval
    unit: Literal["clips", "classes"]
    terms: Floats
    n_clips: int
    n_classes: int


def paired_rows(
    metric: MetricInfo, systems: Sequence[SystemScores], values: Mapping[str, Mapping[str, Floats]], context: Context
) -> list[Row]:
    """Rows of ``LongtailAnalysis.paired`` for one metric: every pair of generated and real systems that have it.

    Args:
        metric: of any level.
        systems: noise is not compared.
        values: system name -> metric name -> array of ``classes.score_arrays``.
        context: classes, strata and draws.
    """
    # A pair is named in an order of its own (generated before real, then by name), not in that of the command line.
    compared = sorted((s for s in systems if s.system.kind != "noise"), key=lambda s: (s.system.kind, s.system.name))
    if metric.level == "set":
        rows = [row for a, b in combinations(compared, 2) for row in _set_rows(metric.name, a, b, context)]
    else:
        names = [s.system.name for s in compared if metric.name in values[s.system.name]]
        arrays = {n: values[n][metric.name] for n in names}
        rows = _value_rows([(a, b, arrays[a] - arrays[b]) for a, b in combinations(names, 2)], context)
    adjusted = holm([row["p_value"] for row in rows])
    return [row | {"metric": metric.name, "p_holm": p} for row, p in zip(rows, adjusted, strict=True)]


def _row(a: str, b: str, quantity: str, value: float, interval: Interval, n_clips: int, n_classes: int) -> Row:
    return {
        "quantity": quantity,
        "system_a": a,
        "system_b": b,
        "difference": value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "detectable": detectable_difference(interval.se, interval.df),
        "n_clips": n_clips,
        "n_classes": n_classes,
        "reason": interval.reason,
    }


def _value_rows(differences: Sequence[tuple[str, str, Floats]], context: Context) -> list[Row]:
    rows: list[Row] = []
    quantities: list[_Quantity] = []
    for a, b, difference in differences:
        for q in _quantities(summarise(difference, context.table), context):
            rows.append(_row(a, b, q.name, q.value, q.interval, q.n_clips, q.n_classes) | {"p_value": np.nan})
            quantities.append(q)
    rngs = {
        "clips": context.clip_draws.rng(("sign flips", *context.table.clip_ids)),
        "classes": context.class_draws.rng(("sign flips", *context.table.labels)),
    }
    for unit, rng in rngs.items():
        tested = [i for i, q in enumerate(quantities) if q.unit == unit and q.interval.reason is None]
        if tested:
            p_values = sign_flip_p(np.column_stack([quantities[i].terms for i in tested]), rng)
            for i, p in zip(tested, p_values, strict=True):
                rows[i]["p_value"] = float(p)
    return rows


def _quantities(difference: Summary, context: Context) -> Iterator[_Quantity]:
    """What is compared, in this order: all clips, each stratum, head-tail gap, slope."""
    table, defined = context.table, difference.defined
    n_clips, n_values = int((difference.clip_counts > 0).sum()), max(1.0, float(difference.clip_counts.sum()))
    clip_terms = difference.clip_sums / n_values
    yield _Quantity(ALL, *micro(difference, context), "clips", clip_terms, n_clips, int(defined.sum()))

    for i, stratum in enumerate(table.strata):
        classes = (table.stratum == i) & defined
        result = macro(difference, table.stratum == i, context)
        yield _over_classes(stratum.name, result, difference, classes, _mean_of(classes))

    head, tail = ((table.stratum == s) & defined for s in head_and_tail(table))
    coefficients = _mean_of(head) - _mean_of(tail)
    yield _over_classes("gap_head_tail", gap(difference, context), difference, head | tail, coefficients, head | tail)

    weights = difference.class_counts.astype(np.float64)
    centred = table.log_count - np.average(table.log_count, weights=weights) if defined.any() else table.log_count
    coefficients = weights * centred / max(float(weights @ centred**2), np.finfo(np.float64).tiny)
    yield _over_classes("slope", _slope(difference, context), difference, defined, coefficients, weights)


def _mean_of(classes: Bools) -> Floats:
    return classes / max(1, int(classes.sum()))


def _over_classes(
    name: str,
    result: tuple[float, Interval],
    difference: Summary,
    classes: Bools,
    coefficients: Floats,
    null_weights: Floats | Bools | None = None,
) -> _Quantity:
    """A quantity ``coefficients @ class differences``. Where its null hypothesis allows a common difference of all
    classes (gap, slope), that difference, fitted with ``null_weights``, is taken out before signs are flipped."""
    d = np.where(difference.defined, difference.class_means, 0.0)
    if null_weights is not None and classes.any():
        d = d - np.average(d, weights=null_weights)
    terms = coefficients * d
    return _Quantity(name, *result, "classes", terms, difference.n_clips(classes), int(classes.sum()))


def _slope(difference: Summary, context: Context) -> tuple[float, Interval]:
    table, chosen = context.table, difference.defined
    x, d = table.log_count[chosen], difference.class_means[chosen]
    weights = difference.class_counts[chosen].astype(np.float64)
    return trends.class_interval(lambda c: trends.slope(c, x, d, weights), table.names(chosen), context.class_draws)


def _set_rows(metric: str, a: SystemScores, b: SystemScores, context: Context) -> Iterator[Row]:
    """Differences of a set metric over all clips and in each stratum, where both systems have a value."""
    found = [_by_stratum(s.set_values, metric) for s in (a, b)]
    table = context.table
    classes = {s.name: int((table.stratum == i).sum()) for i, s in enumerate(table.strata)} | {ALL: len(table.labels)}
    for stratum in (ALL, *(s.name for s in table.strata)):
        if all(stratum in rows and np.isfinite(rows[stratum]["value"]) for rows in found):
            row_a, row_b = found[0][stratum], found[1][stratum]
            difference = float(row_a["value"] - row_b["value"])
            interval = _set_interval(row_a, row_b)
            n_clips = min(int(row_a["n_clips"]), int(row_b["n_clips"]))
            row = _row(a.system.name, b.system.name, stratum, difference, interval, n_clips, classes[stratum])
            yield row | {"p_value": t_test_p(difference, interval)}


def _by_stratum(set_values: pd.DataFrame, metric: str) -> dict[str, Row]:
    rows = set_values[set_values["metric"] == metric].to_dict("records")
    return {str(row["stratum"]): {str(k): v for k, v in row.items()} for row in rows}


def _set_interval(a: Row, b: Row) -> Interval:
    if len(a["replicates"]) == 0 or len(a["replicates"]) != len(b["replicates"]):
        return no_interval("no common jackknife groups")
    return paired_jackknife(a["value"], a["replicates"], b["value"], b["replicates"])
