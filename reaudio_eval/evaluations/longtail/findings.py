"""Accessible titles of the figures, and the shape of the tail."""

from __future__ import annotations

import math

from reaudio_eval.frames.rows import records
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.text import count, decimals, interval, listing, number
from reaudio_eval.reports.views import metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

SHAPES = {
    "gini": "Gini coefficient of the training counts",
    "imbalance_ratio": "imbalance ratio (most to least frequent class)",
    "n_classes_train": "classes with training clips",
    "n_classes_test": "classes with test clips",
}


def histogram(analysis: LongtailAnalysis) -> str:
    """Title of the label histogram: classes of each stratum."""
    titles = stratum_titles(analysis.strata)
    sizes = [
        f"{count(row.n_classes_train, 'class', 'classes')} {titles[row.stratum]}" for row in records(analysis.strata_sizes)
    ]
    if analysis.labels.empty or not sizes:
        return "No class has a training count."
    top = max(records(analysis.labels), key=lambda row: row.n_train)
    return (
        f"Training clips per class fall from {count(top.n_train, 'clip')} ({top.name}) over {len(analysis.labels):,} "
        f"classes: {listing(sizes)}."
    )


def frequency(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    """Title of the frequency figure: the slope of each system."""
    rows = analysis.trend[(analysis.trend["metric"] == metric.name) & (analysis.trend["statistic"] == "slope")]
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return f"{metric.title} of every class against its number of training clips."
    digits = metric_decimals(analysis, metric) + 1
    slopes = [f"{r.system} {number(r.value, digits, sign=True)} {interval(r.ci_low, r.ci_high, digits)}".strip()
              for r in records(rows)]  # fmt: skip
    return f"Change of {metric.title} for ten times as many training clips: {listing(slopes)}."


def strata(analysis: LongtailAnalysis, metric: MetricInfo) -> str:
    """Title of the strata figure: the range of the generated systems in each stratum."""
    generated = {s.name for s in analysis.systems if s.kind == "generated"}
    rows = analysis.by_stratum[
        (analysis.by_stratum["metric"] == metric.name) & analysis.by_stratum["system"].isin(generated)
    ]
    rows = rows[rows["value"].notna()]
    digits, ranges = metric_decimals(analysis, metric), []
    for stratum in analysis.strata:
        ranked = sorted(
            records(rows[rows["stratum"] == stratum.name]), key=lambda r: r.value, reverse=not metric.higher_is_better
        )
        if ranked:
            worst, best = (f"{r.system} {number(r.value, digits)}" for r in (ranked[0], ranked[-1]))
            ranges.append(f"in {stratum.title} from {worst} to {best}")
    return f"{metric.title} by stratum, from the worst to the best value of a system: {listing(ranges)}."


def tail_shape(analysis: LongtailAnalysis) -> list[tuple[str, str]]:
    """(name, value) of the statistics of the training counts."""
    return [
        (SHAPES.get(name, name.replace("_", " ")), number(value, 0 if float(value).is_integer() else decimals([value])))
        for name, value in analysis.tail_shape.items()
        if math.isfinite(value)
    ]
