"""Configuration from YAML and JSON: mappings checked against frozen dataclasses, with no key guessed and none ignored."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from reaudio_model.common.errors import ReaudioError, UnknownNameError

T = TypeVar("T")


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from a mapping of its fields; nested dataclasses from nested mappings, tuples from lists.

    Args:
        cls: a dataclass whose fields are numbers, strings, paths, Literals, tuples, dataclasses, or one of these or None.
        values: by field name; a field that is left out keeps its default.
        where: file and section, for messages.

    Raises:
        UnknownNameError: a key that is no field; the message names the nearest ones.
        ReaudioError: a value of another type, or a field without a default that is left out.
    """
    if not isinstance(values, Mapping):
        raise ReaudioError(f"{where} must be a list of 'key: value' lines, not {values!r}.")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise UnknownNameError(f"key in {where}:", str(key), fields)
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ReaudioError(f"{where} lacks {name!r}.")
    return cls(**{key: _convert(hints[key], value, f"{where}: {key}") for key, value in values.items()})


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise UnknownNameError(where, str(value), [str(a) for a in arguments])
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or (Ellipsis not in arguments and len(value) != len(arguments)):
            raise ReaudioError(
                f"{where} must be a list{'' if Ellipsis in arguments else f' of {len(arguments)}'}, not {value!r}."
            )
        kinds = [arguments[0]] * len(value) if Ellipsis in arguments else arguments
        return tuple(_convert(k, v, where) for k, v in zip(kinds, value, strict=True))
    if dataclasses.is_dataclass(kind):
        return from_mapping(typing.cast(type, kind), value, where)
    return _scalar(kind, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):  # YAML reads 1e-4 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if type(value) is kind:
        return value
    raise ReaudioError(f"{where} must be of type {kind.__name__}, not {value!r}.")
