"""Differences to the baseline by class and by stratum, by hand and against the estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from analysis_worlds import CLAP, KAD, RECALL, TINY, TINY_STRATA, pick, system
from run_folders import KL, make_dataset, make_scores

from reaudio_eval.frames.statistics import CLASS_DIFFERENCES
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.class_differences import against_baseline, class_differences
from reaudio_eval.statistics.class_table import class_table, score_arrays, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.intervals import holm
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.thresholds import MIN_CLASS_CLIPS

DATA = make_dataset()
STRATA = strata_scheme("log10", DATA.train_counts)


@pytest.fixture(scope="module")
def systems() -> list[SystemScores]:
    levels = (("base", 0.4, "generated"), ("better", 0.45, "generated"), ("other", 0.41, "generated"), ("real", 0.8, "real"))
    return [make_scores(DATA, STRATA, name, level, kind) for name, level, kind in levels]  # type: ignore[arg-type]


def test_by_hand() -> None:
    a = system("A", {CLAP: {"c1": 0.6, "c2": 0.4, "c3": 0.1}, RECALL: {("c1", "speech"): 0.9, ("c2", "speech"): 0.7}})
    b = system("B", {CLAP: {"c1": 0.5, "c2": 0.1}, RECALL: {("c1", "speech"): 0.4, ("c2", "bell"): 0.2}})
    found = class_differences([a, b], "B", TINY, TINY_STRATA)
    assert list(found.columns) == CLASS_DIFFERENCES.names
    speech = pick(found, metric=CLAP.name, label="speech")
    assert speech["difference"] == pytest.approx((0.1 + 0.3) / 2)
    assert speech["value"] == pytest.approx(0.5)
    assert speech["baseline_value"] == pytest.approx(0.3)
    assert speech["n_clips"] == 2
    assert speech["stratum"] == "head"
    assert np.isnan(speech["ci_low"])
    assert f"fewer than {MIN_CLASS_CLIPS} clips" in speech["reason"]
    recall = found[found["metric"] == RECALL.name]
    assert recall["label"].tolist() == ["speech"]  # bell has a value of B alone, c3 none of B
    assert recall["difference"].tolist() == pytest.approx([0.5])
    assert recall["n_clips"].tolist() == [1]


def test_intervals_are_of_these_classes(systems: list[SystemScores]) -> None:
    found = class_differences(systems, "base", DATA, STRATA).query("metric == @CLAP.name and system == 'better'")
    table = class_table(DATA, STRATA)
    context = Context(table, min_classes=1, estimand="fixed-classes")
    ours, theirs = (score_arrays(s, table)[CLAP.name] for s in (systems[1], systems[0]))
    difference = summarise(ours - theirs, table, Scale.of(CLAP.range).difference())
    enough = found[found["n_clips"] >= MIN_CLASS_CLIPS].set_index("label")
    assert set(enough["ci_method"]) == {"mixed model over clips, classes as they are"}
    for i, label in enumerate(table.labels):
        own = macro(difference, np.arange(len(table.labels)) == i, context)
        if label in enough.index:
            assert enough.loc[label, ["difference", "ci_low", "ci_high"]].tolist() == pytest.approx(
                [own.value, *own.interval[:2]]
            )
    assert found.loc[found["n_clips"] < MIN_CLASS_CLIPS, ["ci_low", "ci_high"]].isna().all(axis=None)


def test_order_and_company_change_nothing(systems: list[SystemScores]) -> None:
    def of(given: Sequence[SystemScores], prompts: int = 1) -> pd.DataFrame:
        data = replace(DATA, prompts=DATA.prompts[::prompts])
        found = class_differences(given, "base", data, STRATA)
        return found[found["system"] == "better"].reset_index(drop=True)

    pd.testing.assert_frame_equal(of(systems), of(systems[::-1]))
    pd.testing.assert_frame_equal(of(systems), of(systems[:2], -1))


def test_classes_from_frequent_to_rare(systems: list[SystemScores]) -> None:
    found = class_differences(systems, "base", DATA, STRATA)
    for _, own in found.groupby(["metric", "system"]):
        assert own["n_train"].is_monotonic_decreasing
        assert own["label"].is_unique
    assert KAD.name not in set(found["metric"])


def test_turning_a_pair_around(systems: list[SystemScores]) -> None:
    analysis = analyse(systems, DATA, STRATA)
    paired, metrics = analysis.paired, analysis.metrics
    of_base = against_baseline(paired, metrics, "base", ["better", "other"], ["real"])
    of_better = against_baseline(paired, metrics, "better", ["base"])
    here = pick(of_base, metric=KL.name, quantity="all", system="better")
    there = pick(of_better, metric=KL.name, quantity="all", system="base")
    assert here["difference"] == -there["difference"]
    assert (here["ci_low"], here["ci_high"]) == (-there["ci_high"], -there["ci_low"])
    assert here["ci_low"] < here["difference"] < here["ci_high"]
    assert here["p_value"] == there["p_value"]
    raw = pick(paired, metric=KL.name, quantity="all", system_a="base", system_b="better")
    assert here["difference"] == -raw["difference"]


def test_holm_over_what_was_asked(systems: list[SystemScores]) -> None:
    pairs = [("better", "base"), ("other", "base")]
    analysis = analyse(systems, DATA, STRATA, pairs=pairs)
    paired, metrics = analysis.paired, analysis.metrics
    found = against_baseline(paired, metrics, "base", ["better", "other"], ["real"])
    assert set(found["system"]) == {"better", "other", "real"}
    assert set(found.loc[found["system"] == "real", "family"]) == {"reference"}
    for family, rows in found.groupby("family"):
        for own in [rows] if family == "confirmatory" else [each for _, each in rows.groupby("metric")]:
            np.testing.assert_array_equal(own["p_holm"], holm(own["p_value"]))
    named = found[found["family"] == "confirmatory"]
    assert set(named["metric"]) == {CLAP.name}
    assert "all" not in set(named["quantity"])
    alone = against_baseline(paired, metrics, "base", ["better"])
    both = found[found["system"] == "better"].reset_index(drop=True)
    assert (alone["p_holm"].dropna() <= both["p_holm"].dropna()).all()
    assert alone["p_holm"].lt(both["p_holm"]).any()
