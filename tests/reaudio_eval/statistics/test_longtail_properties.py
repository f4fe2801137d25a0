"""The analysis on a noisy long tail: orders, other systems, agreement with pandas, gains found and not found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from analysis_worlds import (
    CLAP,
    DATA,
    EXACT,
    FRAMES,
    KEYS,
    N_CLIPS,
    STRATA,
    TINY,
    TINY_STRATA,
    analyse,
    analysis,
    noisy_system,
    pick,
    system,
    systems,
)
from scipy import stats as sps

from reaudio_eval.clips.system import SystemInfo, SystemKind
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.estimates import EQUAL, NO_SPREAD


def assert_same(frame: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    ordered = [f.sort_values(keys).reset_index(drop=True) for f in (frame, expected)]
    pd.testing.assert_frame_equal(*ordered, rtol=EXACT, atol=EXACT)


def test_no_order_changes_a_number(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    shuffled = [
        dataclasses.replace(s, scores=s.scores.sample(frac=1, random_state=i), set_values=s.set_values.iloc[::-1])
        for i, s in enumerate(reversed(systems))
    ]
    other = analyse(shuffled, dataclasses.replace(DATA, prompts=DATA.prompts[::-1]), STRATA)
    for name in FRAMES:
        assert_same(getattr(other, name), getattr(analysis, name), KEYS[name])
    assert other.alerts == analysis.alerts


def test_another_system_changes_no_number_of_the_others(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    more = analyse([noisy_system("c", 0.2), *systems], DATA, STRATA)
    for name in set(FRAMES) - {"paired"}:
        frame = getattr(more, name)
        assert_same(frame[frame["system"] != "c"] if "system" in frame else frame, getattr(analysis, name), KEYS[name])
    old = more.paired[(more.paired["system_a"] != "c") & (more.paired["system_b"] != "c")]
    corrections = ["p_holm", "detectable"]  # which depend on the number of tests
    assert_same(old.drop(columns=corrections), analysis.paired.drop(columns=corrections), KEYS["paired"])
    assert len(more.paired) == 2 * len(analysis.paired)  # 6 pairs instead of 3


def test_strata_are_macro_and_overall_is_micro(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    """Against a computation with pandas alone."""
    own = systems[0].scores.query("metric == 'clap_score'").set_index("clip_id")["value"]
    pairs = pd.DataFrame(
        [(p.clip_id, label) for p in DATA.prompts if p.labels_known for label in set(p.labels)], columns=["c", "l"]
    )
    classes = pairs.assign(v=pairs["c"].map(own)).groupby("l")["v"].mean()
    expected = classes.groupby(lambda label: next(s.name for s in STRATA if s.contains(DATA.n_train(label)))).mean()
    rows = analysis.by_stratum.query("system == 'b' and metric == 'clap_score'").set_index("stratum")
    assert rows["value"].to_dict() == pytest.approx(expected.to_dict())
    assert pick(analysis.overall, system="b", metric="clap_score")["value"] == pytest.approx(own.mean())
    assert pick(analysis.overall, system="b", metric="clap_score")["n_clips"] == N_CLIPS  # untrusted labels count here


def test_methods_are_named(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    assert pick(analysis.overall, system="a", metric="clap_score")["ci_method"] == "clips as a sample"
    rows = analysis.by_stratum.query("system == 'a' and metric == 'clap_score'").set_index("stratum")
    assert rows["n_classes"].to_dict() == {"100+": 14, "10-99": 17, "1-9": 7, "zero-shot": 2}
    assert set(rows["ci_method"]) == {"mixed model over classes and clips"}
    fixed = analyse(systems, DATA, STRATA, estimand="fixed-classes")
    rows = fixed.by_stratum.query("system == 'a' and metric == 'clap_score'")
    assert set(rows["ci_method"]) == {"mixed model over clips, classes as they are"}
    assert fixed.by_stratum["value"].equals(analysis.by_stratum["value"])
    assert fixed.overall.equals(analysis.overall)  # over clips: nothing to do with classes


def test_the_paired_difference_is_the_difference_of_the_parts(analysis: LongtailAnalysis) -> None:
    def difference(frame: pd.DataFrame, **cells: str) -> float:
        return float(pick(frame, system="a", **cells)["value"] - pick(frame, system="b", **cells)["value"])

    for metric in ("clap_score", "label_recall_panns"):
        rows = analysis.paired.query("metric == @metric and system_a == 'a' and system_b == 'b'").set_index("quantity")
        assert list(rows.index) == ["all", "classes", *(s.name for s in STRATA), "gap_head_tail", "slope"]
        assert rows.loc["all", "difference"] == pytest.approx(difference(analysis.overall, metric=metric))
        for s in STRATA:
            assert rows.loc[s.name, "difference"] == pytest.approx(
                difference(analysis.by_stratum, metric=metric, stratum=s.name)
            )
        for name, statistic in (("classes", "macro"), ("gap_head_tail", "gap_head_tail")):
            expected = difference(analysis.trend, metric=metric, statistic=statistic)
            assert rows.loc[name, "difference"] == pytest.approx(expected)
        assert ((rows["ci_low"] < rows["difference"]) & (rows["difference"] < rows["ci_high"])).all()


def test_real_audio_is_compared_and_noise_is_not(analysis: LongtailAnalysis) -> None:
    pairs = set(zip(analysis.paired["system_a"], analysis.paired["system_b"], strict=True))
    assert pairs == {("a", "b"), ("a", "real"), ("b", "real")}


def test_holm_runs_over_the_confirmatory_family_and_over_each_metric_of_the_others(analysis: LongtailAnalysis) -> None:
    groups = analysis.paired["metric"].where(analysis.paired["family"] != "confirmatory", "")
    for _, rows in analysis.paired.groupby([analysis.paired["family"], groups]):
        smallest = rows.loc[rows["p_value"].idxmin()]
        n_tests = rows["p_value"].notna().sum()
        assert smallest["p_holm"] == pytest.approx(min(1.0, n_tests * smallest["p_value"]))
    tested = analysis.paired.dropna(subset=["p_value"])
    assert (tested["p_holm"] >= tested["p_value"]).all()


def test_a_uniform_gain_is_found_everywhere_but_in_gap_and_slope() -> None:
    a = noisy_system("a", 0.3)
    clap = a.scores["metric"] == "clap_score"
    rng = np.random.default_rng(1)
    better = a.scores.assign(value=a.scores["value"] + np.where(clap, 0.05 + rng.normal(0, 0.02, len(clap)), 0.0))
    b = dataclasses.replace(a, system=SystemInfo("b", "generated", 0), scores=better)
    rows = analyse([a, b], DATA, STRATA).paired.query("metric == 'clap_score'").set_index("quantity")
    assert rows.loc[["all", "classes", "100+", "10-99"], "p_value"].max() < 1e-6
    assert rows.loc[["gap_head_tail", "slope"], "p_value"].min() > 0.05
    recall = analyse([a, b], DATA, STRATA).paired.query("metric == 'label_recall_panns'")
    assert (recall["difference"] == 0).all()
    assert recall["p_value"].isna().all()
    assert set(recall["reason"]) == {EQUAL, NO_SPREAD}


def test_a_tail_that_a_system_lifts_shows_in_gap_and_slope() -> None:
    a = noisy_system("a", 0.3)
    lift = {p.clip_id: 0.2 if min(map(DATA.n_train, p.labels)) < 100 else 0.0 for p in DATA.prompts}
    clap = a.scores["metric"] == "clap_score"
    lifted = a.scores.assign(value=a.scores["value"] + np.where(clap, a.scores["clip_id"].map(lift), 0.0))
    b = dataclasses.replace(a, system=SystemInfo("b", "generated", 0), scores=lifted)
    strata = strata_scheme("100", DATA.train_counts)
    rows = analyse([a, b], DATA, strata).paired.query("metric == 'clap_score'").set_index("quantity")
    assert rows.loc["gap_head_tail", "difference"] > 0.02
    assert rows.loc["gap_head_tail", "p_value"] < 0.01
    assert rows.loc["slope", "ci_low"] > 0
    assert rows.loc["slope", "p_value"] < 0.01


def test_only_common_clips_are_compared() -> None:
    a, b = noisy_system("a", 0.3), noisy_system("b", 0.3)
    a.scores.loc[(a.scores["clip_id"] == "c000") & (a.scores["metric"] == "clap_score"), "value"] = np.nan
    b.scores.loc[(b.scores["clip_id"] == "c001") & (b.scores["metric"] == "clap_score"), "value"] = np.inf
    result = analyse([a, b], DATA, STRATA)
    assert pick(result.paired, metric="clap_score", quantity="all")["n_clips"] == N_CLIPS - 2
    assert pick(result.overall, system="b", metric="clap_score")["n_clips"] == N_CLIPS - 1
    own = [s.scores.query("metric == 'clap_score' and clip_id not in ['c000', 'c001']")["value"].mean() for s in (a, b)]
    assert pick(result.paired, metric="clap_score", quantity="all")["difference"] == pytest.approx(own[0] - own[1])


def test_normalised_puts_noise_at_0_and_real_audio_at_1(analysis: LongtailAnalysis) -> None:
    for frame in (analysis.by_stratum, analysis.per_class):
        clap = frame[frame["metric"] == "clap_score"]
        assert clap.loc[clap["system"] == "noise", "normalised"].dropna().abs().max() == 0
        assert clap.loc[clap["system"] == "real", "normalised"].dropna().to_numpy() == pytest.approx(1)
    cells = {"metric": "clap_score", "stratum": "100+"}
    value, real, noise = (pick(analysis.by_stratum, system=n, **cells)["value"] for n in ("a", "real", "noise"))
    assert pick(analysis.by_stratum, system="a", **cells)["normalised"] == pytest.approx((value - noise) / (real - noise))


def test_normalised_is_undefined_where_the_judge_does_not_prefer_real_audio() -> None:
    def constant(name: str, kind: SystemKind, **by_clip: float) -> SystemScores:
        return system(name, {CLAP: by_clip}, kind=kind)

    result = analyse(
        [
            constant("g", "generated", c1=0.4, c2=0.4, c3=0.4),
            constant("real", "real", c1=0.9, c2=0.1, c3=0.0),
            constant("noise", "noise", c1=0.1, c2=0.1, c3=0.1),
        ],
        TINY,
        TINY_STRATA,
    )
    own = result.per_class[result.per_class["system"] == "g"].set_index("label")["normalised"]
    assert own["dog"] == pytest.approx(0.3 / 0.8)
    assert own[["bell", "alien"]].isna().all()  # no distance, and noise above real audio
