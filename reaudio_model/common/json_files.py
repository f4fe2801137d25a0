"""Reading JSON files that may be damaged or hostile."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Never

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import open_regular

MAX_BYTES = 256 * 2**20


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        ValueError: not JSON, not UTF-8, nested too deeply, or with a number that is not finite.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_json(path: Path, what: str, *, remedy: str, error: type[ReaudioError] = ReaudioError) -> Any:
    """The content of a JSON file.

    Args:
        path: the file.
        what: its role, for messages, e.g. "the manifest of a run".
        remedy: what the user can do, e.g. "score it again".
        error: class of the error raised.

    Raises:
        ReaudioError: (or ``error``) missing, unreadable, larger than ``MAX_BYTES``, or see :func:`parse_json`.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise error(f"{path} ({what}) has {size} bytes, more than the {MAX_BYTES} that are read: {remedy}.")
        with open_regular(path) as file:
            return parse_json(file.read(MAX_BYTES))
    except OSError as problem:
        reason = "does not exist" if isinstance(problem, FileNotFoundError) else f"cannot be read ({problem.strerror})"
        raise error(f"{path} ({what}) {reason}: {remedy}.") from problem
    except ValueError as problem:
        raise error(f"{path} ({what}) is not valid JSON ({problem}): {remedy}.") from problem


def read_json_object(path: Path, what: str, *, remedy: str, error: type[ReaudioError] = ReaudioError) -> dict[str, Any]:
    """As :func:`read_json`; the content must be an object.

    Raises:
        ReaudioError: (or ``error``) see there, or a list, text, number or null.
    """
    value = read_json(path, what, remedy=remedy, error=error)
    if not isinstance(value, dict):
        raise error(f"{path} ({what}) holds no JSON object: {remedy}.")
    return value


def as_read_back(value: Any) -> Any:
    """A value as it is read from a JSON file that it was written to: tuples are lists, paths are text."""
    return json.loads(json.dumps(value, default=str))


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a finite number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a finite number")
    return value
