"""The command ``reaudio-model convert``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import MODEL, BaseChannels, CacheDir, HeadWidth, RetrievalKind
from reaudio_model.cli.convert import Kind, convert
from reaudio_model.common.cli import print_json
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.files import default_cache_dir
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.config import get_preset


@dataclass(frozen=True)
class ConvertOptions(OptionGroup):
    """Which checkpoint to convert, and where to."""

    panel: ClassVar[str] = MODEL
    everyday: ClassVar[bool] = True

    source: Annotated[Path, Option("Published file or folder.", "ARGUMENT", "SOURCE")]
    target: Annotated[Path, Option("New folder, for from_pretrained.", "ARGUMENT", "TARGET")]
    kind: Annotated[Kind, Option("Which part it is.")]
    preset: Annotated[str, Option("Its sizes.")] = "re-audioldm-s"
    retrieval: RetrievalKind = None
    base_channels: BaseChannels = None
    head_width: HeadWidth = None
    ema: Annotated[bool, Option("Use the averaged weights (UNet in the authors' layout).")] = False
    cache_dir: CacheDir = None


def add_to(app: typer.Typer) -> None:
    """Add the command ``convert``."""
    add_command(
        app,
        "convert",
        ConvertOptions,
        _convert,
        summary="Convert a published checkpoint to a folder in diffusers' or transformers' layout. Every key is checked.",
        example="reaudio-model convert audioldm2/unet unet/ --kind unet --preset re-audioldm-s",
        common=("json",),
    )


def _convert(options: ConvertOptions, how: Invocation) -> None:
    config = get_preset(
        options.preset,
        retrieval=options.retrieval,
        base_channels=options.base_channels,
        head_width=options.head_width,
    )
    cache_dir = options.cache_dir or default_cache_dir()
    done = convert(options.source, options.target, options.kind, config, ema=options.ema, cache_dir=cache_dir)
    if how.as_json:
        print_json(done)
    else:
        typer.echo(f"{options.target}: {options.kind} with {done['parameters']:,} parameters, {', '.join(done['files'])}")
