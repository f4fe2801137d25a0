"""Names and bytes of the audio in Arrow and Parquet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from shard_files import wav, write_arrow, write_file, write_parquet

from reaudio_eval.cli.prepare.shards import audio_of_rows, row_names, suffix_of
from reaudio_model.common.audio import encode
from reaudio_model.common.errors import ReaudioError

WRITERS = [write_arrow, write_parquet]
Write = Callable[..., Path]


def shard(write: Write, folder: Path, rows: list[dict[str, Any]]) -> Path:
    return write(folder / ("data-00000-of-00001.arrow" if write is write_arrow else "train-00000-of-00001.parquet"), rows)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("row", "name"),
    [
        ({"youtube_id": "vid", "start_time": 30, "audiocap_id": 7, "audio": {"bytes": b"x", "path": "p.wav"}}, "vid_30"),
        ({"youtube_id": "vid", "start_time": "30.000", "audio": {"bytes": b"x", "path": None}}, "vid_30"),
        ({"youtube_id": "vid", "start_time": "soon", "audio": {"bytes": b"x"}}, "vid"),
        ({"youtube_id": "vid", "audio": {"bytes": b"x"}}, "vid"),
        ({"audiocap_id": 7, "audio": {"bytes": b"x", "path": "p.wav"}}, "7"),
        ({"audio": {"bytes": b"x", "path": "folder/Yvid.wav"}}, "Yvid"),
        ({"audio": "folder/Yvid.flac"}, "Yvid"),
        ({"file_name": "Yvid.flac", "audio": {"bytes": b"x"}}, "Yvid"),
    ],
)
def test_a_row_is_named_by_its_columns_or_its_path(write: Write, row: dict[str, Any], name: str, tmp_path: Path) -> None:
    assert row_names(shard(write, tmp_path, [row])) == [name]


@pytest.mark.parametrize("write", WRITERS)
def test_tables_without_audio_or_names_have_no_rows(write: Write, tmp_path: Path) -> None:
    assert row_names(shard(write, tmp_path, [{"caption": "a dog"}])) == []
    assert row_names(shard(write, tmp_path, [{"audio": {"bytes": b"x"}}])) in ([], [""])


@pytest.mark.parametrize("write", WRITERS)
def test_the_bytes_of_rows_are_those_that_were_stored(write: Write, tmp_path: Path) -> None:
    content = [wav(seed, 0.1) for seed in range(5)]
    path = shard(write, tmp_path, [{"audio": {"bytes": each, "path": "a.wav"}} for each in content])
    assert list(audio_of_rows(path, {4, 1, 2})) == [(1, content[1]), (2, content[2]), (4, content[4])]


@pytest.mark.parametrize("write", WRITERS)
def test_a_row_may_have_a_path_or_neither(write: Write, tmp_path: Path) -> None:
    rows = [{"audio": {"bytes": b"x", "path": "a.wav"}}, {"audio": {"bytes": None, "path": "a.wav"}}]
    path = shard(write, tmp_path, [*rows, {"audio": {"bytes": None, "path": None}}, {"audio": None}])
    assert list(audio_of_rows(path, {0, 1, 2, 3})) == [(0, b"x"), (1, tmp_path / "a.wav"), (2, None), (3, None)]


def test_the_file_format_of_arrow_is_read_too(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"audio": {"bytes": b"x", "path": "Yvid.wav"}}])
    path = tmp_path / "data.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    assert row_names(path) == ["Yvid"]
    assert list(audio_of_rows(path, {0})) == [(0, b"x")]


@pytest.mark.parametrize("name", ["data.arrow", "data.parquet"])
def test_a_damaged_shard_is_one_sentence(name: str, tmp_path: Path) -> None:
    path = write_file(tmp_path / name, b"no table at all")
    with pytest.raises(ReaudioError, match=rf"{name} cannot be read \(.*\): fetch it again, or move it out of the folder\."):
        row_names(path)


def test_a_cut_shard_is_one_sentence(tmp_path: Path) -> None:
    path = write_arrow(tmp_path / "data.arrow", [{"audio": {"bytes": wav(i), "path": f"{i}.wav"}} for i in range(4)])
    path.write_bytes(path.read_bytes()[:-60_000])
    with pytest.raises(ReaudioError, match="cannot be read"):
        list(audio_of_rows(path, {3}))


@pytest.mark.parametrize(
    ("container", "subtype", "suffix"),
    [("WAV", "PCM_16", ".wav"), ("FLAC", "PCM_16", ".flac"), ("OGG", "VORBIS", ".ogg"), ("MP3", "MPEG_LAYER_III", ".mp3")],
)
def test_the_suffix_follows_from_the_bytes(container: str, subtype: str, suffix: str) -> None:
    import numpy as np

    assert suffix_of(encode(np.zeros(4800, np.float32), 48_000, container, subtype)) == suffix
    assert suffix_of(b"unknown") == ".wav"
