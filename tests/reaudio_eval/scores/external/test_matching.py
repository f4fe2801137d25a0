"""Clip ids and labels of tables, matched to the prompts of AudioCaps and of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiocaps_files import write_joined

from reaudio_eval.prompts.caption_choice import caption_prompts, choose_captions
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.datasets.audiocaps import PLUGIN
from reaudio_eval.scores.external.matching import UnknownClipsError, id_schemes, matched_rows
from reaudio_eval.scores.external.metrics import StatedMetric
from reaudio_eval.scores.external.table import ScoreTable, read_score_tables
from reaudio_model.common.errors import ReaudioError

PROMPTS = (Prompt("a", "x", ("/m/1", "/m/2")), Prompt("b", "y", ("/m/2",)), Prompt("c", "z", (), labels_known=False))
FOLDER = Dataset("folder", "test", PROMPTS, {"/m/1": 3}, {"/m/1": "Dog", "/m/2": "Rain", "/m/3": "Siren"})


def table(tmp_path: Path, *rows: str, skip: bool = False) -> ScoreTable:
    """Of (clip_id, label) rows, all of system A and metric m with value 1."""
    path = tmp_path / "a.csv"
    lines = [f"{clip},A,m,1,{label}" for clip, _, label in (row.partition(" ") for row in rows)]
    path.write_text("\n".join(["clip_id,system,metric,value,label", *lines]), encoding="utf-8")
    return read_score_tables([path], {"m": StatedMetric(True)}, skip=skip)[0][0]


@pytest.fixture(scope="module")
def audiocaps(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return PLUGIN.load(DatasetOptions(write_joined(tmp_path_factory.mktemp("tables"))))


@pytest.mark.parametrize(
    ("ids", "scheme", "clips"),
    [
        (["vidB", "vidC_10"], "clip_id", ["vidB", "vidC_10"]),
        (["YvidA", "YvidB"], "Y + youtube_id", ["vidA", "vidB"]),
        (["11", "16"], "audiocap_id", ["vidA", "vidC_20"]),
        (["vidA_30", "vidC_20"], "youtube_id_start", ["vidA", "vidC_20"]),
    ],
)
def test_one_kind_of_id_is_found_and_named(
    tmp_path: Path, audiocaps: Dataset, ids: list[str], scheme: str, clips: list[str]
) -> None:
    rows, notes = matched_rows(table(tmp_path, *ids), audiocaps)
    assert rows["clip_id"].tolist() == clips
    assert notes == [f"The clip ids of a.csv are read as {scheme}."]
    assert "caption" not in id_schemes(audiocaps)


def test_unknown_ids_are_counted_with_examples_or_left_out(tmp_path: Path, audiocaps: Dataset) -> None:
    rows = ["vidA", "nothing", "vidB", "12", "nix"]
    with pytest.raises(
        UnknownClipsError,
        match=r"a\.csv: 3 of 5 clip ids are no clip_id of a prompt of audiocaps/test, such as 'nothing', '12', 'nix': correct them, or "
        "leave their rows out with --skip-bad-rows",
    ) as error:
        matched_rows(table(tmp_path, *rows), audiocaps)
    assert error.value.clip_ids == ["nothing", "12", "nix"]
    kept, (_, note) = matched_rows(table(tmp_path, *rows, skip=True), audiocaps, skip=True)
    assert kept["clip_id"].tolist() == ["vidA", "vidB"]
    assert note.startswith(
        "a.csv: 3 of 5 rows are left out (--skip-bad-rows): row 2: the clip id 'nothing' is no clip_id of a prompt;"
    )


def test_captions_are_prompts_of_their_own_where_there_are_only_tables(tmp_path: Path, audiocaps: Dataset) -> None:
    ids = {"a.csv": ["13", "11", "12"]}
    dataset = caption_prompts(audiocaps, ids, 1)
    assert [(p.clip_id, p.caption, p.source_id) for p in dataset.prompts] == [
        ("11", "first A", "vidA"), ("12", "first B", "vidB"), ("13", "second A", "vidA"),
    ]  # fmt: skip
    assert dataset.prompts[0].labels == dataset.prompts[2].labels == ("/m/1",)
    assert dataset.notes[0] == "The prompts are 3 captions of 2 clips, which the tables of scores name by audiocap_id."
    rows, _ = matched_rows(table(tmp_path, *ids["a.csv"]), dataset)
    assert rows["clip_id"].tolist() == ["13", "11", "12"]
    with pytest.raises(
        ReaudioError, match=r"The clip ids of a\.csv are ids of captions \(audiocap_id\), so --captions 2 has no effect"
    ):
        caption_prompts(audiocaps, ids, 2)
    for other in ({"a.csv": ["vidA", "vidB"]}, {**ids, "b.csv": ["vidA"]}, {}):
        assert caption_prompts(audiocaps, other, 1) is audiocaps


def test_beside_clips_a_table_chooses_captions_and_ids_of_others_are_counted(tmp_path: Path, audiocaps: Dataset) -> None:
    ids = ["13", "14", "11"]  # second A, second B, first A
    dataset = choose_captions(audiocaps, {}, 1, {"a.csv": ids})
    assert [p.caption for p in dataset.prompts] == ["first A", "second B", "first C", "first D"]
    rows, notes = matched_rows(table(tmp_path, *ids), dataset)
    assert rows["clip_id"].tolist() == ["vidB", "vidA"]
    assert notes[1:] == ["1 of 3 clip ids of a.csv are of other captions than the prompts, and are not used."]
    with pytest.raises(
        ReaudioError, match=r"The clip ids of 'a\.csv' are named after captions 1 \(1\) and 2 \(2\) of the clips"
    ):
        choose_captions(audiocaps, {}, 2, {"a.csv": ids})


def test_labels_are_ids_or_names(tmp_path: Path) -> None:
    rows, _ = matched_rows(table(tmp_path, "a Dog", "a /m/2", "b rain"), FOLDER)
    assert rows["label"].tolist() == ["/m/1", "/m/2", "/m/2"]
    assert matched_rows(table(tmp_path, "a", "c"), FOLDER)[0]["label"].tolist() == [None, None]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a Doog",
            r"row 1: unknown label 'Doog'\. Did you mean 'Dog'\? Correct the row, or leave it out with --skip-bad-rows",
        ),
        ("b Dog", "row 1: the clip 'b' does not have the label 'Dog'"),
        ("c Dog", "row 1: the clip 'c' has no known labels, so that it cannot have 'Dog'"),
        ("a Dog;Rain", "row 1: the clip 'a' has several labels in one row, which must be rows of their own: 'Dog;Rain'"),
    ],
)
def test_labels_that_the_clip_does_not_have_are_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        matched_rows(table(tmp_path, row), FOLDER)
    rows, _ = matched_rows(table(tmp_path, row, "a Rain", skip=True), FOLDER, skip=True)
    assert rows["label"].tolist() == ["/m/2"]
