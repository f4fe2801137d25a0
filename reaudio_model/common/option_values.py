"""Values of options: converted, checked, refused in one sentence."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.files import as_path, check_text

if TYPE_CHECKING:
    from reaudio_model.common.options import OptionField


def convert(field: OptionField, value: Any) -> Any:
    """``value`` as the option's type: one name where several are allowed, paths from text with ``~`` expanded, numbers in range.

    Raises:
        UnknownNameError: none of the words that the option allows.
        ReaudioError: another type, or out of range.
    """
    if type(value) is type(field.default) and value == field.default:
        return value
    if field.option.parse is not None:
        value = field.option.parse(value)
    origin = typing.get_origin(field.kind)
    if origin is tuple and isinstance(value, str | os.PathLike):
        value = (value,)
    if is_mapping(field.kind) and (_is_text(value) or value == []):
        value = named_values(value, field.flag, "NAME=PATH" if Path in typing.get_args(field.kind) else field.option.metavar)
    _refuse(field, value)
    found = _expanded(_validated(field, value))
    for number in found if isinstance(found, tuple) else (found,):
        _check_range(field, number)
    return found


def _refuse(field: OptionField, value: Any) -> None:
    """Refuse what pydantic would convert silently: true as 1, and an empty path as the working directory; and text that is not UTF-8."""
    scalars = {field.kind, *typing.get_args(field.kind)}
    if isinstance(value, bool) and scalars & {int, float} and bool not in scalars:
        raise ReaudioError(f"{field.flag} must be a {'whole ' * (int in scalars)}number, not {value!r}.")
    paths = value if isinstance(value, Mapping) else {"path": value}
    for text in (*paths, *paths.values(), *(value if isinstance(value, list | tuple) else ())):
        check_text(text if isinstance(text, str) else "")
    if Path in scalars and not all(str(name).strip() and path != "" for name, path in paths.items()):
        raise ReaudioError(f"{field.flag} must have a name and a path, not {value!r}.")


def is_mapping(kind: Any) -> bool:
    """Whether an option is given as NAME=VALUE."""
    origin = typing.get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_text(value: Any) -> bool:
    """Whether this is what a command line gives: a text, or several of a repeatable option."""
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and bool(value) and all(isinstance(each, str) for each in value)
    )


# What pydantic found wrong -> what is expected.
_EXPECTED = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_parsing_size": "a whole number",
    "int_from_float": "a whole number", "float_type": "a number", "float_parsing": "a number", "finite_number": "a number",
    "string_type": "text", "path_type": "a path", "bool_type": "true or false", "bool_parsing": "true or false", "tuple_type": "a list",
    "mapping_type": "a mapping of names", "dict_type": "a mapping of names",
}  # fmt: skip


def _validated(field: OptionField, value: Any) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError  # not before a command runs: --help answers at once

    try:
        config = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False, arbitrary_types_allowed=True)
        return TypeAdapter(field.kind, config=config).validate_python(value)
    except ValidationError as error:
        problem = next((e for e in error.errors() if e["type"] != "none_required"), error.errors()[0])
    if problem["type"] == "literal_error":
        raise UnknownNameError(f"value of {field.flag}", str(problem["input"]), [str(a) for a in _words(field.kind)])
    expected = _EXPECTED.get(problem["type"], problem["msg"])
    raise ReaudioError(f"{field.flag} must be {expected}, not {problem['input']!r}.")


def _words(kind: Any) -> tuple[Any, ...]:
    """The words of a Literal, or of a Literal or None."""
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return next((_words(each) for each in typing.get_args(kind) if _words(each)), ())


def _expanded(value: Any) -> Any:
    if isinstance(value, Path):
        return as_path(value)
    if isinstance(value, Mapping):
        return {name: _expanded(each) for name, each in value.items()}
    return tuple(map(_expanded, value)) if isinstance(value, tuple) else value


def _check_range(field: OptionField, value: Any) -> None:
    least, most = field.option.least, field.option.most
    if (least is None and most is None) or isinstance(value, bool) or not isinstance(value, int | float):
        return
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        low, high, given = (
            str(number) if isinstance(number, int) else f"{number or 0:g}" for number in (least, most, value)
        )
        allowed = f"{low} or more" if most is None else f"at most {high}" if least is None else f"{low} to {high}"
        raise ReaudioError(f"{field.flag} must be {allowed}, not {given}.")


def named_values(values: Any, flag: str, form: str = "NAME=PATH") -> dict[str, str]:
    """``["AudioGen=folder", ...]`` as a mapping; ``form``: for messages.

    Raises:
        ReaudioError: no "=", an empty name or value, or a name given twice.
    """
    table: dict[str, str] = {}
    for value in (values,) if isinstance(values, str) else values:
        name, equals, text = value.partition("=")
        if not (equals and name.strip() and text):
            raise ReaudioError(f"{flag} {value!r} must have the form {form}.")
        if name.strip() in table:
            raise ReaudioError(f"{flag} names {name.strip()!r} twice.")
        table[name.strip()] = text
    return table
