"""The command ``reaudio-model info``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import MODEL, BaseChannels, RetrievalKind
from reaudio_model.common.cli import print_json
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.config import Fusion, get_preset


@dataclass(frozen=True)
class InfoOptions(OptionGroup):
    """Which model to describe."""

    panel: ClassVar[str] = MODEL
    everyday: ClassVar[bool] = True

    preset: Annotated[str, Option("re-audioldm-s, re-audioldm-l or tiny.", "ARGUMENT", "PRESET")]
    retrieval: RetrievalKind = None
    fusion: Annotated[Fusion | None, Option("How the denoiser attends to them.")] = None
    k: Annotated[int | None, Option("Retrieved pairs for each prompt.", least=0)] = None
    base_channels: BaseChannels = None


def add_to(app: typer.Typer) -> None:
    """Add the command ``info``."""
    add_command(
        app,
        "info",
        InfoOptions,
        _info,
        summary="Parameters, operations and memory of a preset and its parts, counted without weights.",
        example="reaudio-model info re-audioldm-l --retrieval audio --k 10 --json",
        common=("json",),
    )


def _info(options: InfoOptions, how: Invocation) -> None:
    from reaudio_model.cli.info import describe, to_text

    config = get_preset(
        options.preset,
        retrieval=options.retrieval,
        fusion=options.fusion,
        k=options.k,
        base_channels=options.base_channels,
    )
    described = describe(config)
    if how.as_json:
        print_json(described)
    else:
        typer.echo(to_text(described))
