"""Set metrics over subsets: intervals, strata at equal n, floors; and who gets which value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, LabelValue, MetricInput, SetMetric, Subset
from reaudio_eval.scores.score import (
    JACKKNIFE_GROUPS,
    MATCHED_DRAWS,
    Floors,
    NamedMetric,
    Partition,
    deleted_groups,
    halves,
    matched_size,
    score_system,
    why_not,
)
from reaudio_eval.scores.system_scores import MetricInfo

N = 40
EXACT = 1e-12  # the same sums in another order


def features(seed: int, n: int = N, text: bool = False) -> FeatureSet:
    rng = np.random.default_rng(seed)
    frames = rng.standard_normal((n, 3)).astype(np.float32)
    vectors = rng.standard_normal((n, 3)).astype(np.float32) if text else None
    ids = tuple(f"c{i:02d}" for i in range(n))
    return FeatureSet(ids, frames, np.ones(n, dtype=np.intp), "bands", "s", frames.copy(), vectors)


def inputs(
    n: int = N, reference: bool = True, labels: bool = True, vocabulary: tuple[str, ...] = ("a", "b", "c")
) -> MetricInput:
    prompts = tuple(Prompt(f"c{i:02d}", "x", (("a", "b", "c")[i % 3],) if labels else ()) for i in range(n))
    real = features(2, n) if reference else None
    return MetricInput(features(1, n), real, prompts, get_protocol(DEFAULT_PROTOCOL), 0, vocabulary)


def mean_difference(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    """Difference of the means: linear in the clips, so that the jackknife is exact."""
    assert given.reference is not None
    a, b = given.generated.clip_means, given.reference.clip_means
    return [float((a[s.generated].mean(0) - b[s.reference].mean(0)).sum()) for s in subsets]


def count(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    return [float(len(s.generated)) for s in subsets]


def set_metric(compute=mean_difference, **options) -> SetMetric:
    defaults = {"needs": frozenset({"reference"})} | options
    return SetMetric("d_{embedder}", "Difference", False, "", "tests", compute=compute, **defaults)


def named(definition: ClipMetric | LabelMetric | SetMetric, unavailable: str | None = None) -> NamedMetric:
    return NamedMetric(definition, MetricInfo("d_bands", "D", "set", False, "", "bands"), unavailable)


GENERATED = SystemInfo("mine", "generated", N)
REAL = SystemInfo("real", "real", N)


def rows_of(definition: SetMetric, given: MetricInput, partition: Partition | None = None):
    scores = score_system(GENERATED, [named(definition)], {"bands": given}, partition or Partition(), Floors())
    return scores.set_values.set_index("stratum")


def test_value_interval_and_replicates_over_all_clips() -> None:
    given = inputs()
    row = rows_of(set_metric(), given).loc["all"]
    assert given.reference is not None
    paired = (given.generated.clip_means - given.reference.clip_means).sum(axis=1)
    assert row["value"] == pytest.approx(paired.mean(), abs=EXACT)
    assert len(row["replicates"]) == JACKKNIFE_GROUPS
    assert row["ci_low"] < row["value"] < row["ci_high"]
    assert row["n_clips"] == N


def test_jackknife_interval_of_a_mean_has_its_standard_error() -> None:
    from scipy import stats

    n = JACKKNIFE_GROUPS  # one clip in each group: the jackknife of a mean is then its usual standard error
    given = inputs(n)
    row = rows_of(set_metric(), given).loc["all"]
    assert given.reference is not None
    paired = (given.generated.clip_means - given.reference.clip_means).sum(axis=1)
    half = stats.t.ppf(0.975, n - 1) * paired.std(ddof=1) / math.sqrt(n)
    assert row["ci_high"] - row["value"] == pytest.approx(half, rel=1e-9)


def test_groups_partition_the_clips_and_depend_on_the_seed_only() -> None:
    kept = deleted_groups(N, 0)
    left_out = np.concatenate([np.setdiff1d(np.arange(N), k) for k in kept])
    assert sorted(left_out) == list(range(N))
    assert all((a == b).all() for a, b in zip(kept, deleted_groups(N, 0), strict=True))
    assert any((a != b).any() for a, b in zip(kept, deleted_groups(N, 1), strict=True))
    assert deleted_groups(1, 0) == []
    assert [len(k) for k in deleted_groups(3, 0)] == [2, 2, 2]


def test_halves_are_disjoint_and_of_the_size_asked() -> None:
    rows = np.arange(10, 31)
    draws = halves(rows, 8, 5, 0)
    assert len(draws) == 5
    for draw in draws:
        assert len(draw.generated) == len(draw.reference) == 8
        assert not set(draw.generated) & set(draw.reference)
        assert set(draw.generated) | set(draw.reference) <= set(rows)


def test_unbiased_metrics_use_every_clip_of_a_stratum() -> None:
    partition = Partition({"head": np.arange(25), "tail": np.arange(25, 32)})
    table = rows_of(set_metric(count, needs=frozenset()), inputs(), partition)
    assert table.loc["head", "value"] == 25
    assert table.loc["tail", "value"] == 7
    assert len(table.loc["tail", "replicates"]) == 7


def test_biased_metrics_compare_strata_at_equal_n() -> None:
    partition = Partition({"head": np.arange(25), "tail": np.arange(25, 37), "zero-shot": np.arange(37, 40)})
    assert matched_size(partition) == 6
    table = rows_of(set_metric(count, size_biased=True), inputs(), partition)
    assert table.loc["head", "value"] == table.loc["tail", "value"] == 6
    assert table.loc["head", "n_clips"] == table.loc["head", "floor_n"] == 6
    assert "size-matched" in table.loc["head", "ci_method"]
    assert math.isnan(table.loc["zero-shot", "value"])
    assert table.loc["zero-shot", "reason"].startswith("3 clips: size-matched comparison needs at least 10")


def test_floor_is_real_against_real_on_the_same_draws() -> None:
    given = inputs()
    row = rows_of(set_metric(size_biased=True), given).loc["all"]
    real = MetricInput(given.reference, given.reference, given.prompts, given.protocol)  # type: ignore[arg-type]
    draws = halves(np.arange(N), N // 2, MATCHED_DRAWS, 0)
    assert row["floor"] == pytest.approx(np.mean(mean_difference(real, draws)), abs=EXACT)
    assert row["matched"] == pytest.approx(np.mean(mean_difference(given, draws)), abs=EXACT)
    assert row["floor_n"] == N // 2


def test_no_floor_without_reference() -> None:
    row = rows_of(set_metric(count, needs=frozenset()), inputs(reference=False)).loc["all"]
    assert math.isnan(row["floor"])
    assert row["floor_n"] == 0


def test_metric_that_stays_out_of_strata() -> None:
    partition = Partition({"head": np.arange(25), "tail": np.arange(25, 40)})
    assert list(rows_of(set_metric(in_strata=False), inputs(), partition).index) == ["all"]


def test_undefined_value_keeps_its_reason() -> None:
    def nothing(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
        return [Undefined("too few splits") for _ in subsets]

    row = rows_of(set_metric(nothing), inputs()).loc["all"]
    assert math.isnan(row["value"])
    assert row["reason"] == "too few splits"


def test_one_undefined_group_means_no_interval() -> None:
    def sometimes(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
        return [1.0 if 0 in s.generated else Undefined("clip c00 is missing") for s in subsets]

    row = rows_of(set_metric(sometimes), inputs()).loc["all"]
    assert row["value"] == 1.0
    assert math.isnan(row["ci_low"])
    assert row["ci_method"] == "none"


def test_spread_metric_has_no_interval() -> None:
    row = rows_of(set_metric(count, needs=frozenset(), interval="none"), inputs()).loc["all"]
    assert row["ci_method"] == "none"
    assert row["replicates"] == []


def test_clip_and_label_values_become_rows() -> None:
    clip = ClipMetric("d_{embedder}", "D", True, "", "tests", compute=lambda given: given.generated.clip_means[:, 0])
    label = LabelMetric(
        "d_{embedder}", "D", True, "", "tests", compute=lambda given: [LabelValue(0, "a", 1.0), LabelValue(2, "c", math.nan)]
    )
    given = inputs()
    scores = score_system(GENERATED, [named(clip), named(label)], {"bands": given}, Partition(), Floors()).scores
    assert len(scores) == N + 2
    assert scores["label"].isna().sum() == N
    assert scores["clip_id"].iloc[-1] == "c02"
    assert scores["value"].iloc[0] == pytest.approx(float(given.generated.frames[0, 0]))


@pytest.mark.parametrize(
    ("needs", "given", "system", "unavailable", "words"),
    [
        ({"reference"}, {}, REAL, None, "the real clips are the reference"),
        ({"reference"}, {"reference": False}, GENERATED, None, "needs reference audio"),
        ({"text"}, {}, GENERATED, None, "needs captions"),
        ({"labels"}, {"labels": False}, GENERATED, None, "needs labels"),
        ({"labels"}, {"vocabulary": ()}, GENERATED, None, "order of this tagger's classes"),
        (set(), {"n": 0}, GENERATED, None, "no clip could be scored"),
        (set(), {}, GENERATED, "no checkpoint: give one", "no checkpoint"),
    ],
)
def test_what_cannot_be_computed_says_why(needs, given, system, unavailable, words) -> None:
    metric = named(set_metric(count, needs=frozenset(needs)), unavailable)
    reason = why_not(metric, system, inputs(**given))
    assert reason is not None
    assert words in reason
    scores = score_system(system, [metric], {"bands": inputs(**given)}, Partition(), Floors())
    assert words in scores.undefined["d_bands"]
    assert scores.set_values.empty
