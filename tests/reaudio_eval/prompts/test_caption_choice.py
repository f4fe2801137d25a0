"""Prompts chosen by the names of files: any caption's id or text, one caption a clip, the same for every system."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval.prompts.caption_choice import caption_prompts, choose_captions
from reaudio_eval.prompts.dataset import Dataset, NumberedPrompt, Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import match_names


def prompt(clip: str, number: int) -> Prompt:
    return Prompt(clip, f"Caption {number}, of {clip}.", ("dog",), source_id=clip)


CLIPS = ("a", "b", "c", "d")
BY_ID = {f"{i}{n}": NumberedPrompt(n, prompt(clip, n)) for i, clip in enumerate(CLIPS, start=1) for n in (1, 2, 3)}
BY_CAPTION = {f"caption {p.number} of {p.prompt.clip_id}": p for p in BY_ID.values()}


def dataset(number: int = 1) -> Dataset:
    own = {name: p.prompt.clip_id for name, p in BY_ID.items() if p.number == number}
    return Dataset(
        "toy",
        "test",
        tuple(prompt(clip, number) for clip in CLIPS),
        {"dog": 3},
        {"dog": "Dog"},
        file_names={"clip_id": {clip: clip for clip in CLIPS}, "audiocap_id": own},
        captions={"audiocap_id": BY_ID, "caption": BY_CAPTION},
    )


def matched(data: Dataset, *stems: str) -> dict[str, str]:
    return {clip: path.name for clip, path in match_names(data.file_names, {s: Path(s) for s in stems}).files.items()}


@pytest.mark.parametrize("stems", [("a", "b"), ("11", "21", "31"), ("unrelated",), ()])
def test_names_of_the_prompts_change_nothing(stems: tuple[str, ...]) -> None:
    data = dataset()
    assert choose_captions(data, {"A": stems}, 1) is data


@pytest.mark.parametrize("number", [2, 3])
def test_files_of_one_group(number: int) -> None:
    stems = [f"{i}{number}" for i in (1, 2, 3, 4)]
    data = choose_captions(dataset(), {"A": stems}, 1)
    assert data.prompts == dataset(number).prompts
    assert matched(data, *stems) == dict(zip(CLIPS, stems, strict=True))
    assert data.notes == (
        f"The prompts of 4 of 4 clips are caption {number}, after which the files are named (audiocap_id).",
    )


def test_files_of_several_groups_and_clips_without_a_file() -> None:
    data = choose_captions(dataset(), {"A": ["12", "23", "x"]}, 1)
    assert data.prompts == (prompt("a", 2), prompt("b", 3), prompt("c", 1), prompt("d", 1))
    assert matched(data, "12", "23", "x") == {"a": "12", "b": "23"}
    assert data.notes == (
        "The prompts of 2 of 4 clips are captions 2 (1) and 3 (1), after which the files are named (audiocap_id).",
    )


def test_files_named_after_the_text() -> None:
    stems = ["caption_2_of_A", "Caption 3, of b"]
    data = choose_captions(dataset(), {"A": stems}, 1)
    assert data.prompts[:2] == (prompt("a", 2), prompt("b", 3))
    assert matched(data, *stems) == dict(zip("ab", stems, strict=True))


def test_several_captions_of_a_clip_are_used_once_and_that_is_said() -> None:
    data = choose_captions(dataset(), {"A": ["12", "13", "22"], "B": ["13", "22"]}, 1)
    assert data.prompts[:2] == (prompt("a", 3), prompt("b", 2))  # caption 3 is the one that both have
    assert data.notes[1:] == ("1 of 3 files of A are of another caption of the same clip and are not used, such as '12'.",)
    assert choose_captions(dataset(), {"A": ["12", "13", "22"]}, 1).prompts[0] == prompt("a", 2)  # of equals the first


def test_systems_of_different_captions_are_refused() -> None:
    message = (
        "The files of 'B' are named after caption 3 of the clips and those of 'A' after caption 2: systems are compared on the same "
        "prompts"
    )
    with pytest.raises(ReaudioError, match=message):
        choose_captions(dataset(), {"A": ["12", "22", "32"], "B": ["13", "23", "33"]}, 1)


def test_a_system_named_after_the_clips_goes_with_any_caption() -> None:
    data = choose_captions(dataset(), {"A": ["12", "22"], "B": ["a", "b"]}, 1)
    assert data.prompts[:2] == (prompt("a", 2), prompt("b", 2))
    assert matched(data, "a", "b") == {"a": "a", "b": "b"}


def test_another_caption_than_the_one_asked_for_is_refused() -> None:
    assert choose_captions(dataset(2), {"A": ["12", "22"]}, 2) == dataset(2)
    with pytest.raises(
        ReaudioError, match=r"after caption 3 of the clips \(audiocap_id\), not after caption 2: give --captions 3\."
    ):
        choose_captions(dataset(2), {"A": ["13", "23"]}, 2)
    with pytest.raises(ReaudioError, match=r"captions 1 \(1\) and 3 \(1\) .*, not after caption 2: leave out --captions\."):
        choose_captions(dataset(2), {"A": ["11", "23"]}, 2)


def test_every_caption_that_a_table_names_is_a_prompt() -> None:
    data = caption_prompts(dataset(), {"ratings.csv": ["12", "13", "21"]}, 1)
    assert [p.clip_id for p in data.prompts] == ["12", "13", "21"]
    assert [p.caption for p in data.prompts] == ["Caption 2, of a.", "Caption 3, of a.", "Caption 1, of b."]
    assert data.notes == ("The prompts are 3 captions of 2 clips, which the tables of scores name by audiocap_id.",)


def test_ids_of_other_splits_do_not_change_what_the_ids_of_a_table_are() -> None:
    data = caption_prompts(dataset(), {"ratings.csv": ["12", *(f"other {i}" for i in range(9))]}, 1)
    assert [p.clip_id for p in data.prompts] == ["12"]


@pytest.mark.parametrize("tables", [{"t": ["a", "b", "12"]}, {"t": ["unrelated"]}, {"t": ["12"], "u": ["a"]}, {}])
def test_ids_that_are_not_of_captions_change_nothing(tables: dict[str, list[str]]) -> None:
    data = dataset()
    assert caption_prompts(data, tables, 1) is data


def test_a_chosen_caption_beside_ids_of_captions_is_refused() -> None:
    with pytest.raises(ReaudioError, match="so --captions 2 has no effect: leave it out"):
        caption_prompts(dataset(2), {"ratings.csv": ["12"]}, 2)
