"""Files are assigned to clips by one scheme for the whole folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import (
    caption_key,
    caption_names,
    clip_id_names,
    label_key,
    match_names,
    name_key,
    require_match,
    unambiguous,
)


def files(*stems: str) -> dict[str, Path]:
    return {stem: Path(f"{stem}.wav") for stem in stems}


SCHEMES = {"clip_id": {"p1": "p1", "p2": "p2"}, "video": {"v1": "p1", "v2": "p2", "p1": "p2"}}


def test_the_scheme_that_names_most_files_wins_for_all() -> None:
    match = match_names(SCHEMES, files("v1", "v2", "p2", "other"))
    assert match.scheme == "video"
    assert match.files == {"p1": Path("v1.wav"), "p2": Path("v2.wav")}


def test_the_first_of_equal_schemes_wins() -> None:
    assert match_names(SCHEMES, files("p1")).scheme == "clip_id"


def test_a_stem_of_two_clips_names_neither() -> None:
    assert unambiguous([("v", "a"), ("v", "b"), ("w", "b"), ("w", "b")]) == {"w": "b"}


def test_several_stems_of_a_clip_give_its_first_file() -> None:
    match = match_names({"any": {"1": "a", "2": "a", "3": "a"}}, files("3", "2"))
    assert match.files == {"a": Path("2.wav")}


def test_plain_names() -> None:
    assert clip_id_names(["a", "b"]) == {"clip_id": {"a": "a", "b": "b"}}


def test_no_common_name_is_an_error_with_examples_of_both_sides() -> None:
    with pytest.raises(
        ReaudioError, match=r"No file in refs belongs to a clip: its names are 'x', 'y', expected .*'p1', 'v1'"
    ):
        require_match(SCHEMES, files("x", "y"), "refs")
    assert match_names(SCHEMES, files("x")).files == {}


def test_names_are_compared_in_one_form() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert name_key(f" {decomposed} ") == name_key(composed) == composed
    assert label_key(" DOG ") == label_key("Dog")
    assert name_key("Dog") != name_key("dog")
    assert label_key("Stra\u00dfe") == label_key("STRASSE")
    assert caption_key("A_dog barks, twice.") == caption_key("a dog barks twice")
    for ids, stem in ((composed, decomposed), (decomposed, composed)):
        assert match_names(clip_id_names([ids]), files(stem)).files == {ids: Path(f"{stem}.wav")}


def test_files_named_after_captions() -> None:
    schemes = clip_id_names(["p1", "p2", "p3"]) | caption_names(
        [("p1", "A dog barks."), ("p2", "Rain"), ("p3", "rain!"), ("p4", "...")]
    )
    assert schemes["caption"] == {"a dog barks": "p1"}  # a caption of two clips names neither, one without words none
    assert match_names(schemes, files("a_dog_barks", "Rain", "___")).files == {"p1": Path("a_dog_barks.wav")}
