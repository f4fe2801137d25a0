"""``reaudio-eval list``: registered names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

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
        summary="Registered names with one line each; embedders and models with the licences of their published weights.",
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
    weights = {name: published_weights(name) for name in rows} if kind == "models" else {}
    if how.as_json:
        more = {
            name: {"licences": licences(name)} if kind == "embedders" else {"weights": weights.get(name)} if weights else {}
            for name in rows
        }
        print_json([{"name": name, "description": text, **more[name]} for name, text in rows.items()])
        return
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        typer.echo(f"{name:<{width}}  {text}{_about_weights(kind, name, weights.get(name))}")


def _about_weights(kind: str, name: str, weights: Mapping[str, Any] | None) -> str:
    """Licences, and of models the training data too; "" where there are no published weights."""
    if weights is not None:
        return f" Weights: {weights['licence']}; trained on {weights['training_data']}."
    found = licences(name) if kind == "embedders" else []
    return f" Weights: {', '.join(found)}." if found else ""


def published_weights(model: str) -> Mapping[str, Any] | None:
    """Facts about a model's published weights; None where there are none, or it cannot be used."""
    from reaudio_eval import plugins

    try:
        return plugins.load("models", model).published_weights(plugins.find("models", model).variant)
    except ReaudioError:
        return None  # its line says what is wrong


def licences(embedder: str) -> list[str]:
    """Licences of an embedder's published checkpoints, each once; none where it has no checkpoint, or cannot be used."""
    from reaudio_eval import plugins

    try:
        spec = plugins.load("embedders", embedder).spec
    except ReaudioError:
        return []  # its line says what is wrong
    return list(dict.fromkeys(file.licence for file in spec.checkpoints))
