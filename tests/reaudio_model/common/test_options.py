"""Requests: one declaration, the same values and messages from Python, YAML and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.option_values import named_values
from reaudio_model.common.options import Option, OptionGroup, option_fields, read_options


@dataclass(frozen=True)
class Files(OptionGroup):
    panel: ClassVar[str] = "Files"

    folder: Annotated[Path | None, Option("A folder.")] = None
    named: Annotated[Mapping[str, Path], Option("Several.", metavar="NAME=PATH")] = field(default_factory=dict)


def halves(given: Any) -> float:
    return float(given) / 2


@dataclass(frozen=True)
class Asked(OptionGroup):
    first: Annotated[Path, Option("Positional.", "ARGUMENT")]
    files: Files = field(default_factory=Files)
    count: Annotated[int | None, Option("A number.", least=1)] = None
    scale: Annotated[float, Option("Another.", least=0, most=2)] = 1.0
    words: Annotated[tuple[str, ...], Option("Words.", "--word")] = ()
    sizes: Annotated[tuple[int, ...], Option("Numbers.", least=1)] = ()
    mode: Annotated[Literal["fast", "slow"] | None, Option("One of two.", panel="How")] = None
    loud: Annotated[bool, Option("A switch.", "--loud/--quiet")] = False
    half: Annotated[float, Option("Parsed.", parse=halves)] = 0.5

    def check(self) -> None:
        if self.count == 13:
            raise ReaudioError("--count 13 brings bad luck.")


def test_groups_are_flattened_in_the_order_of_the_fields() -> None:
    fields = {f.name: f for f in option_fields(Asked)}
    assert list(fields) == ["first", "folder", "named", "count", "scale", "words", "sizes", "mode", "loud", "half"]
    assert (fields["folder"].path, fields["folder"].panel) == (("files",), "Files")
    assert (fields["count"].panel, fields["mode"].panel) == ("Options", "How")
    assert [fields[n].flag for n in ("first", "words", "count", "loud")] == ["FIRST", "--word", "--count", "--loud"]


def test_values_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    made = Asked.of(
        {
            "first": "~/a",
            "folder": "b",
            "named": {"x": "~/c"},
            "count": "3",
            "scale": 1,
            "words": "one",
            "sizes": ["2", 4],
            "half": 3,
        }
    )
    assert made.first == Path("/home/ada/a")
    assert (made.files.folder, dict(made.files.named)) == (Path("b"), {"x": Path("/home/ada/c")})
    assert (made.count, made.scale, made.words, made.sizes, made.half) == (3, 1.0, ("one",), (2, 4), 1.5)
    assert isinstance(made.scale, float)


def test_direct_construction_converts_too() -> None:
    made = Asked("a", Files(folder="b"), words=["x", "y"])  # type: ignore[arg-type]
    assert (made.first, made.files.folder, made.words) == (Path("a"), Path("b"), ("x", "y"))


def test_names_and_paths_may_be_one_text_each() -> None:
    assert Files.of({"named": ["a=1", "b=2=3"]}).named == {"a": Path("1"), "b": Path("2=3")}
    assert Files.of({"named": "a=1"}).named == {"a": Path("1")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": "x"}, "^--count must be a whole number, not 'x'.$"),
        ({"count": 1.5}, "^--count must be a whole number, not 1.5.$"),
        ({"count": 0}, "^--count must be 1 or more, not 0.$"),
        ({"scale": "nan"}, "^--scale must be a number, not 'nan'.$"),
        ({"scale": float("inf")}, "--scale must be a number, not inf"),
        ({"count": True}, "^--count must be a whole number, not True.$"),
        ({"scale": True}, "^--scale must be a number, not True.$"),
        ({"folder": ""}, "--folder must have a name and a path, not ''"),
        ({"folder": "~nosuchuser/x"}, "there is no such user"),
        ({"named": {"": "b"}}, "--named must have a name and a path"),
        ({"named": {"a": ""}}, "--named must have a name and a path"),
        ({"scale": 3}, "^--scale must be 0 to 2, not 3.$"),
        ({"sizes": [1, 0]}, "--sizes must be 1 or more, not 0"),
        ({"words": 3}, "--word must be a list, not 3"),
        ({"words": "\udcff"}, "'.udcff' is not UTF-8: rename the file or folder"),
        ({"folder": "a\udcff"}, "is not UTF-8"),
        ({"named": {"a": "\udcff"}}, "is not UTF-8"),
        ({"named": "a=\udcff"}, "is not UTF-8"),
        ({"scale": "-inf"}, "^--scale must be a number, not '-inf'.$"),
        ({"scale": "1e999"}, "^--scale must be a number, not '1e999'.$"),
        ({"count": "9" * 5000}, "^--count must be a whole number"),
        ({"folder": 7}, "--folder must be a path, not 7"),
        ({"loud": "perhaps"}, "--loud must be true or false"),
        ({"mode": "fats"}, "Unknown value of --mode 'fats'. Did you mean 'fast'"),
        ({"named": ["a"]}, r"--named 'a' must have the form NAME=PATH\."),
        ({"named": ["a=1", "a=2"]}, "--named names 'a' twice"),
        ({"count": 13}, "bad luck"),
    ],
)
def test_bad_values_are_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        Asked.of({"first": "a", **options})


def test_unknown_options_suggest_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown option 'cuont'\. Did you mean 'count'"):
        Asked.of({"first": "a", "cuont": 1})


def test_a_missing_argument_is_named() -> None:
    with pytest.raises(ReaudioError, match=r"^Missing: FIRST \(Positional\)\.$"):
        Asked.of({})


def test_options_make_an_equal_request_again() -> None:
    made = Asked.of({"first": "a", "named": {"x": "c"}, "sizes": [2], "mode": "slow", "loud": True})
    assert Asked.of({**made.options(), "half": 1}) == made


def test_plain_has_what_differs_from_the_defaults_in_values_of_yaml() -> None:
    made = Asked.of({"first": "a", "named": {"x": "c"}, "sizes": [2], "scale": 1.0})
    assert made.plain() == {"first": "a", "named": {"x": "c"}, "sizes": [2]}


def test_an_empty_list_is_an_empty_mapping() -> None:
    assert Files.of({"named": []}).named == {}


def test_a_group_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Asked\.files must be a Files, not {'folder': 'b'}"):
        Asked(Path("a"), {"folder": "b"})  # type: ignore[arg-type]


def test_two_options_of_one_name_are_a_mistake_of_the_author() -> None:
    @dataclass(frozen=True)
    class Twice(OptionGroup):
        files: Files = field(default_factory=Files)
        folder: Annotated[int, Option("Again.")] = 0

    with pytest.raises(TypeError, match=r"two options of one name: \['folder', 'folder'\]"):
        option_fields(Twice)


def test_named_values_keep_later_equal_signs() -> None:
    assert named_values(["a=b=c"], "--x") == {"a": "b=c"}


def test_yaml_files(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("count: 3\nnamed: {x: c}\n", encoding="utf-8")
    assert read_options(tmp_path / "run.yaml") == {"count": 3, "named": {"x": "c"}}
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    assert read_options(tmp_path / "empty.yaml") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "must hold one 'name: value' line for each option"),
        ("b: 1\na: [", "is not YAML: expected .* in line 2"),
    ],
)
def test_files_that_are_no_options(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ReaudioError, match=message):
        read_options(tmp_path / "run.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match="does not exist; the options of --config should be there"):
        read_options(tmp_path / "no.yaml")
