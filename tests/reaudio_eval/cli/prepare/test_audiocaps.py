"""``prepare audiocaps`` from downloads to a data root that the dataset reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from audiocaps_files import write_joined, write_official
from shard_files import wav, write_arrow, write_file, write_parquet
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.datasets.audiocaps import PLUGIN
from reaudio_model.retrieval.pairs import read_pairs


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return write_official(tmp_path / "tables")


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return tmp_path / "audio"


class Root:
    """The command with its folders."""

    def __init__(self, tables: Path, audio: Path) -> None:
        self.tables, self.audio, self.output = tables, audio, audio.with_name("root")

    def invoke(self, *words: str) -> Any:
        cache = self.output.with_name("cache")
        folders = {"tables": self.tables, "audio": self.audio, "output": self.output, "cache-dir": cache}
        given = [word for name, path in folders.items() for word in (f"--{name}", str(path))]
        return CliRunner().invoke(app, ["prepare", "audiocaps", *given, "--jobs", "1", *words])

    def prepare(self, *words: str) -> dict[str, Any]:
        """What ``--json`` prints."""
        result = self.invoke("--json", "--quiet", *words)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def problems(self) -> list[tuple[str, str, str]]:
        """Clip, problem and detail of the table."""
        table = pd.read_csv(self.output / "findings.csv", dtype=str, keep_default_na=False)
        return list(zip(table["clip_id"], table["problem"], table["detail"], strict=True))

    def links(self) -> dict[str, str]:
        """Link -> digest of its content."""
        paths = sorted(self.output.glob("*_audio/*"))
        return {str(p.relative_to(self.output)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    def references(self, split: str) -> dict[str, Path]:
        """What the dataset finds in the data root."""
        options = DatasetOptions(data_root=self.output, split=split, references=self.output / f"{split}_audio")
        return dict(PLUGIN.load(options).references)


@pytest.fixture
def root(tables: Path, audio: Path) -> Root:
    return Root(tables, audio)


def counts(found: dict[str, Any], split: str) -> dict[str, int]:
    """Those that are not 0."""
    return {name: n for name, n in found["splits"][split].items() if n}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_files_in_folders_of_splits_are_linked_and_read_by_the_dataset(root: Root, audio: Path) -> None:
    for i, name in enumerate(("train/Ytrn1.wav", "train/Ytrn2.wav", "test/vidA_30.wav", "test/vidC_20.wav", "val/5.wav")):
        write_file(audio / name, wav(i))
    found = root.prepare()
    assert {split: counts(found, split) for split in ("train", "val", "test")} == {
        "train": {"n_clips": 3, "n_audio": 2, "missing": 1},
        "val": {"n_clips": 1, "n_audio": 1},
        "test": {"n_clips": 4, "n_audio": 2, "missing": 2},
    }
    assert root.links() == {
        "test_audio/vidA.wav": digest(wav(2)),
        "test_audio/vidC_20.wav": digest(wav(3)),
        "train_audio/trn1.wav": digest(wav(0)),
        "train_audio/trn2.wav": digest(wav(1)),
        "val_audio/val1.wav": digest(wav(4)),
    }
    assert (root.output / "test_audio" / "vidA.wav").readlink() == audio / "test" / "vidA_30.wav"
    assert set(root.references("test")) == {"vidA", "vidC_20"}
    assert set(root.references("train")) == {"trn1", "trn2"}
    assert PLUGIN.load(DatasetOptions(root.output)) == PLUGIN.load(DatasetOptions(root.tables))
    pairs = read_pairs(root.output / "train.csv", audio_root=root.output / "train_audio")
    assert ([pair.clip_id for pair in pairs.pairs], pairs.missing) == (["trn1", "trn2"], ["trn3"])
    assert root.problems() == [("trn3", "missing", ""), ("vidB", "missing", ""), ("vidC_10", "missing", "")]


def test_missing_corrupt_odd_and_double_recordings_are_reported(root: Root, audio: Path) -> None:
    write_file(audio / "vidA_30.wav", wav(0)[:20_044])
    write_file(audio / "vidB_0.wav", b"junk")
    write_file(audio / "vidC_10.wav", wav(1, seconds=4))
    write_file(audio / "vidC_20.wav", wav(2)[:44] + bytes(len(wav(2)) - 44))
    write_file(audio / "trn1_30.wav", wav(3))
    write_file(audio / "trn2_40.wav", wav(3))
    write_file(audio / "more" / "trn1_30.wav", wav(3))
    write_file(audio / "more" / "trn2_40.flac", wav(5))
    found = root.prepare()
    assert counts(found, "test") == {"n_clips": 4, "n_audio": 3, "unreadable": 1, "truncated": 1, "silent": 1, "length": 2}
    assert counts(found, "train") == {"n_clips": 3, "n_audio": 2, "missing": 1, "double": 2, "same": 2}
    listed = [(clip, problem) for clip, problem, _ in root.problems()]
    assert listed == [
        ("trn1", "double"), ("trn1", "same"), ("trn2", "double"), ("trn2", "same"), ("trn3", "missing"),
        ("vidA", "truncated"), ("vidA", "length"), ("vidB", "unreadable"), ("vidC_10", "length"), ("vidC_20", "silent"),
    ]  # fmt: skip
    details = {(clip, problem): detail for clip, problem, detail in root.problems()}
    assert details["trn1", "double"] == "the same bytes"
    assert details["trn2", "double"] == "other bytes"
    assert details["trn2", "same"] == "as trn1"
    assert details["vidC_10", "length"] == "4.00 s"
    assert "it is damaged or not audio" in details["vidB", "unreadable"]
    assert "test_audio/vidB.wav" not in root.links()


def test_a_whole_recording_is_preferred_to_a_cut_one_and_this_to_one_that_cannot_be_read(root: Root, audio: Path) -> None:
    write_file(audio / "a" / "vidA_30.wav", wav(0)[:20_044])
    write_file(audio / "b" / "vidA_30.wav", wav(1))
    write_file(audio / "a" / "vidB_0.wav", b"junk")
    write_file(audio / "b" / "vidB_0.wav", wav(2)[:20_044])
    root.prepare()
    assert root.links() == {"test_audio/vidA.wav": digest(wav(1)), "test_audio/vidB.wav": digest(wav(2)[:20_044])}


@pytest.mark.parametrize("write", [write_arrow, write_parquet])
def test_audio_inside_a_saved_dataset_is_written_as_it_is(write: Any, root: Root, audio: Path) -> None:
    ids = {"vidA": (30, 11, 13), "vidB": (0, 12, 14)}
    rows = [
        {"audiocap_id": number, "youtube_id": video, "start_time": start, "audio": {"bytes": wav(start), "path": "x.wav"}}
        for video, (start, *numbers) in ids.items()
        for number in numbers
    ]
    write(audio / "test" / f"test-0.{'arrow' if write is write_arrow else 'parquet'}", rows)
    found = root.prepare()
    assert counts(found, "test") == {"n_clips": 4, "n_audio": 2, "missing": 2}
    assert root.links() == {"test_audio/vidA.wav": digest(wav(30)), "test_audio/vidB.wav": digest(wav(0))}
    assert len(list((root.output / "extracted").glob("*/*"))) == 2, "rows of one clip with the same bytes have one file"
    moved = root.output.rename(root.output.with_name("moved"))
    assert (moved / "test_audio" / "vidA.wav").read_bytes() == wav(30)


def test_rows_with_paths_are_linked_and_rows_without_audio_are_unreadable(root: Root, audio: Path) -> None:
    write_file(audio / ".files" / "a.wav", wav(0))
    write_parquet(
        audio / "test.parquet",
        [
            {"youtube_id": "vidA", "start_time": 30, "audio": {"bytes": None, "path": ".files/a.wav"}},
            {"youtube_id": "vidB", "start_time": 0, "audio": {"bytes": None, "path": None}},
            {"youtube_id": "vidC", "start_time": 10, "audio": {"bytes": None, "path": "gone.wav"}},
        ],
    )
    assert counts(root.prepare(), "test") == {"n_clips": 4, "n_audio": 1, "missing": 1, "unreadable": 2}
    assert (root.output / "test_audio" / "vidA.wav").readlink() == audio / ".files" / "a.wav"
    details = {clip: detail for clip, problem, detail in root.problems() if problem == "unreadable"}
    assert details["vidB"] == "The row has neither bytes nor a path."
    assert "gone.wav cannot be opened" in details["vidC_10"]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Path -> inode and time of the last change, of all but the record."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_ino, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir() and path.name not in ("prepare.json", "findings.csv")
    }


def test_a_second_run_changes_nothing_and_reads_no_audio_again(
    root: Root, audio: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file(audio / "vidA_30.wav", wav(0))
    write_parquet(audio / "hf" / "test.parquet", [{"youtube_id": "vidB", "start_time": 0, "audio": {"bytes": wav(1)}}])
    first, before = root.prepare(), snapshot(root.output)
    record = (root.output / "prepare.json").read_bytes()
    monkeypatch.setattr("reaudio_model.common.audio.decode", lambda *_, **__: pytest.fail("audio was decoded again"))
    assert root.prepare() == first
    assert snapshot(root.output) == before
    assert (root.output / "prepare.json").read_bytes() == record
    assert json.loads(record)["finished"]


def test_what_was_repaired_or_removed_since_is_followed(root: Root, audio: Path) -> None:
    write_file(audio / "vidA_30.wav", b"junk")
    write_file(audio / "vidB_0.wav", wav(1))
    root.prepare()
    assert list(root.links()) == ["test_audio/vidB.wav"]
    write_file(audio / "vidA_30.wav", wav(0))
    (audio / "vidB_0.wav").unlink()
    root.prepare()
    assert root.links() == {"test_audio/vidA.wav": digest(wav(0))}


def test_an_interrupted_run_is_resumed(root: Root, audio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(audio / "vidA_30.wav", wav(0))
    with monkeypatch.context() as patch:
        patch.setattr("reaudio_eval.cli.prepare.audiocaps.audit", lambda *_, **__: 1 / 0)
        assert isinstance(root.invoke().exception, ZeroDivisionError)
    assert json.loads((root.output / "prepare.json").read_text()) == {"finished": False}
    assert counts(root.prepare(), "test")["n_audio"] == 1


def test_a_dry_run_writes_nothing(root: Root, audio: Path) -> None:
    write_file(audio / "a" / "vidA_30.wav", b"junk")
    write_file(audio / "b" / "vidA_30.wav", wav(0))
    found = root.prepare("--dry-run")
    assert counts(found, "test") == {"n_clips": 4, "n_audio": 1, "missing": 3, "double": 1}
    assert found["dry_run"]
    assert not root.output.exists()
    assert not root.output.with_name("cache").exists()


def test_the_text_has_counts_names_and_lists(root: Root, audio: Path) -> None:
    write_file(audio / "YvidA.wav", wav(0))
    write_file(audio / "other.wav", wav(1))
    own = write_file(root.output.with_name("own.txt"), b"vidA\nvidB\n")
    result = root.invoke("--list", f"mine={own}")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert " ".join(lines[0].split()) == "split clips audio missing unreadable truncated silent length double same"
    assert lines[3].split() == ["test", "4", "1", "3", "0", "0", "0", "0", "0", "0"]
    assert f"{audio}: 1 clips, named by Y + youtube_id; 1 of no clip, such as 'other'" in lines
    assert "mine: 1 of 2 clips have audio" in lines
    assert any(line.startswith("test_964: The list of 964 clips cannot be derived") for line in lines)
    assert lines[-1] == f"3 findings in {root.output / 'findings.csv'}", "nothing is said of splits without any recording"
    manifest = DatasetOptions(root.output, clip_manifest=root.output / "lists" / "mine.csv")
    assert [prompt.clip_id for prompt in PLUGIN.load(manifest).prompts] == ["vidA", "vidB"]


def test_a_folder_that_holds_something_else_is_not_written_to(root: Root, audio: Path) -> None:
    write_file(audio / "vidA_30.wav", wav(0))
    write_file(root.output / "train.csv", b"mine")
    result = root.invoke()
    assert (result.exit_code, "is not empty, and was not made by this command" in result.stderr) == (2, True)
    assert (root.output / "train.csv").read_bytes() == b"mine"
    for taken in (root.tables, audio):
        root.output = taken
        assert "is a folder that is read: choose another" in root.invoke().stderr
    root.output = write_file(audio.with_name("file"), b"x")
    assert "is a file: give a folder" in root.invoke().stderr


def test_joined_tables_will_do(root: Root, audio: Path) -> None:
    root.tables = write_joined(audio.with_name("joined"))
    write_file(audio / "vidA_30.wav", wav(0))
    assert counts(root.prepare(), "test") == {"n_clips": 4, "n_audio": 1, "missing": 3}


def test_required_options_are_named() -> None:
    result = CliRunner().invoke(app, ["prepare", "audiocaps", "--tables", "x"])
    assert result.exit_code == 2
    assert "Missing: --audio (Folder of audio files" in result.stderr
