"""Typer commands made of request classes: every option comes from a field."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import typer.core

from reaudio_model.common.option_values import is_mapping
from reaudio_model.common.options import OptionField, OptionGroup, option_fields, read_options

Common = Literal["config", "json", "quiet", "dry_run"]


@dataclass(frozen=True)
class Invocation:
    """How a command was called beside its request: ``--json``, ``--quiet``, ``--dry-run``."""

    as_json: bool = False
    quiet: bool = False
    dry_run: bool = False


def add_command(
    app: typer.Typer,
    name: str,
    request: type[OptionGroup],
    run: Callable[[Any, Invocation], None],
    *,
    summary: str,
    example: str,
    common: tuple[Common, ...] = ("config", "json", "quiet", "dry_run"),
) -> None:
    """Add the command ``name`` with an option for each field of ``request``.

    Args:
        app: the group of commands.
        name: of the command.
        request: its options.
        run: called with the request and how the command was called.
        summary: what the command does, for ``--help``.
        example: a line that works, for ``--help``.
        common: which of ``--config FILE``, ``--json``, ``--quiet`` and ``--dry-run`` it has; every command has ``--help-all``.
    """
    fields = option_fields(request)

    def command(context: typer.Context, **values: Any) -> None:
        given = {field.name: values[field.name] for field in fields if _was_given(context, field.name)}
        if "config" in common and values["config"] is not None:
            given = read_options(Path(values["config"])) | given
        run(request.of(given), Invocation(*(values.get(switch, False) for switch in ("json", "quiet", "dry_run"))))

    parameters = {"context": (typer.Context, inspect.Parameter.empty)}
    parameters |= {field.name: _parameter(field) for field in fields}
    parameters |= {option: _COMMON[option] for option in (*common, "help_all")}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=d)
            for n, (kind, d) in parameters.items()
        ]
    )
    command.__annotations__ = {name: kind for name, (kind, _) in parameters.items()}
    app.command(name, epilog=f"Example: [bold]{example}[/bold]", help=summary)(command)


def _was_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def _show_all(context: typer.Context, value: bool) -> None:
    if not value:
        return
    for parameter in context.command.params:
        if isinstance(parameter, typer.core.TyperOption):
            parameter.hidden = False
    typer.echo(context.get_help())
    raise typer.Exit


def _switch(flag: str, help: str, **details: Any) -> tuple[Any, Any]:
    return Annotated[bool, typer.Option(flag, help=help, rich_help_panel="Command line", **details)], False


# What a command has beside the options of its request.
_COMMON: dict[str, tuple[Any, Any]] = {
    "config": (
        Annotated[
            str | None,
            typer.Option(
                "--config", metavar="FILE", help="YAML file of options; those given on the command line win.",
                rich_help_panel="Command line",
            ),
        ],
        None,
    ),
    "json": _switch("--json", "One JSON object on stdout."),
    "quiet": _switch("--quiet", "No progress and no notes."),
    "dry_run": _switch("--dry-run", "Show what would be done and stop."),
    "help_all": _switch("--help-all", "Show every option and exit.", is_eager=True, callback=_show_all),
}  # fmt: skip


def _parameter(field: OptionField) -> tuple[Any, Any]:
    """Type and default of an option for typer. Values stay text: the request converts them, with one set of messages."""
    option, repeatable = field.option, typing.get_origin(field.kind) is tuple or is_mapping(field.kind)
    kind: Any = bool if _is_switch(field.kind) else list[str] if repeatable else str
    required = field.default is MISSING
    default = None if required or repeatable else field.default
    details: dict[str, Any] = {} if kind is bool else {"metavar": option.metavar or _metavar(field.kind)}
    details["help"] = option.help + " Required." * required
    if option.flag == "ARGUMENT":  # required or not is for the request to say: --config may give it
        return Annotated[kind | None, typer.Argument(**details)], default
    details["rich_help_panel"] = field.panel
    flags = option.flag.split() or [field.flag]
    made = typer.Option(*flags, hidden=not option.everyday, **details)
    shown = default if default is None or kind is bool else str(default)
    return Annotated[kind if kind is bool and default is not None else kind | None, made], shown


def _is_switch(kind: Any) -> bool:
    return kind is bool or bool in typing.get_args(kind)


def _metavar(kind: Any) -> str:
    """Placeholder of a value: its words, or its type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return "|".join(map(str, arguments))
    if origin is not None:
        return _metavar(next(a for a in arguments if a is not type(None)))
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")
