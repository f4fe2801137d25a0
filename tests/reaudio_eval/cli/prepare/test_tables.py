"""Tables of a data root: read from several folders, written as they are read, lists of clips."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from audiocaps_files import write_joined, write_manifest, write_official

from reaudio_eval.cli.prepare.tables import clip_lists, read_from, write_lists, write_tables
from reaudio_eval.prompts.datasets._audiocaps_tables import read_tables
from reaudio_model.common.errors import ReaudioError


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return write_official(tmp_path / "official")


def split_folders(official: Path) -> tuple[Path, Path]:
    """The tables of AudioCaps, and those of AudioSet."""
    audioset = official.with_name("audioset")
    audioset.mkdir()
    for name in ("class_labels_indices.csv", "unbalanced_train_segments.csv"):
        shutil.move(official / name, audioset / name)
    return official, audioset


def test_tables_of_two_folders_are_read_as_those_of_one(official: Path) -> None:
    whole = read_tables(official)
    found = read_from(split_folders(official), skip=False)
    pd.testing.assert_frame_equal(found.captions, whole.captions)
    assert found.classes == whole.classes


def test_messages_name_the_files_of_the_user(official: Path) -> None:
    captions, audioset = split_folders(official)
    path = captions / "test.csv"
    path.write_text(path.read_text(encoding="utf-8") + "\n19,vidD,soon,x", encoding="utf-8")
    with pytest.raises(ReaudioError, match=rf"^{path} row 9: start_time 'soon' is not a number of seconds"):
        read_from([captions, audioset], skip=False)
    assert "test.csv: 1 of 9 rows are left out" in read_from([captions, audioset], skip=True).notes[0]
    (audioset / "unbalanced_train_segments.csv").unlink()
    with pytest.raises(ReaudioError, match=f"^{captions} and {audioset} has captions without labels"):
        read_from([captions, audioset], skip=True)


def test_folders_that_cannot_be_used(official: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"--tables .*gone is not a folder"):
        read_from([tmp_path / "gone"], skip=False)
    with pytest.raises(ReaudioError, match=r"--tables .* has no AudioCaps tables: looked for"):
        read_from([tmp_path], skip=False)
    with pytest.raises(ReaudioError, match=r"official/train\.csv and .*copy/train\.csv are the same table: name one"):
        read_from([official, shutil.copytree(official, tmp_path / "copy")], skip=False)


def test_what_is_written_is_read_back_the_same(official: Path, tmp_path: Path) -> None:
    tables = read_from([official], skip=False)
    write_tables(tables, tmp_path / "root")
    again = read_tables(tmp_path / "root")
    pd.testing.assert_frame_equal(
        again.captions[tables.captions.columns].astype(object).reset_index(drop=True),
        tables.captions.astype(object).reset_index(drop=True),
    )
    assert again.classes == tables.classes
    assert (tmp_path / "root" / "test.csv").read_text(encoding="utf-8").splitlines()[:2] == [
        "audiocap_id,youtube_id,start_time,caption",
        "11,vidA,30,first A",
    ]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "root").iterdir()}
    write_tables(tables, tmp_path / "root")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "root").iterdir()} == before


def test_published_lists_of_another_split_have_a_reason_and_no_file(tmp_path: Path) -> None:
    tables = read_from([write_joined(tmp_path / "joined")], skip=False)
    lists = clip_lists(tables, {})
    assert list(lists) == ["test_975", "test_964", "test_957", "test_886"]
    assert all("cannot be derived" in str(each) for each in lists.values())
    write_lists(lists, tmp_path / "root")
    assert not (tmp_path / "root" / "lists").exists()


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("own.txt", "vidB\nvidA\n\n", [("vidA", "first A"), ("vidB", "first B")]),
        ("own.txt", "YvidB.wav\nYvidA.wav", [("vidA", "first A"), ("vidB", "first B")]),
        ("own.txt", "audio/18.wav\naudio/14.wav", [("vidB", "first B"), ("vidC_10", "first C")]),
        ("own.csv", "clip_id,caption,audiocap_id\nx,second A,13\ny,first B,12", [("x", "second A"), ("y", "first B")]),
    ],
)
def test_a_list_of_the_user(name: str, text: str, rows: list[tuple[str, str]], tmp_path: Path) -> None:
    tables = read_from([write_joined(tmp_path / "joined")], skip=False)
    own = clip_lists(tables, {"mine": write_manifest(tmp_path / name, text)})["mine"]
    assert isinstance(own, pd.DataFrame)
    assert list(zip(own["clip_id"], own["caption"], strict=True)) == rows
    write_lists({"mine": own}, tmp_path / "root")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "root" / "lists" / "mine.csv", dtype=str), own.astype("str"))


@pytest.mark.parametrize(
    ("name", "text"), [("own.txt", "vidB\nvidX\nvidY"), ("own.csv", "clip_id,caption\nvidX,a\nvidY,b\nvidB,first B")]
)
def test_unknown_clips_of_a_list_are_refused(name: str, text: str, tmp_path: Path) -> None:
    tables = read_from([write_joined(tmp_path / "joined")], skip=False)
    with pytest.raises(
        ReaudioError, match=r"names 2 clips that AudioCaps does not have, such as 'vidX', 'vidY': remove them"
    ):
        clip_lists(tables, {"mine": write_manifest(tmp_path / name, text)})


def test_the_name_of_a_list_names_a_file(tmp_path: Path) -> None:
    tables = read_from([write_joined(tmp_path / "joined")], skip=False)
    with pytest.raises(ReaudioError, match=r"--list \.\./x: a name has letters, digits"):
        clip_lists(tables, {"../x": tmp_path / "own.txt"})
