"""The analysis worked by hand on three clips, and its rules on small cases."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_worlds import (
    CLAP,
    DATA,
    FRAMES,
    KAD,
    KL,
    RECALL,
    TINY,
    TINY_STRATA,
    analyse,
    analysis,
    noisy_system,
    pick,
    system,
    systems,
    tiny,
)
from scipy import stats as sps

from reaudio_eval.frames.statistics import LONGTAIL_FRAMES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.estimates import EQUAL, NO_SPREAD
from reaudio_eval.statistics.intervals import detectable_difference
from reaudio_eval.statistics.longtail import analyse as analyse_by_default
from reaudio_eval.statistics.thresholds import ALPHA
from reaudio_model.common.errors import ReaudioError

# log10(1 + training clips), averaged over the labels of each clip
CLIP_COUNTS = [np.log10([2001, 151]).mean(), np.log10([2001, 11]).mean(), 0.0]


def test_tiny_labels(tiny: LongtailAnalysis) -> None:
    assert tiny.labels.to_dict("list") == {
        "label": ["speech", "dog", "whale", "bell", "alien"],
        "name": ["Speech", "Dog", "Whale", "Bell", "Alien"],
        "n_train": [2000, 150, 40, 10, 0],
        "n_test": [2, 1, 0, 1, 1],
        "stratum": ["head", "medium", "tail", "tail", "zero-shot"],
    }


def test_tiny_strata_sizes(tiny: LongtailAnalysis) -> None:
    sizes = tiny.strata_sizes.set_index("stratum")
    assert sizes["low"].tolist() == [1000, 100, 1, 0]
    assert sizes["high"].isna().tolist() == [True, False, False, False]
    assert sizes["high"].tolist()[1:] == [1000, 100, 1]
    assert sizes["n_classes_train"].tolist() == [1, 1, 2, 0]
    assert sizes["n_classes_test"].tolist() == [1, 1, 1, 1]
    assert sizes["n_clips_any"].tolist() == [2, 1, 1, 1]
    assert sizes["n_clips_rarest"].tolist() == [0, 1, 1, 1]


def test_tiny_overall(tiny: LongtailAnalysis) -> None:
    row = pick(tiny.overall, system="A", metric="clap_score")
    # mean of 0.6, 0.4, 0.1; sd 0.2516611; t(2) = 4.3026527
    assert row["value"] == pytest.approx(1.1 / 3)
    assert row["ci_low"] == pytest.approx(1.1 / 3 - 4.3026527 * 0.2516611 / np.sqrt(3), abs=1e-6)
    assert row["ci_high"] == pytest.approx(1.1 / 3 + 4.3026527 * 0.2516611 / np.sqrt(3), abs=1e-6)
    assert (row["ci_method"], row["n_clips"], row["reason"]) == ("clips as a sample", 3, None)
    assert np.isnan(row["floor"])
    assert pd.isna(row["floor_n"])

    recall = pick(tiny.overall, system="A", metric="label_recall_panns")
    assert recall["value"] == pytest.approx(2.2 / 5)  # over pairs, not over clips
    # Residuals of the clips: 1.2 - 2 x 0.44, 0.9 - 2 x 0.44, 0.1 - 0.44, each times 3 / 5.
    residuals = 0.6 * np.array([0.32, 0.02, -0.34])
    assert recall["ci_high"] - recall["value"] == pytest.approx(4.3026527 * residuals.std(ddof=1) / np.sqrt(3), abs=1e-6)

    missing = pick(tiny.overall, system="B", metric="label_recall_panns")
    assert (missing["reason"], missing["n_clips"], np.isnan(missing["value"])) == ("needs labels", 0, True)

    kad = pick(tiny.overall, system="A", metric="kad_panns")
    assert [kad[k] for k in LONGTAIL_FRAMES["overall"].names][2:-1] == [2.0, 1.0, 3.0, kad["ci_method"], 3, 0.1, 0.2, 1]


def test_tiny_by_stratum_and_per_class(tiny: LongtailAnalysis) -> None:
    for metric, expected in (("clap_score", [0.5, 0.6, 0.4, 0.1]), ("label_recall_panns", [0.8, 0.3, 0.2, 0.1])):
        rows = tiny.by_stratum[(tiny.by_stratum["system"] == "A") & (tiny.by_stratum["metric"] == metric)]
        assert rows["stratum"].tolist() == ["head", "medium", "tail", "zero-shot"]
        assert rows["value"].tolist() == pytest.approx(expected)
        assert rows["n_classes"].tolist() == [1, 1, 1, 1]
        assert rows["n_clips"].tolist() == [2, 1, 1, 1]
        assert rows["ci_low"].isna().all()
        assert set(rows["reason"]) == {"1 class: an interval needs at least 2"}
        classes = tiny.per_class[(tiny.per_class["system"] == "A") & (tiny.per_class["metric"] == metric)].set_index("label")
        assert classes["value"].to_dict() == pytest.approx(
            dict(zip(["speech", "dog", "bell", "alien"], expected, strict=True))
        )
        assert classes["n_clips"].to_dict() == {"speech": 2, "dog": 1, "bell": 1, "alien": 1}
        assert classes.loc["bell", ["name", "n_train", "stratum"]].tolist() == ["Bell", 10, "tail"]
    assert tiny.per_class["normalised"].isna().all()  # neither real audio nor noise was scored
    tail = pick(tiny.by_stratum, system="A", metric="kad_panns", stratum="tail")
    assert (tail["reason"], tail["n_classes"], np.isnan(tail["value"])) == ("1 clip", 1, True)
    head = pick(tiny.by_stratum, system="A", metric="kad_panns", stratum="head")
    assert head["reason"] == "computed over all clips only"


def test_tiny_trend(tiny: LongtailAnalysis) -> None:
    rows = tiny.trend[(tiny.trend["system"] == "A") & (tiny.trend["metric"] == "clap_score")].set_index("statistic")
    line = sps.linregress(CLIP_COUNTS, [0.6, 0.4, 0.1])
    # The score of a class and one of its clips at random is 0.1, 0.4, 0.6 with probability 2/8, 3/8, 3/8: midranks 1/8, 7/16, 13/16.
    low, middle, high = np.array([1 / 8, 7 / 16, 13 / 16]) - 1 / 2
    rho = (-1.5 * low - 0.5 * middle + 0.5 * high + 1.5 * (middle + high) / 2) / 4
    rho /= np.sqrt((2 * low**2 + 3 * middle**2 + 3 * high**2) / 8 * 1.25)
    assert rows["value"].to_dict() == pytest.approx(
        {
            "slope": line.slope,  # the labels of a clip share its value, so its count is their mean
            "gap_head_tail": 0.1,
            "ratio_tail_head": 0.8,
            "spearman": rho,
            "worst_10pct": 0.4,  # no class is known to be worse: the mean of all
            "macro": 0.4,
            "micro": 1.1 / 3,
            "frequency_weighted": (2000 * 0.5 + 150 * 0.6 + 10 * 0.4) / 2160,
            "macro_without_ubiquitous": np.nan,  # every label is on a third of the clips or more
        },
        nan_ok=True,
    )
    # Four strata leave no residual of three clips, from which the variance of a mean could be estimated.
    means = rows.loc[["macro", "frequency_weighted", "spearman", "worst_10pct"]]
    assert means[["ci_low", "ci_high"]].isna().all(axis=None)
    assert set(means["reason"]) == {NO_SPREAD}
    half = sps.t.ppf(0.975, 1) * line.stderr  # of the line there is one
    assert (rows.loc["slope", "ci_low"], rows.loc["slope", "ci_high"]) == pytest.approx(
        (line.slope - half, line.slope + half)
    )
    assert rows.loc["gap_head_tail", "reason"] == "1 class: an interval needs at least 2"
    assert rows.loc["macro_without_ubiquitous", "reason"] == "no class with a value has a weight"
    assert rows.loc["slope", "reason"] is None
    assert rows.loc["gap_head_tail", "n_classes"] == 2
    assert not (tiny.trend["metric"] == "kad_panns").any()


def test_tiny_paired(tiny: LongtailAnalysis) -> None:
    # A - B on the clips: 0.1, 0.3, -0.2.
    row = pick(tiny.paired, metric="clap_score", quantity="all")
    assert (row["system_a"], row["system_b"], row["n_clips"], row["n_classes"]) == ("A", "B", 3, 4)
    assert row["difference"] == pytest.approx(0.2 / 3)
    low, high = sps.ttest_1samp([0.1, 0.3, -0.2], 0).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert row["p_value"] == pytest.approx(sps.ttest_1samp([0.1, 0.3, -0.2], 0).pvalue)
    assert row["detectable"] == pytest.approx(detectable_difference(sps.sem([0.1, 0.3, -0.2]), 2, ALPHA / 2))  # of two tests

    differences = {
        r["quantity"]: r["difference"] for r in tiny.paired[tiny.paired["metric"] == "clap_score"].to_dict("records")
    }
    assert differences == pytest.approx(
        {
            "all": 0.2 / 3, "classes": 0.1, "head": 0.2, "medium": 0.1, "tail": 0.3, "zero-shot": -0.2, "gap_head_tail": -0.1,
            "slope": np.polyfit(CLIP_COUNTS, [0.1, 0.3, -0.2], 1)[0],
        }
    )  # fmt: skip
    head = pick(tiny.paired, metric="clap_score", quantity="head")
    assert np.isnan(head["p_value"])
    assert (head["reason"], head["n_clips"], head["n_classes"]) == ("1 class: an interval needs at least 2", 2, 1)
    slope = pick(tiny.paired, metric="clap_score", quantity="slope")
    assert 0 < slope["p_value"] <= 1
    p = tiny.paired[(tiny.paired["metric"] == "clap_score") & tiny.paired["p_value"].notna()]
    named, other = (p[p["family"] == family] for family in ("confirmatory", "exploratory"))
    assert (named["quantity"].tolist(), other["quantity"].tolist()) == ([], ["all", "slope"])
    assert other["p_holm"].max() == min(1.0, 2 * other["p_value"].min())  # Holm over the two tests there are

    kad = pick(tiny.paired, metric="kad_panns", quantity="all")
    # Replicates of the difference 0.4, 0.5, 0.9: variance 2 / 3 x 0.14.
    se = np.sqrt(2 / 3 * 0.14)
    assert kad["difference"] == pytest.approx(0.5)
    assert kad["ci_high"] == pytest.approx(0.5 + 4.3026527 * se, abs=1e-6)
    assert kad["p_value"] == pytest.approx(2 * sps.t.sf(0.5 / se, 2))
    assert not (tiny.paired["metric"] == "label_recall_panns").any()  # B has none


def test_tiny_curve_bins_and_clip_scores(tiny: LongtailAnalysis) -> None:
    curve = tiny.curve[(tiny.curve["system"] == "A") & (tiny.curve["metric"] == "clap_score")]
    assert len(curve) == 30
    assert (curve["n_train"].iloc[0], curve["n_train"].iloc[-1]) == (0, pytest.approx(2000))
    assert curve["ci_low"].isna().all()  # four classes
    bins = tiny.bins[(tiny.bins["system"] == "A") & (tiny.bins["metric"] == "clap_score")]
    assert bins["n_train"].tolist() == pytest.approx([0, 10, 150, 2000])
    assert bins["value"].tolist() == pytest.approx([0.1, 0.4, 0.6, 0.5])
    assert bins["n_classes"].tolist() == [1, 1, 1, 1]
    clips = tiny.clip_scores.set_index(["system", "metric", "clip_id"])["value"]
    assert clips["A", "clap_score", "c2"] == 0.4
    assert [clips["A", "label_recall_panns", c] for c in ("c1", "c2", "c3")] == pytest.approx([0.6, 0.45, 0.1])


def test_tiny_shape_and_the_rest(tiny: LongtailAnalysis) -> None:
    # Counts 10, 40, 150, 2000: sum((2 i - 5) x) / (4 x 2200) = (-30 - 40 + 150 + 6000) / 8800.
    assert tiny.tail_shape == pytest.approx(
        {"gini": 6080 / 8800, "imbalance_ratio": 200, "n_classes_train": 4, "n_classes_test": 4}
    )
    assert (tiny.dataset_name, tiny.split, tiny.list_sha256) == ("tiny", "test", TINY.list_sha256)
    assert [s.name for s in tiny.systems] == ["A", "B"]
    assert [m.name for m in tiny.metrics] == ["clap_score", "label_recall_panns", "kad_panns"]
    assert tiny.primary == "clap_score"
    assert (tiny.provenance, tiny.audit) == ({"seed": 0}, {"A": 1})
    assert tiny.alerts[0] == Alert("note", "known")


def test_frames_have_the_documented_columns(tiny: LongtailAnalysis) -> None:
    empty = analyse([system("nothing", {})], dataclasses.replace(TINY, prompts=()), TINY_STRATA)
    for name in FRAMES:
        for result in (tiny, empty):
            frame: pd.DataFrame = getattr(result, name)
            schema = LONGTAIL_FRAMES[name]
            expected = {c: t for c, t in schema.dtypes.items() if c in schema.required or c in frame.columns}
            assert {c: str(t) for c, t in frame.dtypes.items()} == expected
    assert {"shrunken", "shrunken_low", "shrunken_high"} < set(tiny.per_class.columns)


def test_untrusted_labels_count_overall_only() -> None:
    prompts = (*TINY.prompts, Prompt("c4", "w", ("speech",), labels_known=False), Prompt("c5", "v"))
    values = {"c1": 0.6, "c2": 0.4, "c3": 0.1, "c4": 1.0, "c5": 1.0}
    result = analyse([system("A", {CLAP: values})], dataclasses.replace(TINY, prompts=prompts), TINY_STRATA)
    assert pick(result.overall, system="A", metric="clap_score")["value"] == pytest.approx(3.1 / 5)
    assert pick(result.per_class, label="speech")["value"] == 0.5


def test_small_strata_and_a_coarse_tail_raise_alerts(tiny: LongtailAnalysis, analysis: LongtailAnalysis) -> None:
    messages = [a.message for a in tiny.alerts]
    assert (
        "The stratum common 1,000+ holds 1 class and 2 clips among those scored: too few for reliable numbers." in messages
    )
    missing = analyse([system("A", {CLAP: {"c1": 0.1}})], TINY, strata_scheme("1,5", TINY.train_counts))
    assert any(a.message == "No scored clip has a class of the stratum rare 1-4: it has no numbers." for a in missing.alerts)
    wide = [noisy_system("a", 0.3), noisy_system("b", 0.3)]
    for s in wide:
        s.scores["value"] *= 20
    coarse = [a.message for a in analyse(wide, DATA, strata_scheme("100", DATA.train_counts)).alerts]
    assert any(
        m.startswith("In the stratum rare 1-99, two systems must differ by about") and "CLAP score" in m for m in coarse
    )
    assert not any("must differ" in m for m in messages)  # one class: nothing can be said


def test_ubiquitous_labels_are_named_and_left_out_of_a_second_macro() -> None:
    extra = tuple(Prompt(f"s{i}", "", ("speech",)) for i in range(3))
    prompts = (*TINY.prompts, *extra)
    values = {p.clip_id: 1.0 if p in extra else 0.4 for p in prompts}
    result = analyse([system("A", {CLAP: values})], dataclasses.replace(TINY, prompts=prompts), TINY_STRATA)
    assert pick(result.trend, statistic="macro_without_ubiquitous")["value"] == pytest.approx(0.4)
    assert pick(result.trend, statistic="macro")["value"] == pytest.approx((0.76 + 3 * 0.4) / 4)
    assert result.alerts[-1].message == (
        "Labels on more than 25% of the clips: Speech on 83%. Mean CLAP score over the other classes: "
        "A 0.400 (over all classes 0.490)."
    )


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ([KL, RECALL, CLAP], "clap_score"),
        ([KL, RECALL], "label_recall_panns"),
        ([KL], "kl_panns"),
        ([], "kad_panns"),
    ],
)
def test_the_default_primary_metric(metrics: list[MetricInfo], expected: str) -> None:
    values: dict[MetricInfo, Any] = {m: {"c1": 0.5} for m in metrics if m.level == "clip"}
    values |= {m: {("c1", "dog"): 0.5} for m in metrics if m.level == "label"}
    kad = {"metric": KAD.name, "stratum": "all", "value": 1.0}
    result = analyse([system("A", values, sets=[kad], more=[KAD])], TINY, TINY_STRATA)
    assert result.primary == expected


def test_a_metric_without_values_is_not_the_default_primary() -> None:
    result = analyse(
        [system("A", {KL: {"c1": 0.5}}, undefined={CLAP.name: "no checkpoint"}, more=[CLAP])], TINY, TINY_STRATA
    )
    assert result.primary == "kl_panns"
    assert pick(result.overall, metric="clap_score")["reason"] == "no checkpoint"
    chosen = analyse([system("A", {KL: {"c1": 0.5}}, more=[CLAP])], TINY, TINY_STRATA, primary="clap_score")
    assert chosen.primary == "clap_score"
    assert pick(chosen.overall, metric="clap_score")["reason"] == "no clip has a value"


def test_ratios_need_positive_strata() -> None:
    result = analyse([system("A", {CLAP: {"c1": -0.1, "c2": -0.1, "c3": 0.1}})], TINY, TINY_STRATA)
    assert pick(result.trend, statistic="ratio_tail_head")["reason"] == "the head's mean is not positive"


def test_one_stratum_of_seen_classes_has_no_gap() -> None:
    result = analyse([system("A", {CLAP: {"c1": 0.1, "c2": 0.2}})], TINY, strata_scheme("1", TINY.train_counts))
    assert pick(result.trend, statistic="gap_head_tail")["reason"] == "the strata do not divide the classes seen in training"
    assert (
        pick(result.trend, statistic="ratio_tail_head")["reason"] == "the strata do not divide the classes seen in training"
    )


def test_two_folders_without_labels_have_overall_numbers() -> None:
    data = Dataset("folder", "", tuple(Prompt(f"c{i}", "") for i in range(12)), {}, {})
    values = {f"c{i}": i / 10 for i in range(12)}
    result = analyse([system("A", {CLAP: values}), system("B", {CLAP: values})], data, strata_scheme("log10", {}))
    assert pick(result.overall, system="A", metric="clap_score")["value"] == pytest.approx(0.55)
    assert result.per_class.empty
    assert np.isnan(result.tail_shape["gini"])
    same = pick(result.paired, quantity="all")
    assert (same["difference"], same["reason"], np.isnan(same["p_value"])) == (0, EQUAL, True)
    assert pick(result.paired, quantity="head")["reason"] == "no such class is in the test set"


def test_set_metrics_without_common_groups_have_a_difference_and_no_interval() -> None:
    rows = [{"metric": KAD.name, "stratum": "all", "value": v, "replicates": r} for v, r in ((2.0, []), (1.0, [1.0, 2.0]))]
    result = analyse([system(n, {}, sets=[row], more=[KAD]) for n, row in zip("AB", rows, strict=True)], TINY, TINY_STRATA)
    row = pick(result.paired, quantity="all")
    assert (row["difference"], row["reason"], np.isnan(row["p_value"])) == (1.0, "no common jackknife groups", True)


@pytest.mark.parametrize(
    ("systems", "options", "message"),
    [
        ([], {}, "There is no system to analyse"),
        ([system("A", {}), system("A", {})], {}, "Two systems are called 'A'"),
        ([system("A", {CLAP: {"c9": 0.1}})], {}, "clap_score of 'A' has a value for 'c9', which the dataset does not list"),
        ([system("A", {RECALL: {("c1", "cat"): 0.1}})], {}, "has a value for 'cat', which the dataset does not list"),
        (
            [system("A", {RECALL: {("c1", "bell"): 0.1}})],
            {},
            "clip 'c1', label 'bell': its prompt does not carry this label",
        ),
        (
            [system("A", {CLAP: {"c1": 0.1}})],
            {"primary": "clap_scor"},
            "Unknown metric 'clap_scor'. Did you mean 'clap_score'",
        ),
        ([system("A", {})], {"strata": TINY_STRATA[:2]}, "finish with the counts"),
    ],
)
def test_what_does_not_fit_is_refused(systems: list[SystemScores], options: dict[str, Any], message: str) -> None:
    strata = options.pop("strata", TINY_STRATA)
    with pytest.raises(ReaudioError, match=message):
        analyse(systems, TINY, strata, **options)


def test_two_values_for_a_clip_are_refused() -> None:
    scores = system("A", {CLAP: {"c1": 0.1}})
    twice = dataclasses.replace(scores, scores=pd.concat([scores.scores, scores.scores]))
    with pytest.raises(ReaudioError, match="clip 'c1': it has two values"):
        analyse([twice], TINY, TINY_STRATA)


def test_a_clip_listed_twice_is_refused() -> None:
    with pytest.raises(ReaudioError, match="lists the clip 'c1' twice"):
        analyse([system("A", {})], dataclasses.replace(TINY, prompts=(*TINY.prompts, TINY.prompts[0])), TINY_STRATA)


def test_strata_of_few_classes_have_means_and_no_intervals() -> None:
    values = {CLAP: {"c1": 0.1, "c2": 0.2, "c3": 0.4}}
    found = analyse_by_default([system("A", values), system("B", values)], TINY, TINY_STRATA)
    strata = found.by_stratum[found.by_stratum["n_classes"] > 0]
    assert strata["value"].notna().all()
    assert strata["ci_low"].isna().all()
    assert strata["reason"].str.contains("an interval needs at least 5").all()
    paired = found.paired[found.paired["quantity"] == TINY_STRATA[0].name]
    assert paired["p_value"].isna().all()
