"""The command ``reaudio-model reproduce-miniature``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import OUTPUT, Device, Jobs
from reaudio_model.common.cli import DEFAULT_JOBS, hush_libraries, print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.options import Option, OptionGroup


@dataclass(frozen=True)
class ReproduceOptions(OptionGroup):
    """Where and at which scale to train the miniature."""

    panel: ClassVar[str] = "Training"
    everyday: ClassVar[bool] = True

    output: Annotated[
        Path, Option("Folder of the runs; the result is its weights/ folder.", "--output -o", panel=OUTPUT)
    ] = Path("trained/miniature")
    micro: Annotated[bool, Option("Test every stage with a few clips and steps; the weights are useless.")] = False
    device: Device = "auto"
    jobs: Jobs = DEFAULT_JOBS


def add_to(app: typer.Typer) -> None:
    """Add the command ``reproduce-miniature``."""
    add_command(
        app,
        "reproduce-miniature",
        ReproduceOptions,
        _reproduce,
        summary="Train every network of the bundled miniature from scratch and pack the weights. Repeat the command to resume.",
        example="reaudio-model reproduce-miniature --output trained/miniature",
        common=("json", "quiet"),
    )


def _reproduce(options: ReproduceOptions, how: Invocation) -> None:
    from reaudio_model.miniature.reproduce import FULL, MICRO, reproduce

    hush_libraries()
    scale = MICRO if options.micro else FULL
    made = reproduce(options.output, scale=scale, device=options.device, jobs=options.jobs, reporter=reporter(how.quiet))
    finished = made != options.output
    if how.as_json:
        print_json({"output": str(made), "finished": finished})
    else:
        typer.echo(f"{made}: {'packed weights' if finished else 'stopped; repeat the command to resume'}")
