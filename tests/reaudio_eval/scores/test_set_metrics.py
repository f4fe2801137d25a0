"""Set metrics over subsets: intervals, strata at equal n, floors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.frames.scores import SET_VALUES
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import MetricInput, SetMetric, Subset
from reaudio_eval.scores.metrics.fad import METRICS as FRECHET
from reaudio_eval.scores.set_metrics import (
    JACKKNIFE_GROUPS,
    MATCHED_DRAWS,
    MATCHED_GROUPS,
    MIN_STRATUM,
    Floors,
    Partition,
    deleted_groups,
    disjoint_pairs,
    matched_size,
    random_groups,
    set_rows,
)
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError

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


def rows_of(definition: SetMetric, given: MetricInput, partition: Partition | None = None) -> pd.DataFrame:
    rows, by_seed = set_rows("d_bands", definition, [given], partition or Partition(), Floors())
    assert by_seed == []
    return SET_VALUES.frame(rows).set_index("stratum")


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


def test_pairs_are_disjoint_and_of_the_size_asked() -> None:
    rows = np.arange(10, 31)
    draws = disjoint_pairs(rows, 8, 5, 0)
    assert len(draws) == 5
    for draw in draws:
        assert len(draw.generated) == len(draw.reference) == 8
        assert not set(draw.generated) & set(draw.reference)
        assert set(draw.generated) | set(draw.reference) <= set(rows)


def test_pairs_without_a_group_keep_most_of_their_clips() -> None:
    rows = np.arange(40)
    left_out = random_groups(40, MATCHED_GROUPS, 0)[3]
    for draw, again in zip(disjoint_pairs(rows, 18, 20, 0), disjoint_pairs(rows, 18, 20, 0, without=left_out), strict=True):
        assert len(again.generated) == len(again.reference) == 18
        assert not set(left_out) & {*again.generated, *again.reference}
        assert len(set(draw.generated) & set(again.generated)) >= 18 - 2 * len(left_out)


def test_unbiased_metrics_use_every_clip_of_a_stratum() -> None:
    partition = Partition({"head": np.arange(25), "tail": np.arange(25, 32)})
    table = rows_of(set_metric(count, needs=frozenset()), inputs(), partition)
    assert table.loc["head", "value"] == 25
    assert table.loc["tail", "value"] == 7
    assert len(table.loc["tail", "replicates"]) == 7


def test_biased_metrics_compare_strata_at_equal_n() -> None:
    partition = Partition({"head": np.arange(30), "tail": np.arange(17, 40), "zero-shot": np.arange(37, 40)})
    assert matched_size(partition) == 10  # 23 clips without a group of 3 are two subsets of 10
    table = rows_of(set_metric(count, size_biased=True), inputs(), partition)
    assert table.loc["head", "value"] == table.loc["tail", "value"] == 10
    assert table.loc["head", "n_clips"] == table.loc["head", "floor_n"] == 10
    assert math.isnan(table.loc["zero-shot", "value"])
    assert table.loc["zero-shot", "reason"] == "3 clips: a comparison at equal size needs at least 23 in the stratum"
    assert MIN_STRATUM == 23


def test_a_stratum_that_is_just_too_small_sets_no_size() -> None:
    assert matched_size(Partition({"head": np.arange(40), "tail": np.arange(22)})) == 18
    assert matched_size(Partition({"tail": np.arange(22)})) is None


def test_interval_in_a_stratum_is_the_jackknife_of_the_same_draws() -> None:
    given, rows = inputs(), np.arange(5, 40)
    row = rows_of(set_metric(size_biased=True), given, Partition({"s": rows})).loc["s"]
    size = matched_size(Partition({"s": rows}))
    assert size == 15
    assert row["value"] == pytest.approx(
        np.mean(mean_difference(given, disjoint_pairs(rows, size, MATCHED_DRAWS, 0))), abs=EXACT
    )
    groups = random_groups(len(rows), MATCHED_GROUPS, 0)
    expected = [
        np.mean(mean_difference(given, disjoint_pairs(rows, size, MATCHED_DRAWS, 0, without=rows[group])))
        for group in groups
    ]
    assert row["replicates"] == pytest.approx(expected, abs=EXACT)
    assert row["ci_method"] == "delete-a-group jackknife (10 groups)"
    se = math.sqrt(9 / 10 * np.sum((np.array(expected) - np.mean(expected)) ** 2))
    assert row["ci_high"] - row["value"] == pytest.approx(stats.t.ppf(0.975, 9) * se, rel=1e-9)


def test_intervals_end_at_the_bounds_of_the_metric() -> None:
    def size(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
        return [abs(float(value)) for value in mean_difference(given, subsets)]  # type: ignore[arg-type]

    row = rows_of(set_metric(size, range=Range(0.0, None)), inputs()).loc["all"]
    assert row["ci_low"] == 0.0
    assert row["ci_high"] > row["value"]
    assert rows_of(set_metric(size), inputs()).loc["all", "ci_low"] < 0


def test_own_replicates_take_the_place_of_random_groups() -> None:
    def thirds(given: MetricInput, rows: np.ndarray) -> list[float | Undefined]:
        return [
            mean_difference(given, [Subset(np.setdiff1d(rows, rows[i::3]), np.setdiff1d(rows, rows[i::3]))])[0]
            for i in range(3)
        ]

    given = inputs()
    row = rows_of(set_metric(replicates=thirds), given).loc["all"]
    assert row["replicates"] == thirds(given, np.arange(N))
    assert row["ci_method"] == "jackknife over the metric's own splits (3 groups)"


def test_own_replicates_that_are_undefined_leave_the_value_without_interval() -> None:
    row = rows_of(set_metric(replicates=lambda given, rows: [Undefined("it needs at least 80 clips")] * 4), inputs()).loc[
        "all"
    ]
    assert math.isfinite(row["value"])
    assert math.isnan(row["ci_low"])
    assert row["reason"] == "no interval: it needs at least 80 clips"


@pytest.mark.parametrize("wrong", [[], [math.nan], ["x"]])
def test_wrong_replicates_are_refused(wrong: list[object]) -> None:
    with pytest.raises(ReaudioError, match="must give a replicate for each of its groups"):
        rows_of(set_metric(replicates=lambda given, rows: wrong), inputs())


def test_floor_is_real_against_real_on_the_same_draws() -> None:
    given = inputs()
    row = rows_of(set_metric(size_biased=True), given).loc["all"]
    real = MetricInput(given.reference, given.reference, given.prompts, given.protocol)  # type: ignore[arg-type]
    draws = disjoint_pairs(np.arange(N), N // 2, MATCHED_DRAWS, 0)
    assert row["floor"] == pytest.approx(np.mean(mean_difference(real, draws)), abs=EXACT)
    assert row["matched"] == pytest.approx(np.mean(mean_difference(given, draws)), abs=EXACT)
    assert row["floor_n"] == N // 2


FD = next(m for m in FRECHET if m.name == "fd_{embedder}")
WORLDS, WIDTH, CLIPS, SHIFT = 80, 6, 48, 1.5


def gaussian_world(seed: int, shift: float) -> MetricInput:
    """Generated and real clips with independent standard normal features, the generated ones shifted in one dimension."""
    rng = np.random.default_rng(seed)
    ids = tuple(f"c{i:02d}" for i in range(CLIPS))

    def of(mean: float) -> FeatureSet:
        frames = rng.standard_normal((CLIPS, WIDTH))
        frames[:, 0] += mean
        return FeatureSet(ids, frames, np.ones(CLIPS, dtype=np.intp), "bands", "s")

    prompts = tuple(Prompt(clip_id, "x", ("a",)) for clip_id in ids)
    return MetricInput(of(shift), of(0.0), prompts, get_protocol(DEFAULT_PROTOCOL))


def worlds(shift: float) -> pd.DataFrame:
    """Rows over all clips of many worlds, and of their stratum of every clip."""
    partition = Partition({"s": np.arange(CLIPS)})
    frames = [
        SET_VALUES.frame(set_rows("fd_bands", FD, [gaussian_world(seed, shift)], partition, Floors())[0])
        for seed in range(WORLDS)
    ]
    return pd.concat(frames, ignore_index=True)


def within_error(differences: pd.Series, truth: float) -> bool:
    """Whether the mean over worlds is the truth, to four standard errors."""
    return abs(differences.mean() - truth) < 4 * differences.std() / math.sqrt(len(differences))


@pytest.mark.slow
@pytest.mark.parametrize("shift", [0.0, SHIFT])
def test_frechet_distance_exceeds_the_floor_of_as_many_clips_by_its_true_value(shift: float) -> None:
    """The Frechet distance of N(0, I) and N(m, I) is |m|^2; its bias in the number of clips is that of the floor."""
    found = worlds(shift)
    whole, stratum = (found[found["stratum"] == name] for name in ("all", "s"))
    assert set(whole["floor_n"]) == {CLIPS // 2}
    assert within_error(whole["matched"] - whole["floor"], shift**2)
    assert set(stratum["n_clips"]) == set(stratum["floor_n"])
    assert within_error(stratum["value"] - stratum["floor"], shift**2)
    if not shift:  # over all clips the same system lies below that floor: at another number of clips it is none
        assert (whole["value"] < whole["floor"]).mean() > 0.95


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
    assert row["reason"] == "no interval: clip c00 is missing"


def test_spread_metric_has_no_interval() -> None:
    row = rows_of(set_metric(count, needs=frozenset(), interval="none"), inputs()).loc["all"]
    assert row["ci_method"] == "none"
    assert row["reason"] == "the metric has no interval"
    assert row["replicates"] == []
