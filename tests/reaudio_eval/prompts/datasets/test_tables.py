"""Reading CSV tables: every documented error names the file and the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.datasets._tables import LabelSet, read_captions, read_class_list
from reaudio_model.common.errors import ReaudioError, UnknownNameError

LABELS = LabelSet(("/m/1", "/m/2"), {"/m/1": "Male speech, man speaking", "/m/2": "Dog"})


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_labels_are_ids_or_names_in_any_case() -> None:
    assert LABELS.parse("/m/2;male speech, man speaking; Dog ;", "x") == ("/m/2", "/m/1")
    assert LABELS.parse("", "x") == ()


def test_unknown_label_suggests() -> None:
    with pytest.raises(ReaudioError, match=r"a\.csv row 3: unknown label 'Dgo'. Did you mean 'Dog'\?"):
        LABELS.parse("Dgo", "a.csv row 3")
    with pytest.raises(ReaudioError, match=r"unknown label 'zzzzzz'\. Labels are ids or display names"):
        LABELS.parse("/m/1;zzzzzz", "here")


def test_class_list(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", 'index,mid,display_name\n0,/m/1,"A, b"\n1,/m/0,C\n')
    assert read_class_list(path) == LabelSet(("/m/1", "/m/0"), {"/m/1": "A, b", "/m/0": "C"})
    with pytest.raises(ReaudioError, match="'index' must count 0, 1, 2"):
        read_class_list(write(path, "index,mid,display_name\n1,/m/1,A\n"))
    with pytest.raises(ReaudioError, match="row 2: repeats mid '/m/1' of row 1"):
        read_class_list(write(path, "index,mid,display_name\n0,/m/1,A\n1,/m/1,B\n"))


def test_captions_by_file_name(tmp_path: Path) -> None:
    for column in ("file", "filename"):
        path = write(tmp_path / "c.csv", f'{column},caption\nx/a.b.wav,"one, two"\nb.flac,NA\n')
        assert read_captions(path).prompts == (Prompt("a.b", "one, two", (), False), Prompt("b", "NA", (), False))


def test_captions_with_labels_and_splits(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "clip_id,caption,labels,split\na,x,Dog,test\nb,y,,test\na,z,Dog,val\n")
    of_test = (Prompt("a", "x", ("/m/2",), split="test"), Prompt("b", "y", (), False, split="test"))
    assert read_captions(path, LABELS, "test").prompts == of_test
    assert read_captions(path, None, "val").prompts == (Prompt("a", "z", ("Dog",), split="val"),)
    path.write_text(path.read_text().replace("a,z", "c,z"))
    of_val = Prompt("c", "z", ("/m/2",), split="val")
    assert read_captions(path, LABELS, "all").prompts == (*of_test, of_val)
    with pytest.raises(UnknownNameError, match=r"Unknown split 'tets'\. Did you mean 'test'"):
        read_captions(path, LABELS, "tets")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,caption\na,x\n", r"lacks the column 'clip_id' \(or 'file' or 'filename'\); it has 'name', 'caption'"),
        ("clip_id,text\na,x\n", "lacks the column 'caption'"),
        ("clip_id,caption\na,x\nb,y\na,z\n", "row 3: repeats clip_id 'a' of row 1"),
        ("clip_id,caption\na,x\n,y\n", "row 2: 'clip_id' is empty"),
        ("clip_id,caption\na,x\nb, \n", "row 2: 'caption' is empty"),
        ("clip_id,caption\na/b,x\n", "row 1: the clip_id 'a/b' cannot be a file name"),
        ("clip_id,caption,labels\na,x,Dog\nb,y,Dgo\n", "row 2: unknown label 'Dgo'"),
    ],
)
def test_bad_captions(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        read_captions(write(tmp_path / "c.csv", text), LABELS)


def test_rows_keep_their_numbers_after_a_split_is_chosen(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "clip_id,caption,split\na,x,val\nb,y,test\nb,z,test\n")
    with pytest.raises(ReaudioError, match="row 3: repeats clip_id 'b' of row 2"):
        read_captions(path, None, "test")


@pytest.mark.parametrize("column", ["source_id", "youtube_id"])
def test_captions_may_say_what_a_clip_was_cut_from(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "c.csv", f"clip_id,caption,{column}\na,x, v1 \nb,y,\n")
    assert [p.source_id for p in read_captions(path).prompts] == ["v1", ""]


def test_a_split_that_the_table_cannot_know(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "clip_id,caption\na,x\n")
    assert len(read_captions(path, None, "test").prompts) == 1
    assert read_captions(path, split="all") == read_captions(path, split="test")
    with pytest.raises(ReaudioError, match="has no column split, so --split val cannot be chosen"):
        read_captions(path, None, "val")
