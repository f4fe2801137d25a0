from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from reaudio_eval.analysis import COLUMNS, analyse
from reaudio_eval.errors import ReaudioError, UnknownNameError
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
    blank |= {"floor": np.nan, "floor_n": 0, "reason": None}
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


# --- three clips, four labels, two systems: every number by hand ------------------------------------------------------------

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
            kad | {"stratum": "all", "value": 2.0, "replicates": [1.9, 2.1, 2.3], "ci_low": 1.0, "ci_high": 3.0, "floor": 0.1, "floor_n": 1},
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
    assert [kad[k] for k in ("value", "ci_low", "ci_high", "n_clips", "floor", "floor_n")] == [2.0, 1.0, 3.0, 3, 0.1, 1]


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
    t = sps.ttest_1samp(y, 0).confidence_interval(0.95)
    assert (rows.loc["macro", "ci_low"], rows.loc["macro", "ci_high"]) == pytest.approx(tuple(t))
    assert rows.loc["spearman", "reason"] == "4 classes: an interval needs at least 10"
    assert rows.loc["gap_head_tail", "reason"] == "a stratum with fewer than 2 classes"
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
