"""The command ``reaudio-model train``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reaudio_model.common.cli import CacheOption, DeviceOption, JsonOption, QuietOption, hush_libraries, print_json, reporter

TRAINED = Path("trained")


class PartChoice(StrEnum):
    vae = "vae"
    vocoder = "vocoder"
    diffusion = "diffusion"
    clap = "clap"
    audio_mae = "audio-mae"
    t5 = "t5"
    tagger = "tagger"


def train(
    part: Annotated[PartChoice, typer.Argument(help="Part to train.")],
    config: Annotated[str, typer.Option("--config", help="YAML file, or name of a bundled configuration.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run. Default: trained/<name of the configuration>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Continue from the last checkpoint in the folder.")
    ] = True,
    steps: Annotated[int | None, typer.Option("--steps", help="Number of steps. Default: the configuration's.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="E.g. data.pairs=\\[train.csv]; repeatable.")
    ] = None,
    device: DeviceOption = "auto",
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a part of the model; on several GPUs or nodes: [bold]accelerate launch -m reaudio_model train ...[/bold].

    Repeat an interrupted command to resume.
    """
    from accelerate import PartialState

    from reaudio_model.training.run import train as run

    hush_libraries()
    folder = TRAINED / Path(config).stem if output is None else output
    result = run(
        part.value,
        config,
        folder,
        resume=resume,
        steps=steps,
        device=device,
        overrides=tuple(overrides or ()),
        cache_dir=cache_dir,
        reporter=reporter(quiet),
    )
    if not PartialState().is_main_process:
        return
    if as_json:
        print_json({"output": str(folder), "step": result.step, "finished": result.finished, "best_loss": result.best_loss})
    else:
        state = "finished" if result.finished else "stopped; repeat the command to resume"
        best = "" if result.best_loss is None else f", best validation loss {result.best_loss:.4g}"
        typer.echo(f"{folder}: {part.value} at step {result.step}, {state}{best}")
