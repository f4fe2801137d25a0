"""The miniature world: splits, leakage, determinism."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.miniature import world
from reaudio_model.miniature.classes import CLASSES

# SHA-256 of render() as little-endian 16-bit integers, computed with NumPy 2.4 on x86-64 for WORLD_VERSION 1. They change with every
# change of the world, which then needs a new version; a change without one means that another machine or NumPy makes other clips.
GOLDEN = {
    "train-000000": "63308b41e45e3452316396ebd179e558a7836a3a5224a008193b39a4d11d6f97",
    "test-000017": "d3d6f1ad11b7876ee5e638c1cc3c34524edd0af04b50b5dcd6e15f7e3d7ba642",
    "balanced-001234": "7fa74a434f4be5522ba9a1daaf08152c86865ae7bcef706db37c419c975bdd75",
}


def pcm(clip_id: str) -> bytes:
    return np.round(world.render(clip_id).astype(np.float64) * 2**15).astype("<i2").tobytes()


@pytest.mark.parametrize(("clip_id", "expected"), GOLDEN.items())
def test_golden_clips(clip_id: str, expected: str) -> None:
    assert hashlib.sha256(pcm(clip_id)).hexdigest() == expected


def test_plan_of_the_splits_is_golden() -> None:
    """Labels and captions of every clip that has a fixed id: one hash, of the same origin as GOLDEN."""
    lines = [f"{world.describe(i).clip_id} {world.describe(i).labels} {world.describe(i).caption}" for i in all_ids()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "2cdeb00329fcdb43447156aced07f3139599df530ec55b55b39507ae46f0009b"


def all_ids() -> list[str]:
    return [clip_id for split in ("val", "test", "pool") for clip_id in world.clip_ids(split)]


def test_render_lies_on_the_16_bit_grid() -> None:
    samples = world.render("val-000003")
    assert samples.shape == (world.CLIP_SAMPLES,)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, np.frombuffer(pcm("val-000003"), "<i2") / np.float32(2**15))


def test_a_clip_does_not_depend_on_what_was_made_before() -> None:
    alone = world.render("test-000005")
    world.render("test-000006")
    world.describe.cache_clear()
    assert np.array_equal(alone, world.render("test-000005"))


def test_train_counts_are_the_number_of_clips_with_the_label() -> None:
    counted = Counter(label for clip_id in world.clip_ids("train") for label in world.describe(clip_id).labels)
    assert {label: counted[label] for label in world.train_counts()} == world.train_counts()


def test_long_tail_has_the_shape_of_audiocaps() -> None:
    """AudioCaps train: the first label on 42 % of the clips, a few labels on more than a fiftieth, a third in the lowest decade."""
    counts = np.array([count for count in world.train_counts().values() if count])
    clips = len(world.clip_ids("train"))
    assert 2_500 <= clips <= 3_500
    assert 0.3 <= counts.max() / clips <= 0.5
    assert 0.05 <= np.mean(counts >= clips / 50) <= 0.25
    assert 1 / 3 <= np.mean(counts < 10) <= 0.6
    assert sorted(counts, reverse=True) == list(counts)


def test_regimes_hold_in_the_splits() -> None:
    heard = {split: {label for i in world.clip_ids(split) for label in world.describe(i).labels} for split in world.SPLITS}
    by_regime = {r: {c.label for c in CLASSES if world.regime(c.label) == r} for r in ("train", "pool only", "neither")}
    assert heard["train"] == heard["val"] == by_regime["train"]
    assert heard["pool"] == by_regime["train"] | by_regime["pool only"]
    assert heard["test"] == set(world.label_names())
    assert len(by_regime["pool only"]) >= 6
    assert len(by_regime["neither"]) >= 4


def test_every_class_has_test_clips_and_single_ones() -> None:
    specs = [world.describe(clip_id) for clip_id in world.clip_ids("test")]
    single = Counter(spec.labels[0] for spec in specs if spec.arrangement == "single")
    assert min(single[label] for label in world.label_names()) >= 4


def test_no_clip_id_is_in_two_splits() -> None:
    pool = set(world.clip_ids("pool"))
    assert set(world.clip_ids("train")) < pool
    assert not pool & set(world.clip_ids("test"))
    assert not pool & set(world.clip_ids("val"))
    assert not set(world.clip_ids("test")) & set(world.clip_ids("val"))
    assert not set(world.balanced_ids(10_000)) & (pool | set(all_ids()))


@pytest.mark.slow
@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.slow)])
def test_no_test_audio_is_in_the_pool(step: int) -> None:
    """By hash of the samples: every clip of the pool (train is a part of it), val and test is different from every other.

    Rendering all takes half a minute, so that the quick run takes every twentieth of the pool; all of val and test always.
    """
    ids = [*world.clip_ids("pool")[::step], *world.clip_ids("val"), *world.clip_ids("test")]
    assert len({hashlib.sha256(pcm(clip_id)).digest() for clip_id in ids}) == len(ids)


def test_balanced_ids_go_around_the_classes() -> None:
    own = [CLASSES[i % len(CLASSES)].label for i in range(200)]
    specs = [world.describe(clip_id) for clip_id in world.balanced_ids(200)]
    assert all(label in spec.labels for label, spec in zip(own, specs, strict=True))
    assert world.balanced_ids(3, first=7) == world.balanced_ids(10)[7:]
    assert 0.25 < np.mean([len(spec.labels) > 1 for spec in specs]) < 0.45


def test_events_lie_in_the_clip_and_follow_their_arrangement() -> None:
    for clip_id in world.balanced_ids(600):
        spec = world.describe(clip_id)
        ends = [event.start_s + event.duration_s for event in spec.events]
        assert tuple(event.label for event in spec.events) == spec.labels
        assert len(set(spec.labels)) == len(spec.labels)
        assert max(ends) <= world.CLIP_SAMPLES / world.SAMPLE_RATE + 1e-9
        follows = [end <= event.start_s + 1e-9 for end, event in zip(ends, spec.events[1:], strict=False)]
        assert follows == [spec.arrangement == "sequence"] * (len(spec.events) - 1)


@pytest.mark.parametrize("clip_id", ["test-999999", "test-1", "test-0000001", "dog", "tset-000001", "test-", "test-00000١"])
def test_unknown_clip(clip_id: str) -> None:
    with pytest.raises(ReaudioError, match="has no clip"):
        world.render(clip_id)


def test_unknown_split_and_label() -> None:
    with pytest.raises(UnknownNameError, match=r"miniature split 'trian'.*'train'"):
        world.clip_ids("trian")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match=r"miniature label 'dgo'.*'dog'"):
        world.regime("dgo")
