"""Means and differences by regime: against numbers worked out here, n/a (seen), and independence of order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_worlds import CLAP, RECALL, pick, system

from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.evaluations.zeroshot.analysis import ZeroshotAnalysis, analyse_zeroshot
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.prompts.training_labels import EVERYTHING, NOTHING, OWN, UNKNOWN, Training
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.class_table import class_table, score_arrays, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.thresholds import MIN_CLASSES

POOL = {f"p{i}": 16 for i in range(8)}
CLASSES = [*POOL, *(f"n{i}" for i in range(4)), *(f"f{i}" for i in range(12)), "s0", "s1"]
COUNTS = {f"f{i}": 1 + i for i in range(12)} | {"s0": 400, "s1": 1000}
PROMPTS = tuple(Prompt(f"{label}-{take}", f"the sound of {label}", (label,)) for label in CLASSES for take in range(4))
DATASET = Dataset("d", "test", PROMPTS, COUNTS, {label: label.upper() for label in CLASSES}, pool_counts=POOL | COUNTS)
STRATA = strata_scheme("10,100", COUNTS)
ROLES: dict[str, Role] = {
    "ours": "system",
    "plain": "control",
    "copied": "copy",
    "oracle": "oracle",
    "real": "real",
    "noise": "noise",
}
TRAINING = {"ours": OWN, "plain": OWN, "copied": NOTHING, "oracle": OWN, "real": NOTHING, "noise": NOTHING}


def values(seed: int, gain: float) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    return {p.clip_id: float(gain + 0.1 * rng.standard_normal()) for p in PROMPTS}


VALUES = {"ours": values(1, 0.6), "plain": values(2, 0.2), "copied": values(3, 0.6), "oracle": values(4, 0.8)}
SCORES = [system(name, {CLAP: v}) for name, v in VALUES.items()]
SCORES += [system("real", {CLAP: values(5, 0.9)}, kind="real"), system("noise", {CLAP: values(6, 0.0)}, kind="noise")]


def run(
    scores: list[SystemScores] | None = None,
    dataset: Dataset = DATASET,
    training: Mapping[str, Training] = TRAINING,
    **more: Any,
) -> ZeroshotAnalysis:
    scores = list(scores_with_roles(scores or SCORES, ROLES))
    base = analyse(scores, dataset, STRATA)
    options = {"training": training, "few_shot": 19} | more
    return analyse_zeroshot(scores, dataset, base, **options)


@pytest.fixture(scope="module")
def found() -> ZeroshotAnalysis:
    return run()


def class_mean(name: str, label: str) -> float:
    return float(np.mean([VALUES[name][f"{label}-{take}"] for take in range(4)]))


def test_regimes_and_their_sizes(found: ZeroshotAnalysis) -> None:
    assert found.regimes[["regime", "n_classes", "n_clips"]].to_numpy().tolist() == [
        ["seen", 2, 8], ["few_shot", 12, 48], ["pool_only", 8, 32], ["neither", 4, 16],
    ]  # fmt: skip
    assert found.regimes["meaning"].iloc[1] == "with 1 to 19 training clips"
    assert list(found.classes["label"][-13:]) == ["f0", *sorted(POOL), *(f"n{i}" for i in range(4))]
    assert found.classes["n_train"].is_monotonic_decreasing  # common to rare
    assert pick(found.classes, label="p0") == {
        "label": "p0", "name": "P0", "regime": "pool_only", "n_train": 0, "n_pool": 16, "n_test": 4,
    }  # fmt: skip


def test_a_regime_s_value_is_the_mean_of_its_class_means(found: ZeroshotAnalysis) -> None:
    row = pick(found.by_regime, system="ours", regime="pool_only")
    means = [class_mean("ours", label) for label in POOL]
    assert row["value"] == pytest.approx(np.mean(means))
    context = Context(class_table(DATASET, STRATA), MIN_CLASSES)
    summary = summarise(score_arrays(SCORES[0], context.table)[CLAP.name], context.table)
    expected = macro(summary, np.array([label in POOL for label in context.table.labels]), context)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(expected.interval[:2])
    assert row["ci_method"] == "mixed model over classes and clips"
    assert (row["n_classes"], row["n_clips"], row["n_seen"]) == (8, 32, 0)


def test_classes_as_they_are(found: ZeroshotAnalysis) -> None:
    fixed = run(estimand="fixed-classes")
    assert fixed.by_regime["value"].equals(found.by_regime["value"])
    row = pick(fixed.by_regime, system="ours", regime="few_shot")
    assert row["ci_method"] == "mixed model over clips, classes as they are"


def test_few_classes_get_no_interval(found: ZeroshotAnalysis) -> None:
    few = pick(found.by_regime, system="ours", regime="neither")
    assert np.isfinite(few["value"])
    assert np.isnan(few["ci_low"])
    assert few["reason"] == "4 classes: an interval needs at least 5"
    assert any("4 classes are in neither training nor pool (16 clips): too few" in a.message for a in found.alerts)


def test_differences_to_the_twin_and_to_copying(found: ZeroshotAnalysis) -> None:
    rows = found.paired
    assert set(rows["system"]) == {"ours"}
    assert list(dict.fromkeys(zip(rows["against"], rows["role"], strict=True))) == [("plain", "control"), ("copied", "copy")]
    row = pick(rows, against="plain", regime="pool_only")
    assert row["difference"] == pytest.approx(np.mean([class_mean("ours", c) - class_mean("plain", c) for c in POOL]))
    assert row["p_value"] < 1e-6  # a gain of 0.4 with clips of standard deviation 0.14
    tests = rows["p_value"].notna().sum()
    assert tests == 4  # two regimes with enough classes, two comparisons
    assert row["p_holm"] <= tests * row["p_value"] + 1e-12
    assert row["detectable"] > 0
    assert np.isnan(pick(rows, against="plain", regime="neither")["p_value"])
    assert "seen" not in set(rows["regime"])
    assert pick(rows, against="copied", regime="pool_only")["p_holm"] > 0.05


def test_classes_met_in_training_are_left_out_and_marked() -> None:
    partly = Training("a list", labels=frozenset({"p0", "p1", "f3", "s0"}))
    found = run(training=TRAINING | {"ours": partly})
    row = pick(found.by_regime, system="ours", regime="pool_only")
    assert row["value"] == pytest.approx(np.mean([class_mean("ours", c) for c in list(POOL)[2:]]))
    assert (row["n_classes"], row["n_seen"], row["n_clips"]) == (6, 2, 24)
    own = found.per_class[(found.per_class["system"] == "ours") & (found.per_class["status"] == "seen")]
    assert set(own["label"]) == {"p0", "p1", "f3"}
    assert own["value"].isna().all()
    assert pick(found.paired, against="plain", regime="pool_only")["n_classes"] == 6
    assert pick(found.by_regime, system="plain", regime="pool_only")["n_classes"] == 8
    assert pick(found.by_regime, system="ours", regime="seen")["n_seen"] == 0


def test_a_system_that_met_everything_has_no_zero_shot_number() -> None:
    found = run(training=TRAINING | {"ours": EVERYTHING})
    row = pick(found.by_regime, system="ours", regime="neither")
    assert np.isnan(row["value"])
    assert row["reason"].startswith("n/a (seen)")
    assert np.isfinite(pick(found.by_regime, system="ours", regime="seen")["value"])
    assert found.paired["difference"].isna().all()
    assert found.paired["reason"].str.startswith("n/a (seen)").all()


def test_unknown_training_is_shown_and_never_tested() -> None:
    found = run(training=TRAINING | {"ours": UNKNOWN})
    assert np.isfinite(pick(found.by_regime, system="ours", regime="pool_only")["value"])
    assert found.paired["p_value"].isna().all()
    assert set(found.paired["reason"]) == {"the training data of ours are not known"}
    assert any(
        "The training data of ours are not known" in a.message and "--trained-on ours=" in a.message for a in found.alerts
    )


def test_an_unknown_pool_is_a_regime_of_its_own() -> None:
    dataset = Dataset("d", "test", PROMPTS, COUNTS, {})
    found = run(dataset=dataset)
    assert list(found.regimes["regime"]) == ["seen", "few_shot", "unknown_pool"]
    assert found.classes["n_pool"].isna().all()


def test_label_level_metrics_use_the_pairs_of_the_class() -> None:
    own = {(p.clip_id, p.labels[0]): float(p.clip_id.endswith(("-0", "-1"))) for p in PROMPTS}
    found = run([system("ours", {RECALL: own}), system("plain", {RECALL: dict.fromkeys(own, 0.0)})])
    assert pick(found.by_regime, system="ours", regime="neither")["value"] == 0.5
    assert found.primary == RECALL


def test_neither_order_nor_another_system_changes_a_number(found: ZeroshotAnalysis) -> None:
    shuffled = Dataset("d", "test", PROMPTS[::-1], COUNTS, DATASET.label_names, pool_counts=DATASET.pool_counts)
    again = run([*reversed(SCORES)], shuffled)
    more = run([s for s in SCORES if s.system.name != "copied"])
    for name, keys in (
        ("by_regime", ["system", "regime"]),
        ("per_class", ["system", "label"]),
        ("paired", ["against", "regime"]),
    ):
        first = getattr(found, name).sort_values(keys, ignore_index=True)
        pd.testing.assert_frame_equal(first, getattr(again, name).sort_values(keys, ignore_index=True), rtol=1e-9)
        fewer = getattr(more, name).sort_values(keys, ignore_index=True).drop(columns="p_holm", errors="ignore")
        column = "against" if name == "paired" else "system"
        kept = first[first[column] != "copied"].reset_index(drop=True).drop(columns="p_holm", errors="ignore")
        pd.testing.assert_frame_equal(kept, fewer, rtol=1e-9)
    assert not any("--copied" in a.message for a in found.alerts)
    assert any("--copied NAME" in a.message for a in more.alerts)
