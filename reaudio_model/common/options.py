"""Requests: frozen dataclasses whose fields are a command's options.

An option is declared once, where its field stands: ``limit: Annotated[int | None, Option("Only the first N prompts.", least=1)] = None``.
Type, default, help and validation come from the field; the command line (:mod:`reaudio_model.common.commands`), the Python function and a
YAML file are made of it and give the same errors. Fields whose type is itself an :class:`OptionGroup` are flattened: every option of a
request has a name of its own.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.files import as_path
from reaudio_model.common.option_values import convert
from reaudio_model.common.yaml_files import read_yaml_file


@dataclass(frozen=True)
class Option:
    """How the field of a request is given on the command line.

    Attributes:
        help: one sentence.
        flag: name on the command line, "--limit"; several names, and both forms of a switch, are separated by spaces. "" takes the name
            of the field. A positional argument has "ARGUMENT".
        metavar: placeholder of the value in the help.
        panel: heading in ``--help``; "" takes that of the group.
        everyday: shown by ``--help``; the others by ``--help-all``.
        least, most: smallest and largest number allowed.
        parse: from the text of the option, the texts of a repeatable one, or a value given in Python to the value; raises ReaudioError.
    """

    help: str
    flag: str = ""
    metavar: str = ""
    panel: str = ""
    everyday: bool = False
    least: float | None = None
    most: float | None = None
    parse: Callable[[Any], Any] | None = None


class OptionField(NamedTuple):
    """An option of a request. path: names of the fields that lead to it; kind: its type without ``Annotated``."""

    name: str
    path: tuple[str, ...]
    kind: Any
    default: Any
    option: Option
    panel: str

    @property
    def flag(self) -> str:
        """As a user writes it, for messages: "--limit"."""
        if self.option.flag == "ARGUMENT":
            return self.name.upper()
        return self.option.flag.split()[0].partition("/")[0] if self.option.flag else "--" + self.name.replace("_", "-")


@dataclass(frozen=True)
class OptionGroup:
    """Options that belong together. Values are converted and checked when an instance is made.

    Subclasses are frozen dataclasses whose fields are ``Annotated[type, Option(...)]`` or other groups, and may override
    :meth:`check`.
    """

    panel: ClassVar[str] = "Options"
    everyday: ClassVar[bool] = False  # --help shows every option of this class

    def __post_init__(self) -> None:
        for name, group in _hints(type(self)).items():
            if _is_group(group) and not isinstance(vars(self).get(name), group):
                raise TypeError(f"{type(self).__name__}.{name} must be a {group.__name__}, not {vars(self).get(name)!r}")
        for field in (f for f in option_fields(type(self)) if not f.path):
            object.__setattr__(self, field.name, convert(field, getattr(self, field.name)))
        self.check()

    def check(self) -> None:
        """Raise ReaudioError where options do not go together."""

    @classmethod
    def of(cls, options: Mapping[str, Any], where: str = "") -> Self:
        """An instance from values by option name, whatever group they belong to; options left out keep their defaults.

        Args:
            options: option name (with underscores) -> value.
            where: prefix of messages, e.g. the name of a file.

        Raises:
            UnknownNameError: no option has this name; the message names the nearest ones.
            ReaudioError: a value of another type or out of range, options that do not go together, or one missing.
        """
        known = {field.name: field for field in option_fields(cls)}
        for name in options:
            if name not in known:
                raise UnknownNameError(f"option{f' in {where}' if where else ''}", name, known)
        missing = [
            f"{f.flag} ({f.option.help.rstrip('.')})"
            for f in known.values()
            if f.default is MISSING and f.name not in options
        ]
        if missing:
            raise ReaudioError(f"Missing: {'; '.join(missing)}.")
        return cls(**_nested(cls, options))

    def options(self) -> dict[str, Any]:
        """Option name -> value, of all options; :meth:`of` makes an equal instance of it."""
        found = {}
        for field in option_fields(type(self)):
            value: Any = self
            for step in (*field.path, field.name):
                value = getattr(value, step)
            found[field.name] = value
        return found

    def plain(self) -> dict[str, Any]:
        """Like :meth:`options` with values that YAML and JSON have, without those that keep their default."""
        defaults = {field.name: field.default for field in option_fields(type(self))}
        return {name: _plain(value) for name, value in self.options().items() if value != defaults[name]}


def _nested(cls: type[OptionGroup], options: Mapping[str, Any]) -> dict[str, Any]:
    hints, arguments = _hints(cls), dict[str, Any]()
    for field in dataclasses.fields(cls):
        group = hints[field.name]
        if _is_group(group):
            arguments[field.name] = group(**_nested(group, options))
        elif field.name in options:
            arguments[field.name] = options[field.name]
    return arguments


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, OptionGroup)


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def own_options(cls: type[OptionGroup]) -> tuple[OptionField, ...]:
    """The options that are fields of ``cls`` itself."""
    found, hints = [], _hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        if _is_group(hint):
            continue
        option = next((m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Option)), None)
        if option is None:
            raise TypeError(f"{cls.__name__}.{field.name} is neither an option nor a group")
        option = replace(option, everyday=option.everyday or cls.everyday)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        found.append(OptionField(field.name, (), hint.__origin__, default, option, option.panel or cls.panel))
    return tuple(found)


_FIELDS: dict[type, tuple[OptionField, ...]] = {}  # of the classes seen: type hints take time to evaluate


def option_fields(cls: type[OptionGroup]) -> tuple[OptionField, ...]:
    """Every option of a request, those of its groups included, in the order of the fields.

    Raises:
        TypeError: two options of one name.
    """
    if cls not in _FIELDS:
        _FIELDS[cls] = _flattened(cls)
    return _FIELDS[cls]


def _flattened(cls: type[OptionGroup]) -> tuple[OptionField, ...]:
    own = {field.name: field for field in own_options(cls)}
    found: list[OptionField] = []
    hints = _hints(cls)
    for field in dataclasses.fields(cls):
        if field.name in own:
            found.append(own[field.name])
        else:
            inner = option_fields(hints[field.name])
            found += [each._replace(path=(field.name, *each.path)) for each in inner]
    names = [field.name for field in found]
    if len(set(names)) < len(names):
        raise TypeError(f"{cls.__name__} has two options of one name: {sorted(n for n in names if names.count(n) > 1)}")
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def command_line(request: OptionGroup) -> list[str]:
    """The words that give a request on the command line, without options that keep their default."""
    given, words = request.plain(), list[str]()
    for field in (f for f in option_fields(type(request)) if f.name in given):
        value = given[field.name]
        if field.option.flag == "ARGUMENT":
            words += map(str, value if isinstance(value, list) else [value])
        elif isinstance(value, bool):
            words.append(field.flag if value else _negative(field))
        else:
            texts = [f"{k}={_text(v)}" for k, v in value.items()] if isinstance(value, Mapping) else value
            words += [word for text in (texts if isinstance(texts, list) else [texts]) for word in (field.flag, str(text))]
    return words


def _negative(field: OptionField) -> str:
    """The form of a switch that turns it off."""
    return field.option.flag.split()[0].partition("/")[2]


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def read_options(path: Path) -> dict[str, Any]:
    """The options in a YAML file, by name.

    Raises:
        ReaudioError: it cannot be read, or is not a list of "name: value" lines.
    """
    found = read_yaml_file(as_path(path), "the options of --config")
    if found is not None and not isinstance(found, dict):
        raise ReaudioError(f"--config {path} must hold one 'name: value' line for each option.")
    return {str(name): value for name, value in (found or {}).items()}
