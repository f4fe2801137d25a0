"""What is found in folders of audio."""

from __future__ import annotations

from pathlib import Path

import pytest
from shard_files import write_arrow, write_file, write_parquet

from reaudio_eval.cli.prepare.collections import Collection, Source, find_collections
from reaudio_model.common.errors import ReaudioError

ROW = {"audio": {"bytes": b"x", "path": "Yvid.wav"}}


def found(folder: Path, leave_out: str = "nowhere") -> dict[str, list[str]]:
    """Folder and split -> names."""
    collections = find_collections([folder], folder / leave_out)
    return {
        f"{each.place.relative_to(folder)}:{each.split}": [source.stem for source in each.sources] for each in collections
    }


def test_each_folder_is_a_collection_of_the_split_that_it_is_named_after(tmp_path: Path) -> None:
    for name in (
        "top.wav",
        "train/a.wav",
        "train/deep/b.FLAC",
        "valid_audio/c.mp3",
        "audiocaps-test/d.ogg",
        "testing/e.wav",
    ):
        write_file(tmp_path / "audio" / name, b"x")
    assert found(tmp_path / "audio") == {
        ".:": ["top"],
        "audiocaps-test:test": ["d"],
        "testing:": ["e"],
        "train:train": ["a"],
        "train/deep:train": ["b"],
        "valid_audio:val": ["c"],
    }


def test_the_folder_itself_may_be_named_after_a_split(tmp_path: Path) -> None:
    write_file(tmp_path / "test" / "a.wav", b"x")
    assert found(tmp_path / "test") == {".:test": ["a"]}


def test_other_files_and_what_is_hidden_are_left_out(tmp_path: Path) -> None:
    for name in ("a.wav", ".b.wav", "notes.txt", ".cache/c.wav", "out/d.wav"):
        write_file(tmp_path / "audio" / name, b"x")
    assert found(tmp_path / "audio", leave_out="out") == {".:": ["a"]}


def test_rows_of_shards_are_collected_by_split(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "train-00000-of-00002.parquet", [ROW, ROW])
    write_parquet(tmp_path / "data" / "train-00001-of-00002.parquet", [ROW])
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", [ROW])
    write_arrow(tmp_path / "saved" / "validation" / "data-00000-of-00001.arrow", [ROW, ROW])
    assert found(tmp_path) == {"data:test": ["Yvid"], "data:train": ["Yvid"] * 3, "saved/validation:val": ["Yvid"] * 2}
    whole = find_collections([tmp_path], tmp_path / "out")
    assert str(whole[1].sources[2]) == f"{tmp_path}/data/train-00001-of-00002.parquet, row 1"
    assert whole[0].is_table


def test_a_file_is_no_table_and_shown_by_its_path(tmp_path: Path) -> None:
    source = Source("a", tmp_path / "a.wav")
    assert not Collection(tmp_path, "", (source,)).is_table
    assert str(source) == str(tmp_path / "a.wav")


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    write_file(tmp_path / "elsewhere" / "a.wav", b"x")
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / "one").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "audio" / "two").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "audio")
    assert found(tmp_path / "audio") == {"one:": ["a"]}


def test_folders_without_audio_are_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "captions.parquet", [{"caption": "a dog"}])
    with pytest.raises(ReaudioError, match="holds no audio files, and no Arrow or Parquet shards with a column of audio"):
        find_collections([tmp_path], tmp_path / "out")
    with pytest.raises(ReaudioError, match=r"--audio .*gone is not a folder"):
        find_collections([tmp_path / "gone"], tmp_path / "out")
