"""The command ``reaudio-model train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from reaudio_model.cli.commands.options import OUTPUT, Machine
from reaudio_model.common.cli import hush_libraries, print_json, reporter
from reaudio_model.common.commands import Invocation, add_command
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.config import Part

TRAINED = Path("trained")


@dataclass(frozen=True)
class TrainOptions(OptionGroup):
    """Which part to train, and how."""

    panel: ClassVar[str] = "Training"
    everyday: ClassVar[bool] = True

    part: Annotated[Part, Option("vae, vocoder, diffusion, clap, audio-mae, t5 or tagger.", "ARGUMENT", "PART")]
    config: Annotated[str, Option("YAML file, or name of a bundled configuration.", metavar="FILE|NAME")]
    output: Annotated[
        Path | None, Option("Folder of the run. Default: trained/<name of the configuration>.", "--output -o", panel=OUTPUT)
    ] = None
    resume: Annotated[
        bool, Option("Continue from the newest whole checkpoint in the folder.", "--resume/--no-resume", panel=OUTPUT)
    ] = True
    resume_from: Annotated[
        str | None, Option("Continue from this checkpoint; later ones are renamed.", metavar="STEP|PATH", panel=OUTPUT)
    ] = None
    steps: Annotated[int | None, Option("Number of steps. Default: the configuration's.")] = None
    overrides: Annotated[tuple[str, ...], Option("E.g. data.pairs=\\[train.csv]; repeatable.", "--set", "KEY=VALUE")] = ()
    strict: Annotated[bool, Option("Stop at missing, unreadable or truncated clips instead of leaving them out.")] = False
    machine: Machine = field(default_factory=Machine)

    def check(self) -> None:
        if self.resume_from is not None and not self.resume:
            raise ReaudioError("--resume-from continues a run: drop it, or --no-resume.")


def add_to(app: typer.Typer) -> None:
    """Add the command ``train``."""
    add_command(
        app,
        "train",
        TrainOptions,
        _train,
        summary="Train a part of the model; on several GPUs or nodes: [bold]accelerate launch -m reaudio_model train ...[/bold].\n\n"
        "Repeat an interrupted command to resume. --dry-run lists everything that is missing, counts clips and estimates disk and "
        "memory.",
        example="reaudio-model train diffusion --config re-audioldm-s-audio-text-k3 --set data.pairs=\\[train.csv] "
        "--set data.audio_root=audio/ --set parts.vae=vae/ --set parts.clap=clap/ --set parts.audio_mae=audio_mae/ "
        "--set parts.t5=t5/ --set parts.vocoder=vocoder/ -o trained/s",
        common=("json", "quiet", "dry_run"),
    )


def _train(options: TrainOptions, how: Invocation) -> None:
    from accelerate import PartialState

    from reaudio_model.training.run import plan_training, train

    hush_libraries()
    folder = options.output or TRAINED / Path(options.config).stem
    if how.dry_run:
        plan = plan_training(
            options.part,
            options.config,
            folder,
            steps=options.steps,
            device=options.machine.device,
            overrides=options.overrides,
        )
        if how.as_json:
            print_json(plan.to_json())
        else:
            typer.echo(plan.to_text())
        raise typer.Exit(2 if plan.problems else 0)
    chosen = options.resume_from
    result = train(
        options.part,
        options.config,
        folder,
        resume=options.resume,
        resume_from=int(chosen) if chosen is not None and chosen.isdecimal() else chosen,
        strict=options.strict,
        steps=options.steps,
        device=options.machine.device,
        overrides=options.overrides,
        cache_dir=options.machine.cache_dir,
        reporter=reporter(how.quiet),
    )
    if not PartialState().is_main_process:
        return
    if how.as_json:
        print_json({"output": str(folder), "step": result.step, "finished": result.finished, "best_loss": result.best_loss})
    else:
        state = "finished" if result.finished else "stopped; repeat the command to resume"
        best = "" if result.best_loss is None else f", best validation loss {result.best_loss:.4g}"
        typer.echo(f"{folder}: {options.part} at step {result.step}, {state}{best}")
