"""Names and folders given on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from reaudio_eval.clips.collect import Generation, SystemRequest, collect, parse_named_paths
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

DATASET = Dataset("d", "test", (Prompt("a", "x"), Prompt("b", "y")), {}, {})


def gather(*requests: SystemRequest, output: Path = Path("unused")) -> list[str]:
    return [s.name for s in collect(requests, DATASET.prompts, DATASET, output, Generation(), Reporter(quiet=True)).systems]


def test_names_and_paths() -> None:
    assert parse_named_paths(["A=x", "B = C=y=z"], "--clips") == {"A": Path("x"), "B": Path(" C=y=z")}


@pytest.mark.parametrize("value", ["A", "=x", "A=", " =x"])
def test_malformed(value: str) -> None:
    with pytest.raises(ReaudioError, match="must have the form NAME=PATH"):
        parse_named_paths([value], "--clips")


def test_twice() -> None:
    with pytest.raises(ReaudioError, match="names 'A' twice"):
        parse_named_paths(["A=x", "A=y"], "--clips")


@pytest.mark.parametrize(("first", "second"), [("A", "a"), ("a b", "a_b")])
def test_names_that_would_share_a_folder(first: str, second: str) -> None:
    with pytest.raises(ReaudioError, match="Two systems are called"):
        gather(SystemRequest(first, "noise"), SystemRequest(second, "noise"))


def test_a_folder_cannot_take_the_mark_of_what_does_not_compete(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"cannot end in '\(upper reference\)'"):
        gather(SystemRequest("mine (upper reference)", "clips", tmp_path))


def test_noise_is_made_in_a_folder_of_its_own(tmp_path: Path) -> None:
    assert gather(SystemRequest("floor", "noise"), output=tmp_path) == ["floor"]
    assert {p.stem for p in (tmp_path / "floor").iterdir()} == {"a", "b"}


def test_folder_without_any_of_the_clips(tmp_path: Path) -> None:
    (tmp_path / "zzz.wav").write_bytes(b"x")
    with pytest.raises(ReaudioError, match="zzz"):
        gather(SystemRequest("mine", "clips", tmp_path))


def test_a_name_too_long_for_a_folder_is_refused_before_work_starts(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"The name x{40}\.\.\. of a system is too long for a folder"):
        gather(SystemRequest("x" * 300, "clips", tmp_path))
