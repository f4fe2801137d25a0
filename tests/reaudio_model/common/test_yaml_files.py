"""YAML of settings: plain values, or one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.yaml_files import read_yaml, read_yaml_file


def nested(n: int, each: str) -> str:
    """Aliases that stand for ten times as many values on every line."""
    lines = ["a0: &a0 {k: 1}"] + [f"a{i}: &a{i} {each}".replace("*x", f"*a{i - 1}") for i in range(1, n)]
    return "\n".join(lines)


def test_plain_values(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &x [1, 1e-4]\nb: *x\nc: {<<: {d: 2}, d: 3}\n", encoding="utf-8")
    assert read_yaml_file(tmp_path / "a.yaml", "it") == {"a": [1, 1e-4], "b": [1, 1e-4], "c": {"d": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"^f is not YAML: expected .* in line 1\.$"),
        ("a: 1\nb: 2\na: 3\n", r"the key 'a' is given twice in line 1\.$"),
        ("a: .nan", "nan is not a finite number"),
        ("a: [{b: -.inf}]", "-inf is not a finite number"),
        ("a: 1e999", "inf is not a finite number"),
        ("a: 2026-13-45", r"is not YAML: month must be in 1\.\.12"),
        ("a: " + "9" * 5_000, "is not YAML: Exceeds the limit"),
        ("a: &a [*a]", "a value contains itself"),
        ("[" * 5_000, "nested too deeply"),
        (nested(9, "[*x, *x, *x, *x, *x, *x, *x, *x, *x, *x]"), "more than 100,000 values, those of aliases included"),
        (nested(9, "{<<: [*x, *x, *x, *x, *x, *x, *x, *x, *x, *x]}"), "more than 1,000 keys"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("? [a]\n: b", "unhashable key"),
        ("x" * 300_000, "has more than 262,144 characters of YAML: it is not a file of settings"),
        ("a: \x07", "special characters are not allowed"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        read_yaml(text, "f")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"no\.yaml does not exist; the options should be there"):
        read_yaml_file(tmp_path / "no.yaml", "the options")
    with pytest.raises(ReaudioError, match="is a folder"):
        read_yaml_file(tmp_path, "the options")
    (tmp_path / "a.yaml").write_bytes(b"a: caf\xe9\n")
    with pytest.raises(ReaudioError, match=r"a\.yaml is not UTF-8 in line 1"):
        read_yaml_file(tmp_path / "a.yaml", "the options")


@given(st.text(alphabet="ab:-[]{}&*!<>|%@`\"' \n\t#?,0.e", max_size=60))
def test_any_text_gives_a_value_or_one_sentence(text: str) -> None:
    try:
        read_yaml(text, "f")
    except ReaudioError as error:
        message = str(error)
    else:
        message = "f"
    assert message.startswith("f")
    assert "\n" not in message
