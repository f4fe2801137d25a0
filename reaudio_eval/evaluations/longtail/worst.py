"""Classes with the worst predicted scores of a system."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from reaudio_eval.clips.roles import asked
from reaudio_eval.frames.rows import lookup, records
from reaudio_eval.prompts.strata import stratum_titles
from reaudio_eval.reports.listen import ranking_metric
from reaudio_eval.reports.text import count, interval, listing, number
from reaudio_eval.reports.views import Cell, Column, Row, TableView, arrow, metric_decimals
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis

MOST = 24  # classes that are shown, and named in a sentence
SHRUNKEN = ("shrunken", "shrunken_low", "shrunken_high")


class Worst(NamedTuple):
    """The classes of a system by predicted score.

    Attributes:
        system: its name. metric: of the scores.
        classes: rows of ``per_class`` with a predicted score, worst first.
        mean: of all classes.
        certain: labels of the classes whose 95 % interval lies on the worse side of ``mean``, worst first.
        real: label -> predicted score of the real audio, where there is one.
    """

    system: str
    metric: MetricInfo
    classes: pd.DataFrame
    mean: float
    certain: tuple[str, ...]
    real: Mapping[str, float]

    @property
    def shown(self) -> pd.DataFrame:
        """The worst ``MOST``."""
        return self.classes.head(MOST)


def worst_classes(analysis: LongtailAnalysis) -> list[Worst]:
    """For each system that the report is about, in the primary metric (of clips or labels); those without predicted scores are left out.
    A neutral metric has no worst."""
    metric = ranking_metric(analysis)
    frame = analysis.per_class
    if (
        metric is None or metric.neutral or not set(SHRUNKEN) <= set(frame.columns)
    ):  # a run of an earlier version, or given tables
        return []
    frame = frame[(frame["metric"] == metric.name) & frame["shrunken"].notna()]
    real = next((s.name for s in analysis.systems if s.role == "real"), None)
    of_real = {r.label: r.shrunken for r in records(frame[frame["system"] == real])}
    means = {
        s: r.value for (s, m, n), r in lookup(analysis.trend, "system", "metric", "statistic").items()
        if (m, n) == (metric.name, "macro")
    }  # fmt: skip
    found = []
    for system in asked(analysis.systems):
        rows = frame[frame["system"] == system.name]
        mean = means.get(system.name, math.nan)
        if len(rows) and rows["shrunken_low"].notna().any() and math.isfinite(mean):
            found.append(_worst(system.name, metric, rows, mean, of_real))
    return found


def _worst(system: str, metric: MetricInfo, rows: pd.DataFrame, mean: float, real: Mapping[str, float]) -> Worst:
    higher = metric.higher_is_better
    rows = rows.sort_values(["shrunken", "n_train", "label"], ascending=[higher, False, True], ignore_index=True)
    certain = rows["shrunken_high"] < mean if higher else rows["shrunken_low"] > mean
    return Worst(system, metric, rows, mean, tuple(rows.loc[certain, "label"]), real)


def finding(analysis: LongtailAnalysis, worst: Worst) -> str:
    """How many classes are worse than the mean of all with certainty, and which."""
    digits = metric_decimals(analysis, worst.metric)
    mean = f"the mean of all classes ({number(worst.mean, digits)})"
    rows = worst.classes
    of = f"of {count(len(rows), 'class', 'classes')}"
    if worst.certain:
        names = list(rows.loc[rows["label"].isin(worst.certain), "name"])
        more = [f"{len(names) - MOST} more"] if len(names) > MOST else []
        verb = "is" if len(names) == 1 else "are"
        return (
            f"{len(names)} {of} of {worst.system} {verb} worse than {mean} with certainty, by the 95 % interval of the predicted score: "
            f"{listing([*names[:MOST], *more])}."
        )
    return (
        f"None {of} of {worst.system} is worse than {mean} with certainty: every 95 % interval of a predicted score reaches it. Raw means "
        f"of single clips would name unlucky classes, such as {_unlucky(worst, digits)}."
    )


def _unlucky(worst: Worst, digits: int) -> str:
    """The class with the worst raw mean; of several that with the fewest clips."""
    sign = 1 if worst.metric.higher_is_better else -1
    row = min(records(worst.classes), key=lambda r: (sign * r.value, r.n_clips))
    return f"{row.name} ({number(row.value, digits)} in {count(row.n_clips, 'clip')})"


def worst_table(analysis: LongtailAnalysis, worst: Worst, position: int) -> TableView:
    """The classes of the figure; ``position`` of the system, for the name of the table."""
    digits, titles = metric_decimals(analysis, worst.metric), stratum_titles(analysis.strata)
    rows = []
    for r in records(worst.shown):
        predicted = Cell(number(r.shrunken, digits), interval(r.shrunken_low, r.shrunken_high, digits))
        counts = (Cell(f"{r.n_train:,.0f}"), Cell(titles[r.stratum], css="text"), Cell(f"{r.n_clips:,.0f}"))
        real = (Cell(number(worst.real.get(r.label, math.nan), digits)),) if worst.real else ()
        certain = Cell("with certainty" if r.label in worst.certain else "not certain", css="text")
        rows.append(Row(r.name, (*counts, predicted, certain, Cell(number(r.value, digits)), *real)))
    columns = [
        Column("class"), Column("train"), Column("stratum", text=True), Column("test"),
        Column("predicted score", "95 % interval", arrow(worst.metric)),
        Column("worse than the mean", number(worst.mean, digits), text=True), Column("mean of its clips"),
    ]  # fmt: skip
    if worst.real:
        columns.append(Column("real audio", "predicted"))
    return TableView(
        f"worst-{position}",
        f"{worst.metric.title} of {worst.system}: the {count(len(rows), 'class', 'classes')} with the worst predicted score",
        tuple(columns),
        (tuple(rows),),
    )


def worst_frame(analysis: LongtailAnalysis) -> pd.DataFrame:
    """The classes of every figure as rows, for a file; ``certain``: whether the class is worse than the mean with certainty."""
    columns = ["system", "metric", "label", "name", "n_train", "stratum", "n_clips", "value", *SHRUNKEN]
    frames: list[Any] = [
        worst.shown[columns].assign(mean=worst.mean, certain=worst.shown["label"].isin(worst.certain))
        for worst in worst_classes(analysis)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*columns, "mean", "certain"])
