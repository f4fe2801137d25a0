"""The label histogram, on a small table and on AudioCaps itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.prompts.label_counts import label_statistics
from reaudio_model.common.errors import UnknownNameError

# Provenance: the table of the joined AudioCaps / AudioSet labels, recomputed here from the rows.
REAL_BINS = {
    "n_classes": [201, 103, 88, 109, 25, 1],
    "n_classes_eval": [2, 14, 41, 107, 25, 1],
    "n_clips_eval": [2, 14, 61, 780, 118, 0],
    "n_pairs_eval": [2, 14, 65, 1270, 816, 370],
}


@pytest.fixture
def folder(tmp_path: Path) -> DatasetOptions:
    (tmp_path / "counts.csv").write_text("label,n_train\na,20000\nb,10\nc,11\nd,0\ne,0\n", encoding="utf-8")
    (tmp_path / "captions.csv").write_text(
        "clip_id,caption,labels\n1,x,a;b\n2,x,a;c\n3,x,d;a\n4,x,\n5,x,a\n", encoding="utf-8"
    )
    return DatasetOptions(tmp_path)


def test_dataset_with_one_split(folder: DatasetOptions) -> None:
    found = label_statistics("folder", folder)
    assert found.n_classes == 4
    bins = found.bins.set_index("stratum")
    assert bins["n_classes"].to_list() == [2, 1, 1, 0, 0, 1]
    assert bins["n_classes_eval"].to_list() == [1, 1, 1, 0, 0, 1]
    assert bins["n_clips_eval"].to_list() == [1, 1, 1, 0, 0, 1]
    assert bins["n_pairs_eval"].to_list() == [1, 1, 1, 0, 0, 4]
    assert found.labels["label"].to_list() == ["a", "c", "b", "d", "e"]
    assert found.labels["n_test"].to_list() == [4, 1, 1, 1, 0]
    assert found.splits.to_dict("records") == [
        {"split": "test", "n_clips": 4, "n_captions": 4, "n_classes": 4, "labels_per_clip": 7 / 4}
    ]


def test_json_has_null_for_open_ends(folder: DatasetOptions) -> None:
    value = json.loads(json.dumps(label_statistics("folder", folder).to_json(), allow_nan=False))
    assert value["bins"][-1] == {
        "stratum": "> 10,000", "low": 10001, "high": None, "n_classes": 1,
        "n_classes_eval": 1, "n_pairs_eval": 4, "n_clips_eval": 1,
    }  # fmt: skip
    assert value["labels"][0] == {"label": "a", "name": "a", "n_train": 20000, "n_test": 4, "stratum": "> 10,000"}
    assert (value["dataset"], value["split"], value["n_classes"]) == ("folder", "test", 4)


def test_all_splits_are_counted_together(joined: Path) -> None:
    sizes = {split: label_statistics("audiocaps", DatasetOptions(joined, split=split)).bins for split in ("test", "all")}
    assert sizes["test"]["n_clips_eval"].sum() == 4
    assert sizes["all"]["n_clips_eval"].sum() == 8


def test_unknown_names(folder: DatasetOptions) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown dataset 'foldr'\. Did you mean 'folder'"):
        label_statistics("foldr", folder)


@pytest.mark.slow
def test_real_audiocaps(shared: Path) -> None:
    found = label_statistics("audiocaps", DatasetOptions(shared / "data" / "audiocaps"))
    for column, values in REAL_BINS.items():
        assert found.bins[column].to_list() == values, column
    splits = found.splits.set_index("split")
    assert splits["n_clips"].to_dict() == {"train": 49_838, "val": 495, "test": 975}
    assert splits["n_captions"].to_dict() == {"train": 49_838, "val": 2_475, "test": 4_875}
    assert splits["n_classes"].to_dict() == {"train": 326, "val": 155, "test": 190}
    assert splits.at["train", "labels_per_clip"] == pytest.approx(2.73, abs=0.005)
    assert found.n_classes == 328
    assert found.labels["name"].head(4).to_list() == ["Speech", "Vehicle", "Animal", "Car"]
    assert found.labels["n_train"].head(4).to_list() == [20_707, 9_930, 5_289, 3_501]
    with pytest.raises(UnknownNameError, match="Unknown split 'tset'"):
        label_statistics("audiocaps", DatasetOptions(shared / "data" / "audiocaps", split="tset"))
