"""The miniature as a dataset: its clips, its counts, and the options it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval import plugins
from reaudio_eval.prompts.datasets import DatasetDefaults, DatasetOptions
from reaudio_eval.prompts.datasets.miniature import BANNER, PLUGIN
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.miniature import world


@pytest.mark.slow
def test_prompts_counts_and_references(tmp_path: Path) -> None:
    dataset = PLUGIN.load(DatasetOptions(split="val", cache_dir=tmp_path))
    assert [p.clip_id for p in dataset.prompts] == list(world.clip_ids("val"))
    assert set(dataset.references) == {p.clip_id for p in dataset.prompts}
    assert all(path.is_relative_to(tmp_path) for path in dataset.references.values())
    assert decode(next(iter(dataset.references.values()))).samples.shape == (world.CLIP_SAMPLES, 1)
    assert dataset.n_train("man") == world.train_counts()["man"]
    assert sum(dataset.n_train(label) == 0 for label in dataset.vocabulary) == 12
    assert list(dataset.vocabulary) == sorted(world.train_counts())
    assert dataset.banner == BANNER


@pytest.mark.slow
def test_all_splits_are_those_with_prompts(tmp_path: Path) -> None:
    dataset = PLUGIN.load(DatasetOptions(split="all", cache_dir=tmp_path))
    assert [p.clip_id for p in dataset.prompts] == [*world.clip_ids("test"), *world.clip_ids("val")]
    assert {p.split for p in dataset.prompts} == {"test", "val"}


def test_defaults_are_registered_names() -> None:
    assert PLUGIN.defaults.embedders
    for name in PLUGIN.defaults.embedders:
        assert plugins.load("embedders", name).spec.bundled
    assert plugins.load("datasets", "audiocaps").defaults == DatasetDefaults()


def test_every_split_is_counted() -> None:
    found = PLUGIN.split_labels(DatasetOptions())
    assert {split: len(clips) for split, clips in found.clips.items()} == {
        split: len(world.clip_ids(split))  # type: ignore[arg-type]
        for split in ("train", "val", "test")
    }
    assert sum("man" in labels for labels in found.clips["train"]) == world.train_counts()["man"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (DatasetOptions(data_root=Path("x")), "takes no --data-root x: name your own data with --dataset"),
        (DatasetOptions(references=Path("x")), "takes no --references"),
        (DatasetOptions(clip_manifest=Path("x")), "takes no --clip-manifest"),
        (DatasetOptions(captions=2), "--captions 2: a clip of the miniature has one caption"),
    ],
)
def test_options_of_datasets_on_disk_are_refused(options: DatasetOptions, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        PLUGIN.load(options)


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown miniature split 'tset'\. Did you mean 'test'"):
        PLUGIN.load(DatasetOptions(split="tset"))


@pytest.mark.slow
def test_the_pool_tells_the_two_kinds_of_zero_shot_classes_apart(tmp_path: Path) -> None:
    dataset = PLUGIN.load(DatasetOptions(split="val", cache_dir=tmp_path))
    unseen = [label for label, n in world.train_counts().items() if n == 0]
    assert {label for label in unseen if dataset.n_pool(label)} == {c for c in unseen if world.regime(c) == "pool only"}
    assert dataset.n_pool("man") == world.train_counts()["man"]
