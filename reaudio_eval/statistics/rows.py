"""Rows of the long-tail analysis, of one metric and system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.class_table import ClassTable, Summary
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.curve import curve
from reaudio_eval.statistics.estimates import gap, head_and_tail, macro, micro, ratio, weighted
from reaudio_eval.statistics.intervals import Estimate
from reaudio_eval.statistics.predicted import shrunken, worst_tenth
from reaudio_eval.statistics.trends import slope, spearman

Row = dict[str, Any]
ALL = "all"  # the stratum of every clip in set values, and that quantity in comparisons
CLASSES = "classes"  # the mean over all classes in comparisons


def _cells(estimate: Estimate) -> Row:
    value, interval = estimate
    return {"value": value, "ci_low": interval.low, "ci_high": interval.high, "reason": interval.reason}


def overall_row(summary: Summary, context: Context) -> Row:
    estimate = micro(summary, context)
    n_clips = int((summary.clip_counts > 0).sum())
    return _cells(estimate) | {"ci_method": estimate.interval.method, "n_clips": n_clips}


def stratum_rows(summary: Summary, context: Context) -> list[Row]:
    rows = []
    for i, stratum in enumerate(context.table.strata):
        classes = context.table.stratum == i
        estimate = macro(summary, classes, context)
        row = _cells(estimate) | {"stratum": stratum.name, "ci_method": estimate.interval.method}
        rows.append(row | {"n_classes": int((classes & summary.defined).sum()), "n_clips": summary.n_clips(classes)})
    return rows


def class_rows(summary: Summary, context: Context, names: Mapping[str, str]) -> list[Row]:
    table = context.table
    predicted, low, high = shrunken(summary, context)
    return [
        {
            "label": table.labels[i],
            "name": names.get(table.labels[i], table.labels[i]),
            "n_train": int(table.n_train[i]),
            "stratum": table.strata[table.stratum[i]].name,
            "n_clips": int(summary.class_counts[i]),
            "value": float(summary.class_means[i]),
            "shrunken": float(predicted[i]),
            "shrunken_low": float(low[i]),
            "shrunken_high": float(high[i]),
        }
        for i in np.flatnonzero(summary.defined)
    ]


def curve_rows(summary: Summary, context: Context) -> list[Row]:
    """Points of the smooth of class means on log10(1 + n_train), with a pointwise band."""
    return [
        {"n_train": 10**x - 1, "value": e.value, "ci_low": e.interval.low, "ci_high": e.interval.high}
        for x, e in curve(summary, context)
    ]


def bin_rows(summary: Summary, context: Context) -> list[Row]:
    """Class means in bins of half a decade of training count ([1, 4), [4, 10), [10, 32), ...) and the unseen classes; a bin
    is placed at the geometric mean of 1 + n_train over its classes."""
    table = context.table
    edges = np.ceil(10 ** (np.arange(0, 17) / 2)).astype(np.intp)
    place = np.searchsorted(edges, table.n_train, side="right")
    rows = []
    for b in np.unique(place[summary.defined]):
        classes = place == b
        n_classes = int((classes & summary.defined).sum())
        n_train = 10 ** table.log_count[classes].mean() - 1
        rows.append(_cells(macro(summary, classes, context)) | {"n_train": n_train, "n_classes": n_classes})
    return rows


def trend_rows(summary: Summary, metric: MetricInfo, context: Context) -> list[Row]:
    """Statistics of how a score depends on the training count."""
    table, defined = context.table, summary.defined
    over_ends = {"gap_head_tail": gap(summary, context), "ratio_tail_head": ratio(summary, context)}
    over_all = {
        "slope": slope(summary, context),
        "spearman": spearman(summary, context),
        "worst_10pct": worst_tenth(summary, metric.higher_is_better, context),
        "macro": weighted(summary, np.ones(len(defined)), context),
        "micro": micro(summary, context),
        "frequency_weighted": weighted(summary, table.n_train.astype(np.float64), context),
        "macro_without_ubiquitous": weighted(summary, (~table.ubiquitous).astype(np.float64), context),
    }
    n_ends = int((defined & np.isin(table.stratum, head_and_tail(table))).sum())
    rows = [_cells(e) | {"statistic": name, "n_classes": n_ends} for name, e in over_ends.items()]
    return rows + [_cells(e) | {"statistic": name, "n_classes": int(defined.sum())} for name, e in over_all.items()]


def block(
    system: SystemScores, metric: MetricInfo, summary: Summary | None, dataset: Dataset, context: Context
) -> dict[str, list[Row]]:
    """Rows of one metric of one system, by the frame they belong to (without its columns "system" and "metric").

    Args:
        summary: its values, or None without any.
    """
    if metric.level == "set":
        return _set_block(system, metric.name, context.table)
    if summary is None:
        return _undefined_block(_why_undefined(system, metric.name), context.table)
    return _value_block(summary, metric, dataset, context)


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
    values = system.set_values[system.set_values["metric"] == metric]
    rows = {str(row["stratum"]): {str(k): v for k, v in row.items()} for row in values.to_dict("records")}
    why = "computed over all clips only" if rows else _why_undefined(system, metric)
    empty: Row = {"ci_method": "none", "n_clips": 0, "reason": why}
    for row in rows.values():
        row["floor_n"] = row["floor_n"] if np.isfinite(row["floor"]) else None
    strata = [
        rows.get(s.name, empty) | {"stratum": s.name, "n_classes": int((table.stratum == i).sum())}
        for i, s in enumerate(table.strata)
    ]
    return {"overall": [rows.get(ALL, empty)], "by_stratum": strata}
