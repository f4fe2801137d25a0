"""Reading YAML that may be damaged or hostile."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

from reaudio_model.common.csv_files import read_text
from reaudio_model.common.errors import ReaudioError

MAX_CHARACTERS = 2**18
MAX_KEYS = 1_000  # of a mapping
MAX_VALUES = 100_000  # aliases counted as often as they stand for a value
YAML_1_2_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def read_yaml_file(path: Path, what: str) -> Any:
    """The value of a YAML file, see :func:`read_yaml`.

    Args:
        path: the file.
        what: the content, for messages, e.g. "the options".

    Raises:
        ReaudioError: no such file, one that cannot be read, or see :func:`read_yaml`.
    """
    return read_yaml(read_text(path, what), str(path))


def read_yaml(text: str, where: str) -> Any:
    """YAML of plain values, with ``1e-4`` as a number (PyYAML's version 1.1 wants ``1.0e-4``).

    Args:
        text: in YAML.
        where: before the message, e.g. a file.

    Raises:
        ReaudioError: not YAML (the line is named); too large or nested too deeply, aliases counted as often as they are used; a key given
            twice in a mapping; or a number that is not finite.
    """
    import yaml

    if len(text) > MAX_CHARACTERS:
        raise ReaudioError(f"{where} has more than {MAX_CHARACTERS:,} characters of YAML: it is not a file of settings.")
    try:
        value = yaml.load(text, _loader())  # noqa: S506  # a SafeLoader
        _check(value, [0], ())
    except RecursionError as error:
        raise ReaudioError(f"{where} is not YAML of settings: it is nested too deeply.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ReaudioError(f"{where} is not YAML: {_problem(error)}.") from error
    return value


def _check(value: Any, seen: list[int], within: tuple[int, ...]) -> None:
    """Raise ValueError for a value inside itself, too many values, and numbers that are not finite."""
    seen[0] += 1
    if seen[0] > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES:,} values, those of aliases included")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, dict | list):
        if id(value) in within:
            raise ValueError("a value contains itself")
        for each in value.values() if isinstance(value, dict) else value:
            _check(each, seen, (*within, id(value)))


@cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
            if len(set(keys)) < len(keys):
                twice = next(key for i, key in enumerate(keys) if key in keys[:i])
                raise yaml.constructor.ConstructorError(None, None, f"the key {twice!r} is given twice", node.start_mark)
            return dict(super().construct_mapping(node, deep))

        def flatten_mapping(self, node: Any) -> None:
            super().flatten_mapping(node)
            if len(node.value) > MAX_KEYS:  # before mappings that are merged again and again fill the memory
                raise yaml.constructor.ConstructorError(None, None, f"more than {MAX_KEYS:,} keys", node.start_mark)

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", YAML_1_2_FLOAT, list("-+.0123456789"))
    return Loader


def _problem(error: Exception) -> str:
    """What a parser found wrong, with the line, without its drawing of the place."""
    mark = vars(error).get("problem_mark")
    where = "" if mark is None else f" in line {mark.line + 1}"
    return f"{textwrap.shorten(str(vars(error).get('problem') or error), 200, placeholder='...')}{where}"
