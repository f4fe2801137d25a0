"""Settings from mappings: what is accepted, and the sentence for what is not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.settings import from_mapping
from reaudio_model.common.yaml_files import read_yaml


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    kind: Literal["sum", "mean"] = "sum"

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ReaudioError("rate must be 0 or more.")


@dataclass(frozen=True)
class Outer:
    steps: int
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    paths: tuple[Path, ...] = ()
    size: tuple[int, int] = (1, 2)
    name: str | None = None
    cache: dict[str, int] = field(default_factory=dict, init=False)


def test_values_become_fields() -> None:
    values = {"steps": 3, "inner": {"rate": 2}, "inners": [{"kind": "mean"}], "paths": ["a", Path("b")], "size": (3, 4)}
    made = from_mapping(Outer, values, "f")
    assert made == Outer(3, Inner(2.0), (Inner(kind="mean"),), (Path("a"), Path("b")), (3, 4))
    assert isinstance(made.inner.rate, float)


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "+1e-4", "1.e-4", ".1e-3", "1.0e-4"])
def test_exponents_without_a_point_are_numbers(number: str) -> None:
    assert from_mapping(Inner, read_yaml(f"rate: {number}", "f"), "f").rate == pytest.approx(1e-4, rel=1e-15)


@pytest.mark.parametrize("text", ["e-4", "1e", "1e-4x", "a1e4"])
def test_other_text_is_no_number(text: str) -> None:
    assert read_yaml(f"name: {text}", "f") == {"name": text}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 3, "inner": {"rat": 1}}, "Unknown key in f: inner: 'rat'. Did you mean 'rate'?"),
        ({"steps": 3, "inners": [{"kid": 1}]}, "Unknown key in f: inners: 0: 'kid'. Did you mean 'kind'?"),
        ({"stepz": 3}, "Unknown key in f: 'stepz'. Did you mean 'steps'?"),
        ({"steps": 3, "cache": {}}, "Unknown key in f: 'cache'."),
        ({}, "f lacks 'steps'."),
        ({"steps": True}, "f: steps must be a whole number, not True."),
        ({"steps": 1.0}, "f: steps must be a whole number, not 1.0."),
        ({"steps": 3, "inner": {"rate": "fast"}}, "f: inner: rate must be a number, not 'fast'."),
        ({"steps": 3, "inner": {"kind": "men"}}, "Unknown f: inner: kind 'men'. Did you mean 'mean'?"),
        ({"steps": 3, "inner": 3}, "f: inner must be a list of 'key: value' lines, not 3."),
        ({"steps": 3, "paths": "a"}, "f: paths must be a list, not 'a'."),
        ({"steps": 3, "paths": [1]}, "f: paths must be text, not 1."),
        ({"steps": 3, "size": [1]}, "f: size must be a list of 2, not [1]."),
        ({"steps": 3, "size": [1, 2, 3]}, "f: size must be a list of 2, not [1, 2, 3]."),
        ({"steps": 3, "name": 3}, "f: name must be text, not 3."),
        ({"steps": 3, "inner": {"rate": -1}}, "rate must be 0 or more."),
        (None, "f must be a list of 'key: value' lines, not None."),
    ],
)
def test_what_is_wrong_is_one_sentence(values: Any, message: str) -> None:
    with pytest.raises(ReaudioError) as raised:
        from_mapping(Outer, values, "f")
    assert str(raised.value).startswith(message)
    assert isinstance(raised.value, UnknownNameError) == message.startswith("Unknown")


def test_pydantic_is_imported_when_needed() -> None:
    program = "import sys, reaudio_model.common.settings; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
