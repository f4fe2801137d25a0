"""Configuration from mappings, checked against frozen dataclasses."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from reaudio_model.common.errors import ReaudioError, UnknownNameError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")
TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "finite_number": "a number",
}


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A dataclass from a mapping of its fields; nested dataclasses from nested mappings, tuples from lists.

    Types are strict: the only conversions are those JSON needs (list to tuple, text to path, whole number to float).

    Args:
        cls: a dataclass, of any types that pydantic supports.
        values: JSON-able, by field name; a missing field keeps its default.
        where: file and section, for messages.

    Raises:
        UnknownNameError: a key that is not a field, or a value that is not a choice; the message names the nearest ones.
        ReaudioError: a value of another type, or a missing field without a default.
    """
    from pydantic import ValidationError

    try:
        made: T = _adapter(cls).validate_json(json.dumps([values], default=str))[0]  # type: ignore[arg-type]
        return made
    except ValidationError as error:
        details = error.errors(include_url=False)
    # A misspelled key is also a missing one: its suggestion helps more.
    raise _explain(cls, min(details, key=lambda detail: detail["type"] != "unexpected_keyword_argument"), where)


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    """Validates ``[values]``: pydantic takes no configuration for a plain dataclass, but for a tuple of one."""
    from pydantic import ConfigDict, TypeAdapter

    one: Any = tuple[cls]
    return TypeAdapter(one, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))


def _explain(cls: type, detail: ErrorDetails, where: str) -> ReaudioError:
    kind, value, keys = detail["type"], detail["input"], list(detail["loc"][1:])
    if kind in ("missing", "unexpected_keyword_argument") and isinstance(keys[-1], str):
        section = ": ".join([where, *map(str, keys[:-1])])
        if kind == "missing":
            return ReaudioError(f"{section} lacks {keys[-1]!r}.")
        return UnknownNameError(f"key in {section}:", keys[-1], _field_names(_type_at(cls, keys[:-1])))
    place = ": ".join([where, *(key for key in keys if isinstance(key, str))])
    if kind == "literal_error":
        return UnknownNameError(place, str(value), re.findall(r"'(.*?)'", detail["ctx"]["expected"]))
    if kind == "dataclass_type":
        return ReaudioError(f"{place} must be a list of 'key: value' lines, not {value!r}.")
    if kind in ("tuple_type", "missing", "too_long"):
        items = [] if kind == "tuple_type" else typing.get_args(_type_at(cls, keys))
        return ReaudioError(f"{place} must be a list{f' of {len(items)}' if items else ''}, not {value!r}.")
    if kind == "finite_number":
        return ReaudioError(f"{place} must be a finite number.")
    if kind in TYPES:
        return ReaudioError(f"{place} must be {TYPES[kind]}, not {value!r}.")
    return ReaudioError(f"{place}: {detail['msg']}.")


def _type_at(cls: Any, keys: list[str | int]) -> Any:
    """The type of the field at ``keys``; a number among them is the index of a list."""
    for key in keys:
        if isinstance(key, str):
            cls = typing.get_type_hints(_dataclass(cls))[key]
    return cls


def _dataclass(kind: Any) -> Any:
    """The dataclass in a type such as ``Inner | None`` or ``tuple[Inner, ...]``."""
    return next(each for each in (kind, *typing.get_args(kind)) if dataclasses.is_dataclass(each))


def _field_names(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(_dataclass(kind)) if field.init]
