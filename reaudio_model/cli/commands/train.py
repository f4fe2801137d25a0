"""``reaudio-model train``: one part of the model, from one small YAML file."""

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
    part: Annotated[PartChoice, typer.Argument(help="What is trained.")],
    config: Annotated[str, typer.Option("--config", help="YAML file, or the name of one that comes with the package.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run. Default: trained/<name of the configuration>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on from the last checkpoint in the folder.")
    ] = True,
    steps: Annotated[int | None, typer.Option("--steps", help="In the place of the configuration's.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="E.g. data.pairs=\\[train.csv]; repeatable.")
    ] = None,
    device: DeviceOption = "auto",
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a part of the model; on several GPUs or nodes: [bold]accelerate launch -m reaudio_model train ...[/bold].

    A killed command goes on where it was when it is given again.
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
        state = "finished" if result.finished else "stopped; the same command goes on"
        best = "" if result.best_loss is None else f", best validation loss {result.best_loss:.4g}"
        typer.echo(f"{folder}: {part.value} at step {result.step}, {state}{best}")
