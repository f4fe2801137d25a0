"""Clips by the names of their recordings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from audiocaps_files import write_joined

from reaudio_eval.cli.prepare.collections import Collection, Source
from reaudio_eval.cli.prepare.matching import clips_of, match_collections, match_stems
from reaudio_eval.prompts.datasets._audiocaps_tables import read_tables
from reaudio_model.common.errors import ReaudioError


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return read_tables(write_joined(tmp_path_factory.mktemp("tables"))).captions


def collection(*stems: str, split: str = "") -> Collection:
    return Collection(
        Path("audio"), split, tuple(Source(stem, Path(f"audio/{i}_{stem}.wav")) for i, stem in enumerate(stems))
    )


@pytest.mark.parametrize(
    ("stems", "scheme"),
    [
        (("YvidA", "YvidB", "Ytrn1"), "Y + youtube_id"),
        (("vidA", "vidB", "trn1"), "youtube_id"),
        (("vidA_30", "vidB_0", "trn1_30"), "youtube_id_start"),
        (("vidA_30_40", "vidB_0_10", "trn1_30_40"), "youtube_id_start_end"),
        (("vidA_30000_40000", "vidB_0_10000", "trn1_30000_40000"), "youtube_id_start_end in milliseconds"),
        (("vidA_30000", "trn1_30000"), "youtube_id_start in milliseconds"),
        (("YvidA_30", "YvidB_0", "Ytrn1_30"), "Y + youtube_id_start"),
        (("13", "12", "1"), "audiocap_id"),
        (("Second A!", "first_b", "A man talking"), "caption"),
    ],
)
def test_usual_names(captions: pd.DataFrame, stems: tuple[str, ...], scheme: str) -> None:
    (match,) = match_collections(captions, [collection(*stems, "something else")])
    want = ["vidA_30", "vidB_0", "trn1_30"] if len(stems) == 3 else ["vidA_30", "trn1_30"]
    assert {clip: [source.stem for source in own] for clip, own in match.clips.items()} == {
        clip: [stem] for clip, stem in zip(want, stems, strict=True)
    }
    assert match.scheme in (scheme, "clip_id")  # where the clip_id is the same name
    assert [source.stem for source in match.others] == ["something else"]


def test_one_scheme_holds_for_a_collection_and_each_has_its_own(captions: pd.DataFrame) -> None:
    first, second = match_collections(captions, [collection("YvidA", "YvidB", "vidC_10"), collection("11", "12")])
    assert set(first.clips) == {"vidA_30", "vidB_0"}
    assert [source.stem for source in first.others] == ["vidC_10"]
    assert set(second.clips) == {"vidA_30", "vidB_0"}


def test_a_clip_may_be_there_several_times(captions: pd.DataFrame) -> None:
    (match,) = match_collections(captions, [collection("vidA_30", "vidA_30", "vidB_0")])
    assert [source.path.name for source in match.clips["vidA_30"]] == ["0_vidA_30.wav", "1_vidA_30.wav"]
    (match,) = match_collections(captions, [collection("11", "13", "12")])
    assert [source.stem for source in match.clips["vidA_30"]] == ["11", "13"]


def test_names_that_two_splits_share_are_told_apart_by_the_folder(captions: pd.DataFrame) -> None:
    shared = pd.concat(
        [captions, captions[captions["split"] == "test"].assign(split="train", clip="other_1")], ignore_index=True
    )
    assert not match_stems(shared, ["11", "12"])
    (match,) = match_collections(shared, [collection("11", "12", split="test")])
    assert set(match.clips) == {"vidA_30", "vidB_0"}


def test_a_folder_that_is_named_after_another_split_is_matched_with_all(captions: pd.DataFrame) -> None:
    (match,) = match_collections(captions, [collection("YvidA", split="train")])
    assert set(match.clips) == {"vidA_30"}


def test_no_match_at_all_is_refused_with_examples_of_both(captions: pd.DataFrame) -> None:
    with pytest.raises(ReaudioError, match=r"their names are 'x', 'y', expected are names such as 'trn1', .*'Ytrn1', '1'"):
        match_collections(captions, [collection("x"), collection("y")])


def test_clip_ids_are_those_of_the_split(captions: pd.DataFrame) -> None:
    assert clips_of(captions)["clip_id"].tolist() == ["trn1", "trn2", "trn3", "val1", "vidA", "vidB", "vidC_10", "vidC_20"]
