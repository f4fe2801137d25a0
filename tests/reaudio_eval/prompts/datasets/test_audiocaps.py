"""AudioCaps from both kinds of tables: splits, names of files, bad tables; the real tables where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from audiocaps_files import ROWS, write_audio

from reaudio_eval.evaluations.loading import whole_dataset
from reaudio_eval.evaluations.options import Data
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.datasets.audiocaps import PLUGIN
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.naming import match_names
from reaudio_model.common.progress import Reporter

# --- splits ----------------------------------------------------------------------------------------------------------


def test_test_split(joined: Path) -> None:
    data = PLUGIN.load(DatasetOptions(joined))
    assert (data.name, data.split, data.notes) == ("audiocaps", "test", ())
    assert data.prompts == (
        Prompt("vidA", "first A", ("/m/1",), source_id="vidA", split="test"),
        Prompt("vidB", "first B", ("/m/4", "/m/3"), source_id="vidB", split="test"),
        Prompt("vidC_10", "first C", ("/m/2",), source_id="vidC", split="test"),
        Prompt("vidC_20", "first D", ("/m/2",), source_id="vidC", split="test"),
    )
    assert data.train_counts == {"/m/1": 2, "/m/2": 1, "/m/3": 2}
    assert data.pool_counts == data.train_counts  # the default pool is the training split
    assert data.n_train("/m/4") == 0
    assert data.vocabulary == ("/m/1", "/m/2", "/m/3", "/m/4")
    assert data.vocabulary_name == "audioset-527"
    assert data.class_names == ("Speech", "Male speech, man speaking", "Dog", "Yodeling")
    assert data.label_names["/m/2"] == "Male speech, man speaking"


def test_all_splits_and_which_of_them_a_prompt_is_of(joined: Path) -> None:
    every = PLUGIN.load(DatasetOptions(joined, split="all"))
    parts = {split: PLUGIN.load(DatasetOptions(joined, split=split)) for split in ROWS}
    assert every.split == "all"
    assert {p.clip_id: p.split for p in every.prompts} == {p.clip_id: s for s, data in parts.items() for p in data.prompts}
    assert set(every.prompts) == {p for data in parts.values() for p in data.prompts}
    assert every.train_counts == parts["test"].train_counts
    assert every.captions["audiocap_id"]["3"] == (1, Prompt("trn3", "more dogs", ("/m/3", "/m/1"), True, "trn3", "train"))
    with pytest.raises(ReaudioError, match="--captions 2: some clips of all splits have 1, so give a number from 1 to 1"):
        PLUGIN.load(DatasetOptions(joined, split="all", captions=2))


def test_official_tables_give_the_same_dataset(joined: Path, official: Path) -> None:
    for split in ROWS:
        assert PLUGIN.load(DatasetOptions(official, split=split)) == PLUGIN.load(DatasetOptions(joined, split=split))


def test_official_clip_without_segment_has_no_known_labels(official: Path) -> None:
    path = official / "unbalanced_train_segments.csv"
    path.write_text("\n".join(row for row in path.read_text().splitlines() if not row.startswith("vidB")), encoding="utf-8")
    data = PLUGIN.load(DatasetOptions(official))
    assert data.prompts[1] == Prompt("vidB", "first B", (), labels_known=False, source_id="vidB", split="test")
    assert data.notes == ("1 of 4 clips have no known labels: they count in the overall numbers and in no stratum.",)


def test_captions_choose_the_nth_of_each_clip_in_one_order_of_clips(joined: Path) -> None:
    first, second = (PLUGIN.load(DatasetOptions(joined, captions=n)) for n in (1, 2))
    assert [p.clip_id for p in first.prompts] == [p.clip_id for p in second.prompts]
    assert [p.caption for p in second.prompts] == ["second A", "second B", "second C", "second D"]
    assert first.list_sha256 != second.list_sha256
    for n in (0, 3):
        with pytest.raises(ReaudioError, match=f"--captions {n}: every clip of test has 2, so give a number from 1 to 2"):
            PLUGIN.load(DatasetOptions(joined, captions=n))


def test_split_labels(joined: Path) -> None:
    found = PLUGIN.split_labels(DatasetOptions(joined))
    assert {split: len(clips) for split, clips in found.clips.items()} == {"train": 3, "val": 1, "test": 4}
    assert found.n_captions == {"train": 3, "val": 1, "test": 8}
    assert list(found.names) == ["/m/1", "/m/2", "/m/3", "/m/4"]


# --- names of files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stems", "scheme"),
    [
        (("vidA", "vidB", "vidC_10", "vidC_20"), "clip_id"),
        (("YvidA", "YvidB"), "Y + youtube_id"),
        (("11", "12", "15", "16"), "audiocap_id"),
        (("13", "14", "18", "17"), "the audiocap_id of any caption"),
        (("vidA_30", "vidB_0", "vidC_10", "vidC_20"), "youtube_id_start"),
        (("vidA_30_40", "vidB_0_10"), "youtube_id_start_end"),
        (("vidA_30000_40000", "vidB_0_10000"), "youtube_id_start_end in milliseconds"),
        (("vidA_30000",), "youtube_id_start in milliseconds"),
        (("YvidA_30", "YvidB_0", "YvidC_10"), "Y + youtube_id_start"),
        (("YvidA_30_40", "YvidB_0_10"), "Y + youtube_id_start_end"),
    ],
)
def test_references_are_recognised_by_name(joined: Path, tmp_path: Path, stems: tuple[str, ...], scheme: str) -> None:
    folder = write_audio(tmp_path / "refs", *stems, "unrelated")
    data = PLUGIN.load(DatasetOptions(joined, references=folder))
    wanted = ["vidA", "vidB", "vidC_10", "vidC_20"][: len(stems)]
    assert data.references == {clip_id: folder / f"{stem}.wav" for clip_id, stem in zip(wanted, stems, strict=True)}
    assert data.notes == (f"{len(stems)} of 4 references found, their files named by {scheme}.",)


def test_every_caption_has_names_and_a_number(joined: Path) -> None:
    data = PLUGIN.load(DatasetOptions(joined, captions=2))
    assert data.file_names["audiocap_id"] == {"13": "vidA", "14": "vidB", "18": "vidC_10", "17": "vidC_20"}
    assert data.captions["audiocap_id"]["15"] == (1, Prompt("vidC_10", "first C", ("/m/2",), source_id="vidC", split="test"))
    assert {name: (p.clip_id, n) for name, (n, p) in data.captions["audiocap_id"].items()} == {
        "11": ("vidA", 1), "12": ("vidB", 1), "13": ("vidA", 2), "14": ("vidB", 2),
        "15": ("vidC_10", 1), "16": ("vidC_20", 1), "17": ("vidC_20", 2), "18": ("vidC_10", 2),
    }  # fmt: skip
    assert data.captions["caption"]["second a"] == data.captions["audiocap_id"]["13"]


@pytest.mark.parametrize(
    ("stems", "captions"),
    [
        (("11", "12", "15", "16"), ["first A", "first B", "first C", "first D"]),
        (("13", "14", "18", "17"), ["second A", "second B", "second C", "second D"]),
        (("13", "12", "18"), ["second A", "first B", "second C", "first D"]),
        (("second_A", "first B", "Second C"), ["second A", "first B", "second C", "first D"]),
        (("vidA", "vidB", "vidC_10"), ["first A", "first B", "first C", "first D"]),
        (("vidA_30", "vidB_0", "vidC_10"), ["first A", "first B", "first C", "first D"]),
        (("YvidA", "YvidB"), ["first A", "first B", "first C", "first D"]),
    ],
)
def test_systems_clips_are_found_with_their_captions_and_labels(
    joined: Path, tmp_path: Path, stems: tuple[str, ...], captions: list[str]
) -> None:
    folder = write_audio(tmp_path / "A", *stems)
    data = Data.of({"dataset": "audiocaps", "data_root": joined})
    found = whole_dataset(data, tmp_path, Reporter(quiet=True), clips={"A": folder})
    assert [p.caption for p in found.prompts] == captions
    assert all(p.labels_known for p in found.prompts)
    order = ["vidA", "vidB", "vidC_10", "vidC_20"]
    files = match_names(found.file_names, find_clips(folder)).files
    assert files == {clip: folder / f"{stem}.wav" for clip, stem in zip(order, stems, strict=False)}


def test_references_of_something_else(joined: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ReaudioError, match=r"No file in .*refs belongs to a clip: its names are 'x', expected are names such as 'vidA'"
    ):
        PLUGIN.load(DatasetOptions(joined, references=write_audio(tmp_path / "refs", "x")))


# --- bad tables ------------------------------------------------------------------------------------------------------


def test_no_tables(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="audiocaps needs --data-root"):
        PLUGIN.load(DatasetOptions())
    with pytest.raises(ReaudioError, match="nowhere is not a folder"):
        PLUGIN.load(DatasetOptions(tmp_path / "nowhere"))
    with pytest.raises(
        ReaudioError, match=r"looked for audiocaps_labelled\.csv and audioset_classes\.csv, or for train\.csv"
    ):
        PLUGIN.load(DatasetOptions(tmp_path))


def test_parts_of_the_tables_missing(joined: Path, official: Path) -> None:
    (joined / "audioset_classes.csv").unlink()
    with pytest.raises(ReaudioError, match=r"audioset_classes\.csv does not exist; the class list should be there"):
        PLUGIN.load(DatasetOptions(joined))
    (official / "val.csv").rename(official / "val.txt")
    with pytest.raises(ReaudioError, match=r"val\.csv does not exist; the val captions of AudioCaps"):
        PLUGIN.load(DatasetOptions(official))
    (official / "val.txt").rename(official / "val.csv")
    bad = r"eval_segments\.csv row 1 \(line 1\): "
    for data, message in (
        (b"a, 0, 10\n", bad + "not a segment of AudioSet"),
        (b"a, 0, 10, /m/1, /m/2\n", bad + "5 values for 4 columns"),
        (b"a, 0, 10, /m/1\n" * 2 + b"a, 0, 10, /m/1, 5\n", r"row 3 \(line 3\): 5 values"),
        (b"\xff\n", bad + "not UTF-8"),
        (b"", "has no segments: download AudioSet's eval_segments.csv again"),
        (b"# YTID\n", "has no segments"),
    ):
        (official / "eval_segments.csv").write_bytes(data)
        with pytest.raises(ReaudioError, match=message):
            PLUGIN.load(DatasetOptions(official))
    (official / "eval_segments.csv").unlink()
    (official / "unbalanced_train_segments.csv").unlink()
    with pytest.raises(ReaudioError, match="has captions without labels: add AudioSet's unbalanced_train_segments"):
        PLUGIN.load(DatasetOptions(official))


def test_unknown_split(joined: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown split 'tets'\. Did you mean 'test'"):
        PLUGIN.load(DatasetOptions(joined, split="tets"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("audiocap_id", "id", "lacks the column 'audiocap_id'"),
        (
            "/m/4;/m/3",
            "/m/9",
            r"audiocaps_labelled\.csv has 2 faulty rows: row 6: unknown label '/m/9'. Did you mean .*; row 8: unknown",
        ),
        ("test,13,", "test,11,", "repeats audiocap_id '11'"),
        ("vidB,0,", "vidB,soon,", "start_time 'soon' is not a number of seconds"),
    ],
)
def test_damaged_tables(joined: Path, old: str, new: str, message: str) -> None:
    path = joined / "audiocaps_labelled.csv"
    path.write_text(path.read_text().replace(old, new), encoding="utf-8")
    with pytest.raises(ReaudioError, match=message):
        PLUGIN.load(DatasetOptions(joined))


@pytest.mark.parametrize("start", ["inf", "nan", "-1", "1e300", "", "1" * 5000])
def test_a_faulty_row_is_named_with_its_file(official: Path, start: str) -> None:
    path = official / "test.csv"
    rows = path.read_text().splitlines()
    rows[7] = f'17,vidC,{start},"second D"'
    path.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(
        ReaudioError, match=r"official/test\.csv row 7: start_time '.*' is not a number of seconds\. Correct the row"
    ):
        PLUGIN.load(DatasetOptions(official))
    data = PLUGIN.load(DatasetOptions(official, skip_bad_rows=True))
    assert [p.clip_id for p in data.prompts] == ["vidA", "vidB", "vidC_10", "vidC_20"]
    assert data.notes[-1].startswith("test.csv: 1 of 8 rows are left out (--skip-bad-rows): row 7: start_time ")
    second = PLUGIN.load(DatasetOptions(official, skip_bad_rows=True, captions=2))
    assert [p.clip_id for p in second.prompts] == ["vidA", "vidB", "vidC_10"]
    assert "1 of 4 clips have no caption 2 after rows were left out, and are left out too." in second.notes


def test_rows_of_a_clip_that_disagree_on_its_labels(joined: Path) -> None:
    path = joined / "audiocaps_labelled.csv"
    path.write_text(path.read_text().replace('"second A",/m/1', '"second A",/m/2'), encoding="utf-8")
    with pytest.raises(ReaudioError, match=r"row 7: the clip 'vidA_30' has other labels than before"):
        PLUGIN.load(DatasetOptions(joined))


# --- the real thing --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_real_tables(shared: Path) -> None:
    data = PLUGIN.load(DatasetOptions(shared / "data" / "audiocaps"))
    assert len(data.prompts) == 975
    assert len(data.train_counts) == 326
    assert data.train_counts["/m/09x0r"] == 20_707
    assert all(p.labels_known for p in data.prompts)
    assert {len({p.clip_id for p in PLUGIN.load(DatasetOptions(shared / "data" / "audiocaps", split="val")).prompts})} == {
        495
    }


@pytest.mark.slow
def test_real_files_named_after_the_captions_2_to_5(shared: Path, tmp_path: Path) -> None:
    options = {"dataset": "audiocaps", "data_root": shared / "data" / "audiocaps"}
    captions = PLUGIN.load(DatasetOptions(shared / "data" / "audiocaps")).captions["audiocap_id"]
    names = [name for i, (name, (n, _)) in enumerate(captions.items()) if n == 2 + i // 975 % 4][:30]
    folder = write_audio(tmp_path / "A", *names)
    data = whole_dataset(Data.of(options), tmp_path, Reporter(quiet=True), clips={"A": folder})
    used = {p.clip_id: p for p in data.prompts}
    found = match_names(data.file_names, find_clips(folder)).files
    assert {clip: path.stem for clip, path in found.items()} == {captions[n].prompt.clip_id: n for n in names}
    assert all(used[clip] == captions[path.stem].prompt and used[clip].labels_known for clip, path in found.items())
