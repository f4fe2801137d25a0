"""Rows of the analysis that describe one metric of one system."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats as sps

from reaudio_eval import trends
from reaudio_eval.classes import Bools, ClassTable, Summary, summarise
from reaudio_eval.records import Dataset, MetricInfo, SystemScores
from reaudio_eval.stats import (
    MIN_BOOTSTRAP,
    Draws,
    Floats,
    Interval,
    mean_interval,
    no_interval,
    percentile_interval,
    stratified_jackknife,
    t_interval,
    widened_limits,
)

Row = dict[str, Any]
ALL = "all"  # the stratum of every clip in set values, and that quantity in comparisons
GRID_POINTS = 30
MIN_CURVE = 3  # different training counts


@dataclass(frozen=True)
class Context:
    """What every row of an analysis shares. ``clip_draws`` keeps few tables: each is draws x clips."""

    table: ClassTable
    class_draws: Draws
    clip_draws: Draws


def head_and_tail(table: ClassTable) -> tuple[int, int]:
    """Positions of the strata called head and tail in gaps: the most frequent one, and the rarest that training saw."""
    return 0, len(table.strata) - 2


def micro(summary: Summary, context: Context) -> tuple[float, Interval]:
    """Mean over all values (clips, or clip-label pairs with clips as clusters)."""
    has_value = summary.clip_counts > 0
    sums, counts = summary.clip_sums[has_value], summary.clip_counts[has_value]
    n = len(sums)
    if n == 0:
        return math.nan, no_interval("no clip has a value")
    value = float(sums.sum() / counts.sum())
    if n < MIN_BOOTSTRAP:
        # Linearised: the residuals of a ratio of sums behave like the values of a mean.
        return value, t_interval(value + (sums - value * counts) * n / counts.sum(), "clips")
    names = tuple(c for c, has in zip(context.table.clip_ids, has_value, strict=True) if has)
    drawn = context.clip_draws.counts(names)
    return value, percentile_interval((drawn @ sums) / (drawn @ counts), n - 1, "clips")


def macro(summary: Summary, classes: Bools, context: Context) -> tuple[float, Interval]:
    """Mean over the means of some classes."""
    chosen = classes & summary.defined
    values = summary.class_means[chosen]
    if len(values) == 0:
        reason = "no clip of these classes has a value" if classes.any() else "no class of this stratum is in the test set"
        return math.nan, no_interval(reason)
    return float(values.mean()), mean_interval(values, context.class_draws, context.table.names(chosen))


def over_strata(
    statistic: Callable[[Sequence[Any]], Any], strata: Sequence[int], summary: Summary, context: Context
) -> tuple[float, Interval]:
    """A smooth function of stratum means, resampling classes within each stratum."""
    table = context.table
    chosen = [(table.stratum == s) & summary.defined for s in strata]
    for s, classes in zip(strata, chosen, strict=True):
        if not classes.any():
            return math.nan, no_interval(f"no class of {table.strata[s].name} has a value")
    samples = [summary.class_means[c] for c in chosen]
    value = float(statistic([x.mean() for x in samples]))
    if min(map(len, samples)) < MIN_BOOTSTRAP:
        return value, stratified_jackknife(statistic, samples)
    drawn = [context.class_draws.counts(table.names(c)) @ x / len(x) for c, x in zip(chosen, samples, strict=True)]
    # Welch's lower bound for the degrees of freedom of a combination of means.
    return value, percentile_interval(statistic(drawn), min(map(len, samples)) - 1)


def _interval_cells(value: float, interval: Interval) -> Row:
    return {"value": value, "ci_low": interval.low, "ci_high": interval.high, "reason": interval.reason}


def overall_row(summary: Summary, context: Context) -> Row:
    value, interval = micro(summary, context)
    n_clips = int((summary.clip_counts > 0).sum())
    return _interval_cells(value, interval) | {"ci_method": interval.method, "n_clips": n_clips}


def stratum_rows(summary: Summary, context: Context) -> list[Row]:
    rows = []
    for i, stratum in enumerate(context.table.strata):
        classes = context.table.stratum == i
        value, interval = macro(summary, classes, context)
        row = _interval_cells(value, interval) | {"stratum": stratum.name, "ci_method": interval.method}
        rows.append(row | {"n_classes": int((classes & summary.defined).sum()), "n_clips": summary.n_clips(classes)})
    return rows


def class_rows(summary: Summary, context: Context, names: Mapping[str, str]) -> list[Row]:
    table = context.table
    return [
        {
            "label": table.labels[i],
            "name": names.get(table.labels[i], table.labels[i]),
            "n_train": int(table.n_train[i]),
            "stratum": table.strata[table.stratum[i]].name,
            "n_clips": int(summary.class_counts[i]),
            "value": float(summary.class_means[i]),
        }
        for i in np.flatnonzero(summary.defined)
    ]


def curve_rows(summary: Summary, context: Context) -> list[Row]:
    """Local-linear smooth of class means, every class equal, with a pointwise class-bootstrap band."""
    table, chosen = context.table, summary.defined
    x, y = table.log_count[chosen], summary.class_means[chosen]
    if len(np.unique(x)) < MIN_CURVE:
        return []
    grid = np.linspace(table.log_count.min(), table.log_count.max(), GRID_POINTS)
    value = trends.local_linear(np.ones((1, len(x))), x, y, grid)[0]
    band = np.full((2, GRID_POINTS), np.nan)
    if len(x) >= MIN_BOOTSTRAP:
        drawn = trends.local_linear(context.class_draws.counts(table.names(chosen)), x, y, grid)
        band = np.nanquantile(drawn, sps.norm.cdf(widened_limits(len(x) - 1)), axis=0)
    return [
        {"n_train": 10 ** grid[i] - 1, "value": value[i], "ci_low": band[0, i], "ci_high": band[1, i]}
        for i in range(GRID_POINTS)
    ]


def bin_rows(summary: Summary, context: Context) -> list[Row]:
    """Class means in bins of half a decade of training count ([1, 4), [4, 10), [10, 32), ...) and the unseen classes; a bin
    stands at the geometric mean of its classes' 1 + n_train."""
    table = context.table
    edges = np.ceil(10 ** (np.arange(0, 17) / 2)).astype(np.intp)
    place = np.searchsorted(edges, table.n_train, side="right")
    rows = []
    for b in np.unique(place[summary.defined]):
        classes = place == b
        value, interval = macro(summary, classes, context)
        row = {"value": value, "ci_low": interval.low, "ci_high": interval.high}
        n_classes = int((classes & summary.defined).sum())
        rows.append(row | {"n_train": 10 ** table.log_count[classes].mean() - 1, "n_classes": n_classes})
    return rows


def trend_rows(summary: Summary, metric: MetricInfo, context: Context) -> list[Row]:
    """The one-number statistics of how a score depends on training frequency, in the order of the records' page."""
    table, defined = context.table, summary.defined
    ends = np.isin(table.stratum, head_and_tail(table))
    over_ends = {"gap_head_tail": gap(summary, context), "ratio_tail_head": ratio(summary, context)}
    over_all = _over_classes(summary, metric, context)
    over_all |= {"micro": micro(summary, context), "harmonic_strata": harmonic(summary, metric, context)}
    rows = [(name, result, defined & ends) for name, result in over_ends.items()]
    rows += [(name, result, defined) for name, result in over_all.items()]
    return [
        _interval_cells(*result) | {"statistic": name, "n_classes": int(classes.sum())} for name, result, classes in rows
    ]


def _over_classes(summary: Summary, metric: MetricInfo, context: Context) -> dict[str, tuple[float, Interval]]:
    table, chosen = context.table, summary.defined
    x, y = table.log_count[chosen], summary.class_means[chosen]
    n_train, n_test = table.n_train[chosen].astype(np.float64), summary.class_counts[chosen].astype(np.float64)
    rare_enough = (~table.ubiquitous[chosen]).astype(np.float64)
    smooth: dict[str, trends.Statistic] = {
        "slope": lambda c: trends.slope(c, x, y, n_test),
        "macro": lambda c: trends.weighted_mean(c, y, np.ones(len(y))),
        "frequency_weighted": lambda c: trends.weighted_mean(c, y, n_train),
        "macro_without_ubiquitous": lambda c: trends.weighted_mean(c, y, rare_enough),
    }
    ranked: dict[str, trends.Statistic] = {
        "spearman": lambda c: trends.spearman(c, x, y),
        "kendall": lambda c: trends.kendall(c, x, y),
        "worst_10pct": lambda c: trends.worst_mean(c, y, metric.higher_is_better),
    }
    return {
        name: trends.class_interval(statistic, table.names(chosen), context.class_draws, smooth=name in smooth)
        for name, statistic in (smooth | ranked).items()
    }


def gap(summary: Summary, context: Context) -> tuple[float, Interval]:
    """Mean of the head's classes less mean of the tail's."""
    head, tail = head_and_tail(context.table)
    if head == tail:
        return math.nan, no_interval("the strata do not divide the classes seen in training")
    return over_strata(lambda m: m[0] - m[1], (head, tail), summary, context)


def ratio(summary: Summary, context: Context) -> tuple[float, Interval]:
    """Mean of the tail's classes over mean of the head's, where the latter is positive."""
    head, tail = head_and_tail(context.table)
    if head == tail:
        return gap(summary, context)
    of_head = summary.class_means[(context.table.stratum == head) & summary.defined]
    if len(of_head) and of_head.mean() <= 0:
        return math.nan, no_interval("the head's mean is not positive")
    return over_strata(lambda m: m[1] / m[0], (head, tail), summary, context)


def harmonic(summary: Summary, metric: MetricInfo, context: Context) -> tuple[float, Interval]:
    """Harmonic mean of the strata's macro means: high only where every stratum is."""
    stratum, means = context.table.stratum[summary.defined], summary.class_means[summary.defined]
    present = np.unique(stratum).tolist()
    if not metric.higher_is_better:
        return math.nan, no_interval("a harmonic mean rewards balance only where higher is better")
    if not present:
        return math.nan, no_interval("no class has a value")
    if min(means[stratum == s].mean() for s in present) <= 0:
        return math.nan, no_interval("a stratum's mean is not positive")
    return over_strata(lambda m: len(m) / sum(1 / x for x in m), present, summary, context)


def block(
    system: SystemScores, metric: MetricInfo, values: Floats | None, dataset: Dataset, context: Context
) -> dict[str, list[Row]]:
    """Rows of one metric of one system, by the frame they belong to (without its columns "system" and "metric").

    Args:
        values: array of ``classes.score_arrays``, or None without any.
    """
    if metric.level == "set":
        return _set_block(system, metric.name, context.table)
    if values is None or not np.isfinite(values).any():
        return _undefined_block(_why_undefined(system, metric.name), context.table)
    return _value_block(summarise(values, context.table), metric, dataset, context)


def _why_undefined(system: SystemScores, metric: str) -> str:
    if metric in system.undefined:
        return system.undefined[metric]
    attempted = any(m.name == metric for m in system.metrics)
    return "no clip has a value" if attempted else "not computed for this system"


def _undefined_block(reason: str, table: ClassTable) -> dict[str, list[Row]]:
    empty: Row = {"ci_method": "none", "n_clips": 0, "reason": reason}
    return {"overall": [empty], "by_stratum": [empty | {"stratum": s.name, "n_classes": 0} for s in table.strata]}


def _value_block(summary: Summary, metric: MetricInfo, dataset: Dataset, context: Context) -> dict[str, list[Row]]:
    clip_means = np.divide(
        summary.clip_sums, summary.clip_counts, out=np.full(len(summary.clip_sums), np.nan), where=summary.clip_counts > 0
    )
    by_id = dict(zip(context.table.clip_ids, clip_means.tolist(), strict=True))
    return {
        "overall": [overall_row(summary, context)],
        "by_stratum": stratum_rows(summary, context),
        "per_class": class_rows(summary, context, dataset.label_names),
        "curve": curve_rows(summary, context),
        "bins": bin_rows(summary, context),
        "trend": trend_rows(summary, metric, context),
        "clip_scores": [{"clip_id": p.clip_id, "value": by_id[p.clip_id]} for p in dataset.prompts],
    }


def _set_block(system: SystemScores, metric: str, table: ClassTable) -> dict[str, list[Row]]:
    found = system.set_values[system.set_values["metric"] == metric]
    rows = {str(row["stratum"]): {str(k): v for k, v in row.items()} for row in found.to_dict("records")}
    why = "computed over all clips only" if rows else _why_undefined(system, metric)
    empty: Row = {"ci_method": "none", "n_clips": 0, "reason": why}
    for row in rows.values():
        row["floor_n"] = row["floor_n"] if np.isfinite(row["floor"]) else None
    strata = [
        rows.get(s.name, empty) | {"stratum": s.name, "n_classes": int((table.stratum == i).sum())}
        for i, s in enumerate(table.strata)
    ]
    return {"overall": [rows.get(ALL, empty)], "by_stratum": strata}


def frame(rows: Sequence[Row], columns: Mapping[str, str]) -> pd.DataFrame:
    """A data frame with the given columns and dtypes, also when there is no row."""
    data = {c: pd.Series([row.get(c) for row in rows], dtype=dtype) for c, dtype in columns.items()}
    return pd.DataFrame(data)
