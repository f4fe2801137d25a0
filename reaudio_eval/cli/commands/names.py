"""``reaudio-eval list``: what is registered."""

from __future__ import annotations

from typing import Annotated

import typer

from reaudio_model.common.cli import JsonOption, print_json
from reaudio_model.common.errors import UnknownNameError

EXAMPLE = "Example: [bold]reaudio-eval list metrics[/bold]"


def list_names(
    what: Annotated[str, typer.Argument(help="models, datasets, embedders, metrics or protocols.")],
    as_json: JsonOption = False,
) -> None:
    """Registered names with one line each; nothing is imported."""
    from reaudio_eval import plugins
    from reaudio_eval.features.protocols import PROTOCOLS

    if what == "protocols":
        rows = {name: p.description for name, p in PROTOCOLS.items()}
    elif what in plugins.KINDS:
        rows = {plugins.public_name(what, name): entry.description for name, entry in plugins.entries(what).items()}
    else:
        raise UnknownNameError("list", what, (*plugins.KINDS, "protocols"))
    if as_json:
        print_json([{"name": name, "description": text} for name, text in rows.items()])
        return
    width = max(map(len, rows), default=0)
    for name, text in rows.items():
        typer.echo(f"{name:<{width}}  {text}")
