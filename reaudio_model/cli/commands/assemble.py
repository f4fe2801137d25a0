"""The command ``reaudio-model assemble``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import MODEL, OUTPUT, BaseChannels, CacheDir, HeadWidth, RetrievalKind
from reaudio_model.common.cli import hush_libraries, print_json
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup

PARTS = "Parts"


@dataclass(frozen=True)
class AssembleOptions(OptionGroup):
    """Which parts to put together, and their sizes."""

    panel: ClassVar[str] = PARTS
    everyday: ClassVar[bool] = True

    output: Annotated[
        Path, Option("New folder of the pipeline, for `reaudio-model generate --model`.", "--output -o", panel=OUTPUT)
    ]
    whole: Annotated[
        Path | None, Option("A complete AudioLDM (.ckpt), for VAE, vocoder and CLAP at once.", "--from", metavar="FILE")
    ] = None
    vae: Annotated[Path | None, Option("VAE: AudioLDM's, Tango's or a diffusers folder.")] = None
    vocoder: Annotated[Path | None, Option("HiFi-GAN: AudioLDM's, its own file, or a transformers folder.")] = None
    clap: Annotated[Path | None, Option("CLAP: LAION's .pt, a transformers folder, or a complete AudioLDM.")] = None
    audio_mae: Annotated[Path | None, Option("AudioMAE, pre-trained: the authors' .pth, timm's or a folder.")] = None
    t5: Annotated[str | None, Option("Folder of T5. Default: the model's, in the Hugging Face cache.", metavar="FOLDER")] = (
        None
    )
    unet: Annotated[
        Path | None, Option("Denoiser: the folder of a training, or an AudioLDM or AudioLDM2 in any layout.")
    ] = None
    config: Annotated[
        str | None,
        Option(
            "Configuration of a training: its sizes and its parts, unless they are given here.",
            metavar="FILE|NAME",
            panel=MODEL,
        ),
    ] = None
    preset: Annotated[str | None, Option("Sizes, without --config. Default: re-audioldm-s.", panel=MODEL)] = None
    retrieval: RetrievalKind = None
    base_channels: BaseChannels = None
    head_width: HeadWidth = None
    overrides: Annotated[
        tuple[str, ...],
        Option("Another setting, e.g. model.k=10; repeatable.", "--set", "KEY=VALUE", panel=MODEL),
    ] = ()
    cache_dir: CacheDir = None

    def check(self) -> None:
        if self.config is not None and self.preset is not None:
            raise ReaudioError("--config has the sizes: drop it, or --preset.")

    def settings(self) -> tuple[str, ...]:
        """The sizes that are given as options, as settings."""
        given = {
            "preset": self.preset,
            "retrieval": self.retrieval,
            "base_channels": self.base_channels,
            "head_width": self.head_width,
        }
        return (*(f"model.{name}={value}" for name, value in given.items() if value is not None), *self.overrides)


def add_to(app: typer.Typer) -> None:
    """Add the command ``assemble``."""
    add_command(
        app,
        "assemble",
        AssembleOptions,
        _assemble,
        summary="Put converted or original parts together to a saved pipeline. Every key is checked, and the pipeline is read back.\n\n"
        "--dry-run lists the parts and everything that is missing.",
        example="reaudio-model assemble --from audioldm-s-full.ckpt --unet trained/s/unet --audio-mae pretrained.pth "
        "--t5 flan-t5-large/ --config re-audioldm-s-audio-text-k3 -o my-model/",
        common=("json", "dry_run"),
    )


def _assemble(options: AssembleOptions, how: Invocation) -> None:
    from reaudio_model.cli.assemble import assemble, plan_assembly, to_lines
    from reaudio_model.common.files import default_cache_dir
    from reaudio_model.pipeline.assemble import Parts
    from reaudio_model.training.config import denoiser_config, read_config

    hush_libraries()
    settings = options.settings()
    config = denoiser_config(settings) if options.config is None else read_config(options.config, settings)
    given = Parts(options.vae, options.vocoder, options.clap, options.audio_mae, options.t5, options.unet)
    plan = plan_assembly(config, given, options.whole, options.cache_dir or default_cache_dir())
    if how.dry_run:
        found = plan.found()
        if how.as_json:
            print_json({"ready": not any(part.problem for part in found), "parts": [part._asdict() for part in found]})
        else:
            typer.echo("\n".join(to_lines(found)))
        raise typer.Exit(2 if any(part.problem for part in found) else 0)
    done = assemble(plan, options.output)
    if how.as_json:
        print_json(done)
    else:
        typer.echo(f"{options.output}: a pipeline with {', '.join(done['parts'])}; retrieval {done['retrieval']}")
