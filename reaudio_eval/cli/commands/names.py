"""``reaudio-eval list``: registered names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from reaudio_model.common.cli import print_json
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.options import Option, OptionGroup


@dataclass(frozen=True)
class NamesRequest(OptionGroup):
    """Which kind of names to list."""

    kind: Annotated[str, Option("models, datasets, embedders, metrics, evaluations or protocols.", "ARGUMENT", "KIND")]


def add_to(app: typer.Typer) -> None:
    """Add the command ``list``."""
    add_command(
        app,
        "list",
        NamesRequest,
        _list,
        summary="Registered names with one line each; embedders with the licences of their published weights.",
        example="reaudio-eval list metrics",
    )


def _list(request: NamesRequest, how: Invocation) -> None:
    from reaudio_eval import plugins
    from reaudio_eval.features.protocols import PROTOCOLS

    kind = request.kind
    if kind == "protocols":
        rows = {name: p.description for name, p in PROTOCOLS.items()}
    elif kind in plugins.KINDS:
        rows = {plugins.public_name(kind, name): entry.description for name, entry in plugins.entries(kind).items()}
    else:
        raise UnknownNameError("list", kind, (*plugins.KINDS, "protocols"))
    if how.as_json:
        more = {name: {"licences": licences(name)} if kind == "embedders" else {} for name in rows}
        print_json([{"name": name, "description": text, **more[name]} for name, text in rows.items()])
        return
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        weights = licences(name) if kind == "embedders" else []
        typer.echo(f"{name:<{width}}  {text}" + f" Weights: {', '.join(weights)}." * bool(weights))


def licences(embedder: str) -> list[str]:
    """Licences of an embedder's published checkpoints, each once; none where it has no checkpoint, or cannot be used."""
    from reaudio_eval import plugins

    try:
        spec = plugins.load("embedders", embedder).spec
    except ReaudioError:
        return []  # its line says what is wrong
    return list(dict.fromkeys(file.licence for file in spec.checkpoints))
