"""Folders with several clips of each prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import tone, write_clips

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.models.clips import PLUGIN
from reaudio_eval.clips.seed_folders import first_clips, seed_folders
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import ReaudioError

PROMPTS = (Prompt("a", "x", ("dog",)), Prompt("b", "y", ("dog",)))
DATASET = Dataset("folder", "test", PROMPTS, {"dog": 3}, {})


def write(folder: Path, *stems: str) -> Path:
    return write_clips(folder, {stem: tone(300, 0.1) for stem in stems})


def test_sub_folders_of_seeds_in_order_of_their_numbers(tmp_path: Path) -> None:
    for seed in (10, 2, 0):
        write(tmp_path / f"seed{seed}", "a", "b")
    write(tmp_path / "other", "a")
    write(tmp_path / "seed07", "a")  # seed7 would be the same seed
    assert list(seed_folders(tmp_path)) == [0, 2, 10]
    assert first_clips(tmp_path) == {"a": tmp_path / "seed0" / "a.wav", "b": tmp_path / "seed0" / "b.wav"}
    found = PLUGIN.clips_by_seed(ClipRequest(PROMPTS, DATASET, tmp_path / "out", tmp_path, seed=5))
    assert found == {seed: {c: tmp_path / f"seed{seed}" / f"{c}.wav" for c in "ab"} for seed in (0, 2, 10)}


def test_a_folder_of_clips_has_one_seed(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    (tmp_path / "seeds").mkdir()
    assert seed_folders(tmp_path) == {0: tmp_path}
    found = PLUGIN.clips_by_seed(ClipRequest(PROMPTS, DATASET, tmp_path / "out", tmp_path, seed=5))
    assert found == {5: {c: tmp_path / f"{c}.wav" for c in "ab"}}


def test_clips_beside_sub_folders_of_seeds_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path / "seed1", "a")
    with pytest.raises(ReaudioError, match="holds clips beside the sub-folder seed1: move them into a sub-folder seedN"):
        seed_folders(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="does not exist"):
        first_clips(tmp_path / "nothing")
