"""Sentences of the verdict: significance by paired tests only."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest
from reaudio_eval.evaluations.longtail.verdict import losses, sentences

from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.separation import overall_separation, separate

UP = MetricInfo("m", "M", "clip", True, "", "e")
DOWN = replace(UP, higher_is_better=False)
VALUES = {"A": 0.5, "B": 0.4, "C": 0.3}


def pairs(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["system_a", "system_b", "difference", "p_holm"])
    return frame.assign(metric="m", quantity="all", detectable=0.07)


def test_best_is_separated_from_every_other() -> None:
    found = separate(VALUES, pairs(("A", "B", 0.1, 0.01), ("C", "A", -0.2, 0.001)), UP, "all")
    assert found.leader == "A"
    assert set(found.beaten) == {"B", "C"}
    assert [found.mark(s) for s in "ABC"] == ["best", "", ""]


def test_within_noise_is_marked_only_if_another_is_separated() -> None:
    found = separate(VALUES, pairs(("A", "B", 0.1, 0.3), ("A", "C", 0.2, 0.001)), UP, "all")
    assert [found.mark(s) for s in "ABC"] == ["near", "near", ""]
    none = separate(VALUES, pairs(("A", "B", 0.1, 0.3), ("A", "C", 0.2, 0.9)), UP, "all")
    assert [none.mark(s) for s in "ABC"] == ["", "", ""]
    assert none.detectable == 0.07


def test_lower_is_better() -> None:
    found = separate(VALUES, pairs(("A", "C", 0.2, 0.01), ("B", "C", 0.1, 0.01)), DOWN, "all")
    assert found.leader == "C"
    assert set(found.beaten) == {"A", "B"}


def test_a_test_that_points_the_other_way_separates_nothing() -> None:
    found = separate(VALUES, pairs(("A", "B", -0.1, 0.01), ("A", "C", 0.2, 0.01)), UP, "all")
    assert found.within_noise == ("B",)


@pytest.mark.parametrize("p", [math.nan, None])
def test_no_test_is_not_within_noise(p: float | None) -> None:
    rows = pairs(("A", "C", 0.2, 0.01)) if p is None else pairs(("A", "B", 0.1, p), ("A", "C", 0.2, 0.01))
    found = separate(VALUES, rows, UP, "all")
    assert found.untested == ("B",)
    assert [found.mark(s) for s in "ABC"] == ["near", "", ""]


def test_undefined_values_do_not_lead() -> None:
    assert separate({"A": math.nan, "B": 0.1}, pairs(), UP, "all").leader == "B"
    assert separate({"A": math.nan}, pairs(), UP, "all").leader is None


def with_p(analysis: LongtailAnalysis, p: float) -> LongtailAnalysis:
    """Every test of the primary metric has this p-value and points the way of the overall values."""
    overall = analysis.overall.set_index(["system", "metric"])["value"]
    paired = analysis.paired[analysis.paired["metric"] == analysis.primary].copy()
    paired["difference"] = [
        overall[a, analysis.primary] - overall[b, analysis.primary]
        for a, b in zip(paired["system_a"], paired["system_b"], strict=True)
    ]
    return replace(analysis, paired=paired.assign(p_holm=p))


def test_sentences_are_honest_without_significance(analysis: LongtailAnalysis) -> None:
    text = " ".join(sentences(with_p(analysis, 0.7)))
    assert "it is not significantly different from any of the other 6 systems" in text
    assert "would probably not be detected" in text
    assert "The losses of the systems are not significantly different (paired tests)." in text


def test_sentences_name_a_clear_leader(analysis: LongtailAnalysis) -> None:
    clear = with_p(analysis, 0.001)
    leader = overall_separation(clear, clear.metric("clap_score")).leader
    text = " ".join(sentences(clear))
    assert f"<b>{leader}</b> has the highest CLAP score" in text
    assert "significantly different from all 6 other systems" in text
    assert "The losses are significantly different in 21 of 21 pairs of systems (paired tests)." in text


def test_no_significance_and_no_test_are_distinguished(analysis: LongtailAnalysis) -> None:
    some = with_p(analysis, 0.001)
    leader = overall_separation(some, some.metric("clap_score")).leader
    paired = some.paired.copy()
    with_leader = (paired["quantity"] == "all") & ((paired["system_a"] == leader) | (paired["system_b"] == leader))
    paired.loc[with_leader & (paired["system_a"] == "Tango"), "p_holm"] = 0.4
    paired.loc[with_leader & (paired["system_a"] == "AudioGen"), "p_holm"] = math.nan
    text = " ".join(sentences(replace(some, paired=paired)))
    assert (
        "It is significantly different from 4 of 6 other systems and not significantly different from <b>Tango</b>" in text
    )
    assert "<b>AudioGen</b> could not be tested." in text


def test_sentences_without_tests(analysis: LongtailAnalysis) -> None:
    text = " ".join(sentences(replace(analysis, paired=analysis.paired.iloc[:0])))
    assert "no paired test could be made" in text


def test_losses_point_one_way(analysis: LongtailAnalysis) -> None:
    """Positive is worse on the tail, whatever the direction of the metric."""
    for metric in analysis.metrics[:3]:
        cells = analysis.by_stratum.set_index(["system", "metric", "stratum"])["value"]
        sign = 1 if metric.higher_is_better else -1
        for loss in losses(analysis, metric):
            if math.isfinite(loss.value):
                gap = cells[loss.system, metric.name, "head"] - cells[loss.system, metric.name, "tail"]
                assert loss.value == sign * gap
                assert loss.ci_low <= loss.value <= loss.ci_high


def test_undefined_loss_gives_its_reason(analysis: LongtailAnalysis) -> None:
    text = " ".join(sentences(replace(analysis, primary="fad_vggish")))
    assert "has the lowest FAD (VGGish)" in text
    assert "The loss from head to tail is undefined. A set metric has no value per class." in text


def test_loss_without_an_interval_is_not_called_significant(analysis: LongtailAnalysis) -> None:
    gap = analysis.trend["statistic"] == "gap_head_tail"
    trend = analysis.trend.copy()
    trend.loc[gap, ["ci_low", "ci_high"]] = math.nan
    trend.loc[gap, "reason"] = "2 classes are too few"
    text = " ".join(sentences(replace(analysis, trend=trend)))
    assert "has no interval: 2 classes are too few." in text
    one = gap & (trend["system"] != "Tango")
    trend.loc[one, ["ci_low", "ci_high"]] = [[0.01, 0.5]]
    text = " ".join(sentences(replace(analysis, trend=trend)))
    assert "its interval is above zero for 6 of 7 systems, and 1 has no interval." in text
