"""Means over seeds: values of clips and labels, metrics of sets, and the values of each seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.feature_set import FeatureSet, FloatArray, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.frames.scores import SCORES, SEED_VALUES
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, LabelValue, MetricInput, SetMetric, Subset
from reaudio_eval.scores.score import NamedMetric, score_system
from reaudio_eval.scores.seeds import mean_scores, mean_set_values
from reaudio_eval.scores.set_metrics import Floors, Partition
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores

EXACT = 1e-12  # the same sums in another order
SEEDS = (5, 6, 7)
N = 40
IDS = tuple(f"c{i:02d}" for i in range(N))
SYSTEM = SystemInfo("mine", "generated", N, seeds=SEEDS)


def frame(*rows: tuple[str, str, str | None, float]) -> pd.DataFrame:
    return SCORES.check(pd.DataFrame(rows, columns=SCORES.required).astype({"label": object}))


def test_values_of_a_clip_and_of_a_label_are_averaged_over_the_seeds_that_have_one() -> None:
    found = mean_scores(
        {
            0: frame(("b", "m", None, 1.0), ("a", "m", None, 2.0), ("a", "r", "dog", 0.5), ("a", "r", "cat", math.nan)),
            1: frame(("b", "m", None, 4.0), ("a", "m", None, math.nan), ("a", "r", "dog", 0.1), ("a", "r", "cat", math.nan)),
            2: frame(("b", "m", None, 7.0), ("a", "m", None, 3.0), ("a", "r", "dog", 0.3), ("a", "r", "cat", math.nan)),
        }
    )
    assert found[["clip_id", "metric"]].to_numpy().tolist() == [["b", "m"], ["a", "m"], ["a", "r"], ["a", "r"]]
    assert found["label"].tolist() == [None, None, "dog", "cat"]
    assert found["value"].tolist() == pytest.approx([4.0, 2.5, 0.3, math.nan], abs=EXACT, nan_ok=True)
    assert found["n_values"].tolist() == [3, 2, 3, 0]
    assert found["sd_values"].tolist() == pytest.approx([3.0, math.sqrt(0.5), 0.2, math.nan], abs=EXACT, nan_ok=True)


def test_sets_are_averaged_and_undefined_where_one_of_them_is() -> None:
    assert mean_set_values([[1.0, 2.0], [3.0, 6.0]]) == [2.0, 4.0]
    assert mean_set_values([[1.0, 2.0], [Undefined("too few"), 6.0]]) == [Undefined("too few"), 4.0]


def features(seed: int) -> FeatureSet:
    frames = np.random.default_rng(seed).standard_normal((N, 3)).astype(np.float32)
    return FeatureSet(IDS, frames, np.ones(N, dtype=np.intp), "bands", "s", frames.copy())


def clip_mean(given: MetricInput) -> FloatArray:
    return given.generated.clip_means.mean(axis=1)


def of_labels(given: MetricInput) -> list[LabelValue]:
    values = clip_mean(given)
    return [LabelValue(row, p.labels[0], float(values[row])) for row, p in enumerate(given.prompts)]


def mean_difference(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    assert given.reference is not None
    a, b = given.generated.clip_means, given.reference.clip_means
    return [float((a[s.generated].mean(0) - b[s.reference].mean(0)).sum()) for s in subsets]


REFERENCE = frozenset({"reference"})
METRICS = tuple(
    NamedMetric(definition, MetricInfo(definition.name, "", definition.level, True, "", "bands"))
    for definition in (
        ClipMetric("m", "Mean", True, "", "tests", compute=clip_mean),
        LabelMetric("r", "Of labels", True, "", "tests", compute=of_labels),
        SetMetric("d", "Difference", False, "", "tests", compute=mean_difference, needs=REFERENCE),
        SetMetric("b", "Biased", False, "", "tests", compute=mean_difference, needs=REFERENCE, size_biased=True),
    )
)
PROMPTS = tuple(Prompt(clip_id, "x", ("dog",)) for clip_id in IDS)
GIVEN = [
    {"bands": MetricInput(features(seed), features(2), PROMPTS, get_protocol(DEFAULT_PROTOCOL), 0, ("dog",))}
    for seed in SEEDS
]
PARTITION = Partition({"head": np.arange(20), "tail": np.arange(20, 40)})


def score(system: SystemInfo, *given: dict[str, MetricInput]) -> SystemScores:
    return score_system(system, METRICS, given[0], PARTITION, Floors(), given[1:])


@pytest.fixture(scope="module")
def together() -> SystemScores:
    return score(SYSTEM, *GIVEN)


@pytest.fixture(scope="module")
def alone() -> list[SystemScores]:
    return [score(replace(SYSTEM, seeds=()), given) for given in GIVEN]


def test_every_number_is_the_mean_of_those_of_the_seeds(together: SystemScores, alone: list[SystemScores]) -> None:
    keys = ["clip_id", "metric", "label"]
    assert together.scores[keys].equals(alone[0].scores[keys])
    values = np.stack([each.scores["value"] for each in alone])
    assert together.scores["value"].to_numpy() == pytest.approx(values.mean(axis=0), abs=EXACT)
    assert together.scores["sd_values"].to_numpy() == pytest.approx(values.std(axis=0, ddof=1), abs=EXACT)
    assert set(together.scores["n_values"]) == {3}
    for column in ("value", "matched", "floor"):
        of_seeds = np.stack([each.set_values[column] for each in alone])
        found = together.set_values[column].to_numpy()
        assert found == pytest.approx(of_seeds.mean(axis=0), abs=EXACT, nan_ok=True), column
    replicates = [np.stack(each) for each in zip(*(a.set_values["replicates"] for a in alone), strict=True)]
    for found, of_seeds in zip(together.set_values["replicates"], replicates, strict=True):
        assert found == pytest.approx(of_seeds.mean(axis=0), abs=EXACT)


def test_the_interval_of_a_set_metric_narrows_with_seeds(together: SystemScores, alone: list[SystemScores]) -> None:
    """Three independent sets of clips against the same reference: the jackknife of their mean sees less variance than that of one."""

    def width(scores: SystemScores) -> float:
        row = scores.set_values.query("metric == 'd' and stratum == 'all'").iloc[0]
        return float(row["ci_high"] - row["ci_low"])

    assert width(together) < min(map(width, alone))


def test_the_values_of_each_seed_are_kept(together: SystemScores, alone: list[SystemScores]) -> None:
    kept = SEED_VALUES.check(together.seed_values)
    for seed, each in zip(SEEDS, alone, strict=True):
        own = kept[kept["seed"] == seed]
        clips = own[own["clip_id"].notna()]
        same = partial(pd.testing.assert_frame_equal, check_dtype=False)  # text may be of either dtype
        same(clips[SCORES.required].reset_index(drop=True), each.scores)
        columns = ["metric", "stratum", "value"]
        same(own.loc[own["clip_id"].isna(), columns].reset_index(drop=True), each.set_values[columns])


def test_one_seed_has_no_further_columns(alone: list[SystemScores]) -> None:
    assert alone[0].scores.columns.tolist() == SCORES.required
    assert alone[0].seed_values.empty
