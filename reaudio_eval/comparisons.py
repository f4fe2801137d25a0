"""Paired comparisons of systems: the same prompts, the difference taken on each clip before anything is averaged.

p-values of clip- and label-level metrics are sign-flip tests (``stats.sign_flip_p``) over clips for "all" and over classes for the
rest; those of set metrics are t tests on the paired jackknife. Holm's correction runs over all pairs and quantities of a metric.
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
from reaudio_eval.summaries import Context, Row, gap, head_and_tail, macro, micro

ALL = "all"


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
        rows = _value_rows([(a, b, values[a][metric.name] - values[b][metric.name]) for a, b in combinations(names, 2)], context)
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
    """What is compared, in the order: all clips, each stratum, head-tail gap, slope."""
    table, defined = context.table, difference.defined
    everyone = np.ones(len(table.labels), dtype=bool)
    n_clips, n_values = int((difference.clip_counts > 0).sum()), max(1.0, float(difference.clip_counts.sum()))
    yield _Quantity(
        ALL, *micro(difference, context), "clips", difference.clip_sums / n_values, n_clips, int(defined.sum())
    )
    for i, stratum in enumerate(table.strata):
        yield _class_quantity(stratum.name, macro(difference, table.stratum == i, context), table.stratum == i, difference)
    yield _class_quantity("gap_head_tail", gap(difference, context), np.isin(table.stratum, head_and_tail(table)), difference)
    yield _class_quantity("slope", _slope(difference, context), everyone, difference)


def _slope(difference: Summary, context: Context) -> tuple[float, Interval]:
    table, chosen = context.table, difference.defined
    x, d = table.log_count[chosen], difference.class_means[chosen]
    weights = difference.class_counts[chosen].astype(np.float64)
    return trends.class_interval(lambda c: trends.slope(c, x, d, weights), table.names(chosen), context.class_draws)
