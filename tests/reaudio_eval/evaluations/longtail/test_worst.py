"""Worst classes: which systems, order, certainty, sentence, table, figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import synthetic_report

from reaudio_eval.evaluations.longtail.caterpillar import LONGEST, worst_figure
from reaudio_eval.evaluations.longtail.worst import MOST, Worst, finding, worst_classes, worst_frame, worst_table
from reaudio_eval.scores.system_scores import MetricInfo, Range
from reaudio_eval.statistics.analysis import LongtailAnalysis

SHARE = Range(0.0, 1.0)


def with_scores(
    analysis: LongtailAnalysis, predicted: dict[str, tuple[float, float, float]], *, higher: bool = True, mean: float = 0.5
) -> LongtailAnalysis:
    """Classes of every system with these predicted scores and intervals in the first metric; raw means of 0 or 1, of one clip."""
    metric = replace(analysis.metrics[0], higher_is_better=higher, range=SHARE)
    strata = [s.name for s in analysis.strata]
    rows = [
        {
            "system": s.name, "metric": metric.name, "label": label, "name": label.upper(), "n_train": 500 - i, "n_clips": 1,
            "stratum": strata[i % len(strata)], "value": float(not higher), "normalised": np.nan,
            "shrunken": value, "shrunken_low": low, "shrunken_high": high,
        }
        for s in analysis.systems for i, (label, (value, low, high)) in enumerate(predicted.items())
    ]  # fmt: skip
    trend = analysis.trend.copy()
    trend.loc[(trend["metric"] == metric.name) & (trend["statistic"] == "macro"), "value"] = mean
    return replace(analysis, metrics=(metric, *analysis.metrics[1:]), per_class=pd.DataFrame(rows), trend=trend)


FOUR = {"a": (0.6, 0.3, 0.8), "b": (0.2, 0.1, 0.4), "c": (0.45, 0.2, 0.7), "d": (0.3, 0.2, 0.499)}


def first(analysis: LongtailAnalysis) -> Worst:
    return worst_classes(analysis)[0]


def test_only_systems_that_are_evaluated(analysis: LongtailAnalysis) -> None:
    roles = {s.name: s.role for s in analysis.systems}
    found = worst_classes(analysis)
    assert [w.system for w in found] == [name for name, role in roles.items() if role == "system"]
    assert {w.metric.name for w in found} == {analysis.primary}
    real = next(name for name, role in roles.items() if role == "real")
    per_class = analysis.per_class[
        (analysis.per_class["metric"] == analysis.primary) & (analysis.per_class["system"] == real)
    ]
    assert dict(found[0].real) == dict(zip(per_class["label"], per_class["shrunken"], strict=True))


def test_control_alone(small: LongtailAnalysis) -> None:
    changed = tuple(replace(s, role="control") if s.role == "system" else s for s in small.systems)
    assert {w.system for w in worst_classes(replace(small, systems=changed))} == {
        s.name for s in changed if s.role == "control"
    }


def test_worst_first_and_certain_below_the_mean(small: LongtailAnalysis) -> None:
    worst = first(with_scores(small, FOUR))
    assert list(worst.classes["label"]) == ["b", "d", "c", "a"]
    assert worst.certain == ("b", "d")
    text = finding(with_scores(small, FOUR), worst)
    assert text.startswith(f"2 of 4 classes of {worst.system} are worse than the mean of all classes (0.5")
    assert text.endswith("with certainty, by the 95 % interval of the predicted score: B and D.")


def test_lower_is_better(small: LongtailAnalysis) -> None:
    """The other side: highest first, and certain where the interval is above the mean."""
    analysis = with_scores(small, FOUR, higher=False, mean=0.25)
    worst = first(analysis)
    assert list(worst.classes["label"]) == ["a", "c", "d", "b"]
    assert worst.certain == ("a",)
    assert "1 of 4 classes of" in finding(analysis, worst)
    assert "is worse than" in finding(analysis, worst)
    assert finding(analysis, worst).endswith(": A.")


def test_an_interval_that_touches_the_mean_is_not_certain(small: LongtailAnalysis) -> None:
    analysis = with_scores(small, {"a": (0.3, 0.1, 0.5), "b": (0.6, 0.4, 0.8)})
    worst = first(analysis)
    assert worst.certain == ()
    text = finding(analysis, worst)
    assert text.startswith(f"None of 2 classes of {worst.system} is worse than the mean of all classes (0.5")
    assert text.endswith("Raw means of single clips would name unlucky classes, such as A (0.000 in 1 clip).")


def test_real_classes_keep_their_numbers(analysis: LongtailAnalysis) -> None:
    """Every interval and mean of the rows is that of the analysis."""
    frame = worst_frame(analysis)
    merged = frame.merge(analysis.per_class, on=["system", "metric", "label"], suffixes=("", "_"))
    assert len(merged) == len(frame)
    for column in ("value", "shrunken", "shrunken_low", "shrunken_high", "n_clips"):
        assert (merged[column] == merged[f"{column}_"]).all()
    assert (frame.loc[frame["certain"], "shrunken_high"] < frame.loc[frame["certain"], "mean"]).all()
    assert (frame.loc[~frame["certain"], "shrunken_high"] >= frame.loc[~frame["certain"], "mean"]).all()
    assert frame.groupby("system").size().max() <= MOST


def test_without_predicted_scores(small: LongtailAnalysis) -> None:
    older = replace(small, per_class=small.per_class.drop(columns=["shrunken", "shrunken_low", "shrunken_high"]))
    assert worst_classes(older) == []
    nothing = with_scores(small, {"a": (0.5, np.nan, np.nan), "b": (0.5, np.nan, np.nan)})
    assert worst_classes(nothing) == []
    assert worst_classes(synthetic_report.emptied(small)) == []
    assert worst_frame(older).empty


def test_table_says_what_is_certain(small: LongtailAnalysis) -> None:
    analysis = with_scores(small, FOUR)
    view = worst_table(analysis, first(analysis), 0)
    assert [c.title for c in view.columns] == [
        "class", "train", "stratum", "test", "predicted score", "worse than the mean", "mean of its clips", "real audio",
    ]  # fmt: skip
    b, d, c, a = view.groups[0]
    assert (b.head, b.cells[1].text, b.cells[3].text, b.cells[3].interval) == (
        "B",
        "medium 100-999",
        "0.200",
        "[0.100,\xa00.400]",
    )
    assert [row.cells[4].text for row in (b, d, c, a)] == ["with certainty"] * 2 + ["not certain"] * 2


@pytest.mark.parametrize("higher", [True, False])
def test_figure(small: LongtailAnalysis, higher: bool) -> None:
    long = "a very long name of a class, and some more of it"
    scores = FOUR | {long: (0.0 if higher else 1.0, 0.0, 1.0)}
    analysis = with_scores(small, scores, higher=higher, mean=0.5)
    worst = first(analysis)
    figure = worst_figure(analysis, worst).figure
    left, right = figure.axes
    names = [label.get_text() for label in left.get_yticklabels()]
    assert names[0].startswith("A VERY LONG NAME")
    assert len(names[0]) <= LONGEST
    assert names[1:] == [label.upper() for label in worst.classes["label"][1:]]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first is on top
    assert [label.get_text() for label in right.get_yticklabels()] == ["1 clip"] * 5
    bold = [t.get_text() for t in left.get_yticklabels() if t.get_fontweight() == "bold"]
    assert bold == [label.upper() for label in worst.certain]
    low, high = left.get_xlim()
    assert 0 <= low < high <= 1
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[-3:] == ["mean of its clips", "real audio, predicted", "mean of all classes"]
    assert legend[:-3] == [s.title for s in analysis.strata]


def test_no_more_than_so_many(small: LongtailAnalysis) -> None:
    many = {f"c{i:02d}": (0.1 + 0.001 * i, 0.05, 0.2) for i in range(MOST + 5)}
    analysis = with_scores(small, many)
    worst = first(analysis)
    assert len(worst.certain) == MOST + 5
    assert worst_table(analysis, worst, 0).n_rows == MOST
    assert finding(analysis, worst).endswith(f"C{MOST - 1} and 5 more.")


def test_another_metric_where_the_primary_has_no_classes(analysis: LongtailAnalysis) -> None:
    metric: MetricInfo = analysis.metrics[3]
    assert metric.level == "set"
    assert worst_classes(replace(analysis, primary=metric.name))[0].metric == analysis.metrics[0]
