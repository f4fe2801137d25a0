from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from reaudio_eval.analysis import COLUMNS
from reaudio_eval.analysis import analyse as analyse_by_default
from reaudio_eval.records import (
    SCORE_COLUMNS,
    SET_COLUMNS,
    Alert,
    Dataset,
    LongtailAnalysis,
    MetricInfo,
    Prompt,
    SystemInfo,
    SystemKind,
    SystemScores,
)
from reaudio_eval.strata import strata_scheme
from reaudio_model.common.errors import ReaudioError

# The hand-computed examples have few classes.
analyse = partial(analyse_by_default, min_classes=2)

EXACT = 1e-9  # the same sums in another order; BLAS may block a matrix product differently
FRAMES = tuple(COLUMNS)

CLAP = MetricInfo("clap_score", "CLAP score", "clip", True, "cosine", "clap")
KL = MetricInfo("kl_panns", "KL divergence (PANNs)", "clip", False, "nats", "panns")
RECALL = MetricInfo("label_recall_panns", "Label recall (PANNs)", "label", True, "probability", "panns")
KAD = MetricInfo("kad_panns", "KAD (PANNs)", "set", False, "", "panns")

ClipValues = Mapping[str, float]
PairValues = Mapping[tuple[str, str], float]


def system(
    name: str,
    values: Mapping[MetricInfo, ClipValues | PairValues],
    *,
    kind: SystemKind = "generated",
    sets: Sequence[Mapping[str, Any]] = (),
    undefined: Mapping[str, str] | None = None,
    more: Sequence[MetricInfo] = (),
) -> SystemScores:
    rows = [
        (*((key, metric.name, None) if isinstance(key, str) else (key[0], metric.name, key[1])), value)
        for metric, own in values.items()
        for key, value in own.items()
    ]
    blank: dict[str, Any] = {"replicates": [], "ci_low": np.nan, "ci_high": np.nan, "ci_method": "none", "n_clips": 3}
    blank |= {"floor": np.nan, "matched": np.nan, "floor_n": 0, "reason": None}
    return SystemScores(
        SystemInfo(name, kind, 0),
        (*values, *more),
        pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype({"label": object}),
        pd.DataFrame([blank | dict(s) for s in sets], columns=list(SET_COLUMNS)),
        undefined or {},
    )


def pick(frame: pd.DataFrame, **cells: str) -> dict[str, Any]:
    """The only row with these cells."""
    for column, value in cells.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1, f"{len(frame)} rows for {cells}"
    return {str(k): v for k, v in frame.iloc[0].to_dict().items()}


# --- three clips, four labels, two systems: every number by hand ---

TINY = Dataset(
    name="tiny",
    split="test",
    prompts=(Prompt("c1", "x", ("speech", "dog")), Prompt("c2", "y", ("bell", "speech")), Prompt("c3", "z", ("alien",))),
    train_counts={"speech": 2000, "dog": 150, "bell": 10, "whale": 40},
    label_names={"speech": "Speech", "dog": "Dog", "bell": "Bell", "alien": "Alien", "whale": "Whale"},
)
TINY_STRATA = strata_scheme("log10", TINY.train_counts)


@pytest.fixture(scope="module")
def tiny() -> LongtailAnalysis:
    kad = {"metric": "kad_panns", "ci_method": "delete-a-group jackknife (3 groups)"}
    a = system(
        "A",
        {
            CLAP: {"c1": 0.6, "c2": 0.4, "c3": 0.1},
            RECALL: {
                ("c1", "speech"): 0.9, ("c1", "dog"): 0.3, ("c2", "speech"): 0.7, ("c2", "bell"): 0.2, ("c3", "alien"): 0.1,
            },
        },
        sets=[
            kad | {"stratum": "all", "value": 2.0, "replicates": [1.9, 2.1, 2.3], "ci_low": 1.0, "ci_high": 3.0,
             "floor": 0.1, "matched": 0.2, "floor_n": 1},
            kad | {"stratum": "tail", "value": np.nan, "n_clips": 1, "reason": "1 clip"},
        ],
        more=[KAD],
    )  # fmt: skip
    b = system(
        "B",
        {CLAP: {"c3": 0.3, "c1": 0.5, "c2": 0.1}},
        sets=[kad | {"stratum": "all", "value": 1.5, "replicates": [1.5, 1.6, 1.4]}],
        undefined={RECALL.name: "needs labels"},
        more=[RECALL, KAD],
    )
    return analyse([a, b], TINY, TINY_STRATA, alerts=[Alert("note", "known")], provenance={"seed": 0}, audit={"A": 1})


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
    assert (row["ci_method"], row["n_clips"], row["reason"]) == ("t over clips", 3, None)
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
    assert [kad[k] for k in COLUMNS["overall"]][2:-1] == [2.0, 1.0, 3.0, kad["ci_method"], 3, 0.1, 0.2, 1]


def test_tiny_by_stratum_and_per_class(tiny: LongtailAnalysis) -> None:
    for metric, expected in (("clap_score", [0.5, 0.6, 0.4, 0.1]), ("label_recall_panns", [0.8, 0.3, 0.2, 0.1])):
        rows = tiny.by_stratum[(tiny.by_stratum["system"] == "A") & (tiny.by_stratum["metric"] == metric)]
        assert rows["stratum"].tolist() == ["head", "medium", "tail", "zero-shot"]
        assert rows["value"].tolist() == pytest.approx(expected)
        assert rows["n_classes"].tolist() == [1, 1, 1, 1]
        assert rows["n_clips"].tolist() == [2, 1, 1, 1]
        assert rows["ci_low"].isna().all()
        assert set(rows["reason"]) == {"1 classes: an interval needs at least 2"}
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
    x, y = np.log10([2001, 151, 11, 1]), np.array([0.5, 0.6, 0.4, 0.1])
    assert rows["value"].to_dict() == pytest.approx(
        {
            "slope": np.polyfit(x, y, 1, w=np.sqrt([2, 1, 1, 1]))[0],
            "gap_head_tail": 0.1,
            "ratio_tail_head": 0.8,
            "spearman": 0.8,  # ranks 4 3 2 1 against 3 4 2 1: 1 - 6 x 2 / 60
            "kendall": 2 / 3,  # one of six pairs is discordant
            "worst_10pct": 0.1,
            "macro": 0.4,
            "micro": 1.1 / 3,
            "frequency_weighted": (2000 * 0.5 + 150 * 0.6 + 10 * 0.4) / 2160,
            "macro_without_ubiquitous": np.nan,  # every label is on a third of the clips or more
            "harmonic_strata": 4 / (1 / 0.5 + 1 / 0.6 + 1 / 0.4 + 1 / 0.1),
        },
        nan_ok=True,
    )
    # Residuals of the pairs from 0.4, over clips and classes: speech 0.025 and 0, dog 0.05, bell 0, alien -0.075. Squares of
    # sums by class 0.00875, by clip 0.01125, by pair 0.00875: the t interval is sqrt(0.01125 / 0.00875) times as wide.
    t = sps.ttest_1samp(y, 0).confidence_interval(0.95)
    half = (t.high - t.low) / 2 * np.sqrt(0.01125 / 0.00875)
    assert (rows.loc["macro", "ci_low"], rows.loc["macro", "ci_high"]) == pytest.approx((0.4 - half, 0.4 + half))
    assert rows.loc["spearman", "reason"] == "4 classes: an interval needs at least 10"
    assert rows.loc["gap_head_tail", "reason"] == "1 classes: an interval needs at least 2"
    assert rows.loc["macro_without_ubiquitous", "reason"] == "not defined for these 4 classes"
    assert rows.loc["macro", "reason"] is None
    assert rows.loc["gap_head_tail", "n_classes"] == 2
    assert not (tiny.trend["metric"] == "kad_panns").any()


def test_tiny_paired(tiny: LongtailAnalysis) -> None:
    # A - B on the clips: 0.1, 0.3, -0.2.
    row = pick(tiny.paired, metric="clap_score", quantity="all")
    assert (row["system_a"], row["system_b"], row["n_clips"], row["n_classes"]) == ("A", "B", 3, 4)
    assert row["difference"] == pytest.approx(0.2 / 3)
    low, high = sps.ttest_1samp([0.1, 0.3, -0.2], 0).confidence_interval(0.95)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert row["p_value"] == 0.75  # of 0.1 +- 0.3 +- 0.2 = 0.6, 0.2, 0.0, -0.4 three are at least 0.2 from zero
    se = np.std([0.1, 0.3, -0.2], ddof=1) / np.sqrt(3)
    assert row["detectable"] == pytest.approx((sps.t.ppf(0.975, 2) + sps.t.ppf(0.8, 2)) * se)

    differences = {
        r["quantity"]: r["difference"] for r in tiny.paired[tiny.paired["metric"] == "clap_score"].to_dict("records")
    }
    x, d = np.log10([2001, 151, 11, 1]), np.array([0.2, 0.1, 0.3, -0.2])
    assert differences == pytest.approx(
        {
            "all": 0.2 / 3, "head": 0.2, "medium": 0.1, "tail": 0.3, "zero-shot": -0.2, "gap_head_tail": -0.1,
            "slope": np.polyfit(x, d, 1, w=np.sqrt([2, 1, 1, 1]))[0],
        }
    )  # fmt: skip
    head = pick(tiny.paired, metric="clap_score", quantity="head")
    assert np.isnan(head["p_value"])
    assert (head["reason"], head["n_clips"], head["n_classes"]) == ("1 classes: an interval needs at least 2", 2, 1)
    slope = pick(tiny.paired, metric="clap_score", quantity="slope")
    assert 0 < slope["p_value"] <= 1
    p = tiny.paired[(tiny.paired["metric"] == "clap_score") & tiny.paired["p_value"].notna()]
    assert p["p_holm"].max() == min(1.0, 2 * p["p_value"].min())  # Holm over the two tests there are

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
        documented = LongtailAnalysis.__doc__
        assert documented is not None
        assert f"{name}:" in documented
        for analysis in (tiny, empty):
            frame: pd.DataFrame = getattr(analysis, name)
            assert {c: str(t) for c, t in frame.dtypes.items()} == COLUMNS[name]
    listed = " ".join(documented.split())
    for name, columns in COLUMNS.items():
        assert f"{name}: {', '.join(columns)}" in listed


# --- forty classes, three hundred clips ---

N_CLASSES, N_CLIPS = 40, 300


def long_tailed(seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    labels = [f"l{i:02d}" for i in range(N_CLASSES)]
    counts = {label: int(300_000 / (1 + i) ** 3) for i, label in enumerate(labels)} | {"l39": 0, "l38": 0}
    weights = np.array([counts[label] ** 0.4 + 0.5 for label in labels])
    prompts = []
    for i in range(N_CLIPS):
        own = rng.choice(labels, size=rng.integers(1, 4), replace=False, p=weights / weights.sum())
        prompts.append(Prompt(f"c{i:03d}", f"caption {i}", (labels[i % N_CLASSES], *own.tolist()), labels_known=i % 50 != 7))
    return Dataset("synthetic", "test", tuple(prompts), counts, {label: label.upper() for label in labels})


DATA = long_tailed()
STRATA = strata_scheme("10,100", DATA.train_counts)


def noisy_system(name: str, level: float, kind: SystemKind = "generated", seed: int | None = None) -> SystemScores:
    rng = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    clap = {p.clip_id: float(rng.normal(level, 0.1)) for p in DATA.prompts}
    recall = {
        (p.clip_id, label): float(rng.uniform()) for p in DATA.prompts if p.labels_known for label in sorted(set(p.labels))
    }
    names = ["all", *(s.name for s in STRATA)]
    sets = [
        {"metric": KAD.name, "stratum": n, "value": level, "replicates": rng.normal(level, 0.01, 20).tolist(), "n_clips": 9}
        for n in names
    ]
    return system(name, {CLAP: clap, RECALL: recall}, kind=kind, sets=sets, more=[KAD])


@pytest.fixture(scope="module")
def systems() -> list[SystemScores]:
    return [
        noisy_system("b", 0.3),
        noisy_system("real", 0.5, "real"),
        noisy_system("a", 0.35),
        noisy_system("noise", 0.0, "noise"),
    ]


@pytest.fixture(scope="module")
def analysis(systems: list[SystemScores]) -> LongtailAnalysis:
    return analyse(systems, DATA, STRATA, n_draws=300)


KEYS = {
    "labels": ["label"],
    "strata_sizes": ["stratum"],
    "overall": ["system", "metric"],
    "by_stratum": ["system", "metric", "stratum"],
    "per_class": ["system", "metric", "label"],
    "curve": ["system", "metric", "n_train"],
    "bins": ["system", "metric", "n_train"],
    "trend": ["system", "metric", "statistic"],
    "paired": ["metric", "quantity", "system_a", "system_b"],
    "clip_scores": ["system", "metric", "clip_id"],
}


def assert_same(frame: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    ordered = [f.sort_values(keys).reset_index(drop=True) for f in (frame, expected)]
    pd.testing.assert_frame_equal(*ordered, rtol=EXACT, atol=EXACT)


def test_no_order_changes_a_number(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    shuffled = [
        dataclasses.replace(s, scores=s.scores.sample(frac=1, random_state=i), set_values=s.set_values.iloc[::-1])
        for i, s in enumerate(reversed(systems))
    ]
    other = analyse(shuffled, dataclasses.replace(DATA, prompts=DATA.prompts[::-1]), STRATA, n_draws=300)
    for name in FRAMES:
        assert_same(getattr(other, name), getattr(analysis, name), KEYS[name])
    assert other.alerts == analysis.alerts


def test_another_system_changes_no_number_of_the_others(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    more = analyse([noisy_system("c", 0.2), *systems], DATA, STRATA, n_draws=300)
    for name in set(FRAMES) - {"paired"}:
        frame = getattr(more, name)
        assert_same(frame[frame["system"] != "c"] if "system" in frame else frame, getattr(analysis, name), KEYS[name])
    old = more.paired[(more.paired["system_a"] != "c") & (more.paired["system_b"] != "c")]
    assert_same(old.drop(columns="p_holm"), analysis.paired.drop(columns="p_holm"), KEYS["paired"])
    assert len(more.paired) == 2 * len(analysis.paired)  # 6 pairs instead of 3


def test_the_seed_changes_intervals_and_nothing_else(systems: list[SystemScores], analysis: LongtailAnalysis) -> None:
    other = analyse(systems, DATA, STRATA, n_draws=300, seed=1)
    assert other.overall["value"].equals(analysis.overall["value"])
    assert not other.overall["ci_low"].equals(analysis.overall["ci_low"])


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


def test_class_bootstrap_agrees_with_scipys_where_clips_have_one_label() -> None:
    single = dataclasses.replace(DATA, prompts=tuple(dataclasses.replace(p, labels=p.labels[:1]) for p in DATA.prompts))
    values = {p.clip_id: v for p, v in zip(DATA.prompts, np.random.default_rng(0).normal(0.3, 0.1, N_CLIPS), strict=True)}
    result = analyse([system("b", {CLAP: values})], single, STRATA, n_draws=4000)
    macro = pick(result.trend, statistic="macro")
    theirs = sps.bootstrap(
        (result.per_class["value"].to_numpy(),), np.mean, n_resamples=4000, method="BCa", rng=np.random.default_rng(0)
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    # Limits from 4,000 draws scatter by about 2 % of the width; t instead of normal quantiles widen each side by about 2 %.
    assert macro["ci_low"] == pytest.approx(theirs.confidence_interval.low, abs=0.08 * width)
    assert macro["ci_high"] == pytest.approx(theirs.confidence_interval.high, abs=0.08 * width)
    assert set(result.by_stratum["ci_method"]) == {
        "expanded percentile bootstrap over classes (4,000 draws)", "t over classes",
    }  # fmt: skip


def test_methods_are_named(analysis: LongtailAnalysis) -> None:
    assert pick(analysis.overall, system="a", metric="clap_score")["ci_method"] == (
        "expanded percentile bootstrap over clips (300 draws)"
    )
    rows = analysis.by_stratum.query("system == 'a' and metric == 'clap_score'").set_index("stratum")
    assert rows["n_classes"].to_dict() == {"100+": 14, "10-99": 17, "1-9": 7, "zero-shot": 2}
    assert rows.loc["100+", "ci_method"].startswith("expanded percentile bootstrap over classes (300 draws)")
    assert rows.loc["1-9", "ci_method"].startswith("t over classes")


def test_the_paired_difference_is_the_difference_of_the_parts(analysis: LongtailAnalysis) -> None:
    def difference(frame: pd.DataFrame, **cells: str) -> float:
        return float(pick(frame, system="a", **cells)["value"] - pick(frame, system="b", **cells)["value"])

    for metric in ("clap_score", "label_recall_panns"):
        rows = analysis.paired.query("metric == @metric and system_a == 'a' and system_b == 'b'").set_index("quantity")
        assert list(rows.index) == ["all", *(s.name for s in STRATA), "gap_head_tail", "slope"]
        assert rows.loc["all", "difference"] == pytest.approx(difference(analysis.overall, metric=metric))
        for s in STRATA:
            assert rows.loc[s.name, "difference"] == pytest.approx(
                difference(analysis.by_stratum, metric=metric, stratum=s.name)
            )
        for name in ("gap_head_tail", "slope"):
            assert rows.loc[name, "difference"] == pytest.approx(difference(analysis.trend, metric=metric, statistic=name))
        assert ((rows["ci_low"] < rows["difference"]) & (rows["difference"] < rows["ci_high"])).all()


def test_real_audio_is_compared_and_noise_is_not(analysis: LongtailAnalysis) -> None:
    pairs = set(zip(analysis.paired["system_a"], analysis.paired["system_b"], strict=True))
    assert pairs == {("a", "b"), ("a", "real"), ("b", "real")}


def test_holm_runs_over_all_pairs_and_quantities_of_a_metric(analysis: LongtailAnalysis) -> None:
    for _, rows in analysis.paired.groupby("metric"):
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
    rows = analyse([a, b], DATA, STRATA, n_draws=300).paired.query("metric == 'clap_score'").set_index("quantity")
    assert rows.loc["all", "p_value"] == 1 / 20_000  # the smallest there is
    assert rows.loc["100+", "p_value"] < 0.01
    assert rows.loc[["gap_head_tail", "slope"], "p_value"].min() > 0.05
    recall = analyse([a, b], DATA, STRATA, n_draws=300).paired.query("metric == 'label_recall_panns'")
    assert (recall["difference"] == 0).all()
    assert (recall["p_value"].dropna() == 1).all()


def test_a_tail_that_a_system_lifts_shows_in_gap_and_slope() -> None:
    a = noisy_system("a", 0.3)
    lift = {p.clip_id: 0.2 if min(map(DATA.n_train, p.labels)) < 100 else 0.0 for p in DATA.prompts}
    clap = a.scores["metric"] == "clap_score"
    lifted = a.scores.assign(value=a.scores["value"] + np.where(clap, a.scores["clip_id"].map(lift), 0.0))
    b = dataclasses.replace(a, system=SystemInfo("b", "generated", 0), scores=lifted)
    strata = strata_scheme("100", DATA.train_counts)
    rows = analyse([a, b], DATA, strata, n_draws=300).paired.query("metric == 'clap_score'").set_index("quantity")
    assert rows.loc["gap_head_tail", "difference"] > 0.02
    assert rows.loc["gap_head_tail", "p_value"] < 0.01
    assert rows.loc["slope", "ci_low"] > 0
    assert rows.loc["slope", "p_value"] < 0.01


def test_only_common_clips_are_compared() -> None:
    a, b = noisy_system("a", 0.3), noisy_system("b", 0.3)
    a.scores.loc[(a.scores["clip_id"] == "c000") & (a.scores["metric"] == "clap_score"), "value"] = np.nan
    b.scores.loc[(b.scores["clip_id"] == "c001") & (b.scores["metric"] == "clap_score"), "value"] = np.inf
    result = analyse([a, b], DATA, STRATA, n_draws=100)
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


def test_untrusted_labels_count_overall_only() -> None:
    prompts = (*TINY.prompts, Prompt("c4", "w", ("speech",), labels_known=False), Prompt("c5", "v"))
    values = {"c1": 0.6, "c2": 0.4, "c3": 0.1, "c4": 1.0, "c5": 1.0}
    result = analyse([system("A", {CLAP: values})], dataclasses.replace(TINY, prompts=prompts), TINY_STRATA)
    assert pick(result.overall, system="A", metric="clap_score")["value"] == pytest.approx(3.1 / 5)
    assert pick(result.per_class, label="speech")["value"] == 0.5


def test_small_strata_and_a_coarse_tail_raise_alerts(tiny: LongtailAnalysis, analysis: LongtailAnalysis) -> None:
    messages = [a.message for a in tiny.alerts]
    assert "The stratum head holds 1 class and 2 clips of the test set: read its numbers as anecdotes." in messages
    missing = analyse([system("A", {CLAP: {"c1": 0.1}})], TINY, strata_scheme("1,5", TINY.train_counts))
    assert any(a.message == "No class of the stratum 1-4 is in the test set: it has no numbers." for a in missing.alerts)
    wide = [noisy_system("a", 0.3), noisy_system("b", 0.3)]
    for s in wide:
        s.scores["value"] *= 20
    coarse = [a.message for a in analyse(wide, DATA, strata_scheme("100", DATA.train_counts), n_draws=100).alerts]
    assert any(m.startswith("In the stratum 1-99, two systems must differ by about") and "CLAP score" in m for m in coarse)
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


def test_lower_is_better_turns_the_worst_classes_around() -> None:
    result = analyse([system("A", {KL: {"c1": 3.0, "c2": 2.0, "c3": 1.0}})], TINY, TINY_STRATA)
    assert pick(result.trend, statistic="worst_10pct")["value"] == 3.0
    harmonic = pick(result.trend, statistic="harmonic_strata")
    assert (np.isnan(harmonic["value"]), harmonic["reason"]) == (
        True, "a harmonic mean rewards balance only where higher is better",
    )  # fmt: skip


def test_ratios_need_positive_strata() -> None:
    result = analyse([system("A", {CLAP: {"c1": -0.1, "c2": -0.1, "c3": 0.1}})], TINY, TINY_STRATA)
    assert pick(result.trend, statistic="ratio_tail_head")["reason"] == "the head's mean is not positive"
    assert pick(result.trend, statistic="harmonic_strata")["reason"] == "a stratum's mean is not positive"


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
    assert pick(result.paired, quantity="all")["p_value"] == 1
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
