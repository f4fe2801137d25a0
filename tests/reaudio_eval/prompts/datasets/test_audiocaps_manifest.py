"""Manifests of AudioCaps clips: recordings and labels by id, video or caption; bad manifests; a real one where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiocaps_files import write_audio, write_manifest

from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.datasets.audiocaps import PLUGIN
from reaudio_model.common.errors import ReaudioError

MANIFEST = """path,system,clip_id,caption,audiocap_id,youtube_id,start_time,labels,match
a/1.wav,A,one,a man,13,vidA,30,Dog;/m/1,exact
b/1.wav,B,one,a man,13,vidA,30,Dog;/m/1,exact
a/2.wav,A,two,a dog,14,,,,exact
b/2.wav,B,two,a dog,14,,,,exact
a/3.wav,A,three,yodel,,vidB,0,,ambiguous
a/4.wav,A,four,who knows,999,,,,exact
a/5.wav,A,five,a man again,,vidC,20.0,,exact
a/6.wav,A,six,another second of that video,,vidA,99,,exact
"""


def test_manifest(joined: Path, tmp_path: Path) -> None:
    data = PLUGIN.load(DatasetOptions(joined, clip_manifest=write_manifest(tmp_path / "m.csv", MANIFEST)))
    assert data.prompts == (
        Prompt("one", "a man", ("/m/3", "/m/1"), source_id="vidA", split="test"),
        Prompt("two", "a dog", ("/m/4", "/m/3"), source_id="vidB", split="test"),
        Prompt("three", "yodel", ("/m/4", "/m/3"), labels_known=False, source_id="vidB", split="test"),
        Prompt("four", "who knows", (), labels_known=False),
        Prompt("five", "a man again", ("/m/2",), source_id="vidC", split="test"),
        Prompt("six", "another second of that video", (), labels_known=False, source_id="vidA"),
    )
    assert data.notes == (
        "1 of 6 clips have ambiguous labels: they count in the overall numbers and in no stratum.",
        "2 of 6 clips have no known labels: they count in the overall numbers and in no stratum.",
    )


def test_manifest_of_names_and_captions_that_the_tables_do_not_have(joined: Path, tmp_path: Path) -> None:
    data = PLUGIN.load(
        DatasetOptions(joined, clip_manifest=write_manifest(tmp_path / "m.csv", "clip_id,caption\nx,a\ny,b\n"))
    )
    assert [(p.clip_id, p.labels_known) for p in data.prompts] == [("x", False), ("y", False)]
    assert data.file_names["youtube_id"] == {}
    assert data.why_no_stratum.startswith("None of the 2 prompts has known labels, so there is no stratum: ")
    assert PLUGIN.load(DatasetOptions(joined)).why_no_stratum == ""


@pytest.mark.parametrize(
    ("rows", "by"),
    [
        ("13,second A\n12,first B\n18,Second C!\n", "the audiocap_id in clip_id"),
        ("13,second A\n12,first B\n18,my own words\n", "the audiocap_id in clip_id"),  # most of the captions agree
        ("vidA,my\nYvidB,own\nvidC_10,words\n", "the youtube_id in clip_id"),
        ("x, second A\ny,first B\nz,second C\n", "the exact caption"),
    ],
)
def test_manifest_of_ids_and_captions_alone(joined: Path, tmp_path: Path, rows: str, by: str) -> None:
    folder = write_audio(tmp_path / "refs", "vidA_30", "vidB_0", "vidC_10")
    path = write_manifest(tmp_path / "m.csv", "clip_id,caption\n" + rows)
    data = PLUGIN.load(DatasetOptions(joined, folder, path))
    assert [(p.labels, p.labels_known, p.source_id) for p in data.prompts] == [
        (("/m/1",), True, "vidA"), (("/m/4", "/m/3"), True, "vidB"), (("/m/2",), True, "vidC"),
    ]  # fmt: skip
    assert list(data.references.values()) == [folder / f"{stem}.wav" for stem in ("vidA_30", "vidB_0", "vidC_10")]
    assert data.notes[0] == f"The recording and labels of 3 of 3 clips were looked up by {by}."


def test_numbers_that_happen_to_be_ids_are_no_ids(joined: Path, tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "m.csv", "clip_id,caption\n11,my own\n12,first B\n13,words\n")
    data = PLUGIN.load(DatasetOptions(joined, clip_manifest=path))
    assert [p.labels for p in data.prompts] == [(), ("/m/4", "/m/3"), ()]  # by its caption


def test_manifest_whose_names_contradict_each_other(joined: Path, tmp_path: Path) -> None:
    path = write_manifest(
        tmp_path / "m.csv", "clip_id,caption,audiocap_id,youtube_id,start_time\na,x,13,vidB,0\nb,y,14,vidB,0\n"
    )
    data = PLUGIN.load(DatasetOptions(joined, clip_manifest=path))
    assert [p.labels_known for p in data.prompts] == [False, True]
    assert "1 of 2 clips have an audiocap_id and a youtube_id of different recordings." in data.notes


def test_manifest_names_references_by_video_too(joined: Path, tmp_path: Path) -> None:
    folder = write_audio(tmp_path / "r", "vidB", "vidC")
    data = PLUGIN.load(DatasetOptions(joined, folder, write_manifest(tmp_path / "m.csv", MANIFEST)))
    vid_b = folder / "vidB.wav"  # the recording of two clips, one of which names it by its audiocap_id
    assert data.references == {"two": vid_b, "three": vid_b, "five": folder / "vidC.wav"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id,system,caption\na,S,x\na,S,x\n", "row 2: repeats clip_id 'a', system 'S' of row 1"),
        ("clip_id,caption\na,x\na,x\n", "row 2: repeats clip_id 'a' of row 1"),
        ("clip_id,system,caption\na,S,x\na,T,y\n", "row 2: the clip 'a' has the caption 'y' here and 'x' before"),
        (
            "clip_id,system,caption,labels\na,S,x,Dog\na,T,x,\n",
            "row 2: the clip 'a' has the labels '' here and 'Dog' before",
        ),
        ("clip_id,caption,labels\na,x,Dgo\n", r"m\.csv row 1: unknown label 'Dgo'. Did you mean 'Dog'"),
        ("clip,caption\na,x\n", "lacks the column 'clip_id'; it has 'clip', 'caption'"),
        ("clip_id,caption\n../a,x\n", "cannot be a file name"),
        ("clip_id,caption,youtube_id,start_time\na,x,v,soon\n", "row 1: start_time 'soon' is not a number of seconds"),
        ("clip_id,caption\na,\n", "row 1: 'caption' is empty"),
    ],
)
def test_bad_manifests(joined: Path, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        PLUGIN.load(DatasetOptions(joined, clip_manifest=write_manifest(tmp_path / "m.csv", text)))


def test_manifest_and_caption_number_exclude_each_other(joined: Path, tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "m.csv", MANIFEST)
    with pytest.raises(ReaudioError, match="--captions chooses among AudioCaps"):
        PLUGIN.load(DatasetOptions(joined, clip_manifest=path, captions=2))


@pytest.mark.slow
def test_real_manifest(shared: Path, systems48: Path) -> None:
    data = PLUGIN.load(DatasetOptions(shared / "data" / "audiocaps", systems48 / "reference", systems48 / "manifest.csv"))
    assert len(data.prompts) == len(data.references) == 48
    assert data.notes[0] == "6 of 48 clips have ambiguous labels: they count in the overall numbers and in no stratum."
