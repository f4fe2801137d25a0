"""The command line of the model.

Results go to stdout, progress and notes to stderr. A problem the user can fix is one sentence and exit code 2. Heavy imports happen in
the commands, so that ``--help`` is fast.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from reaudio_model.cli.commands import index
from reaudio_model.cli.commands.generate import generate
from reaudio_model.cli.commands.train import train
from reaudio_model.common.cli import (
    DEFAULT_JOBS,
    HELP_OPTIONS,
    CacheOption,
    CommandGroup,
    DeviceOption,
    JobsOption,
    JsonOption,
    QuietOption,
    hush_libraries,
    print_json,
    reporter,
)

app = typer.Typer(
    name="reaudio-model",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP_OPTIONS,
    help="Re-AudioLDM: text-to-audio generation conditioned on retrieved (text, audio) pairs. Train it, build an index, generate.",
    epilog="Start with: [bold]reaudio-model info re-audioldm-s[/bold]. Everything is also a Python function.",
)
app.add_typer(index.app, name="index")
app.command(
    epilog='Example: [bold]reaudio-model generate "a dog barks" --model re-audioldm-s/ --index audiocaps-index/ --k 3 '
    "-o dog.wav[/bold]"
)(generate)
app.command(
    epilog="Example: [bold]reaudio-model train diffusion --config re-audioldm-s-audio-text-k3 --set data.pairs=\\[train.csv] "
    "-o trained/s[/bold]"
)(train)


class RetrievalChoice(StrEnum):
    none = "none"
    audio = "audio"
    audio_text = "audio+text"
    prompt = "prompt"


class FusionChoice(StrEnum):
    serial = "serial"
    joint = "joint"


class KindChoice(StrEnum):
    audiomae = "audiomae"
    clap = "clap"
    vae = "vae"
    vocoder = "vocoder"
    unet = "unet"


RetrievalOption = Annotated[
    RetrievalChoice | None, typer.Option("--retrieval", help="Which parts of retrieved pairs condition the denoiser.")
]
ChannelsOption = Annotated[int | None, typer.Option("--base-channels", help="Width of the UNet: a multiple of 32.")]


@app.command(epilog="Example: [bold]reaudio-model info re-audioldm-l --retrieval audio --k 10 --json[/bold]")
def info(
    preset: Annotated[str, typer.Argument(help="re-audioldm-s, re-audioldm-l or tiny.")],
    retrieval: RetrievalOption = None,
    fusion: Annotated[FusionChoice | None, typer.Option("--fusion", help="How the denoiser attends to them.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="Retrieved pairs for each prompt.")] = None,
    base_channels: ChannelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Parameters, operations and memory of a preset and its parts, counted without weights."""
    from reaudio_model.cli.info import describe, to_text
    from reaudio_model.config import get_preset

    config = get_preset(
        preset,
        retrieval=None if retrieval is None else retrieval.value,
        fusion=None if fusion is None else fusion.value,
        k=k,
        base_channels=base_channels,
    )
    described = describe(config)
    if as_json:
        print_json(described)
    else:
        typer.echo(to_text(described))


@app.command(epilog="Example: [bold]reaudio-model convert audioldm2/unet unet/ --kind unet --preset re-audioldm-s[/bold]")
def convert(
    source: Annotated[Path, typer.Argument(help="Published file or folder.")],
    target: Annotated[Path, typer.Argument(help="New folder, for from_pretrained.")],
    kind: Annotated[KindChoice, typer.Option("--kind", help="Which part it is.")],
    preset: Annotated[str, typer.Option("--preset", help="Its sizes.")] = "re-audioldm-s",
    retrieval: RetrievalOption = None,
    base_channels: ChannelsOption = None,
    ema: Annotated[bool, typer.Option("--ema", help="Use the averaged weights (UNet in the authors' layout).")] = False,
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a published checkpoint to a folder in diffusers' or transformers' layout. Every key is checked."""
    from reaudio_model.cli.convert import convert as run
    from reaudio_model.common.files import default_cache_dir
    from reaudio_model.config import get_preset

    config = get_preset(preset, retrieval=None if retrieval is None else retrieval.value, base_channels=base_channels)
    done = run(source, target, kind.value, config, ema=ema, cache_dir=cache_dir or default_cache_dir())
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{target}: {kind.value} with {done['parameters']:,} parameters, {', '.join(done['files'])}")


@app.command(
    "reproduce-miniature",
    epilog="Example: [bold]reaudio-model reproduce-miniature --output trained/miniature[/bold]",
)
def reproduce_miniature(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the runs; the result is its weights/ folder.")
    ] = Path("trained/miniature"),
    micro: Annotated[
        bool, typer.Option("--micro", help="Test every stage with a few clips and steps; the weights are useless.")
    ] = False,
    device: DeviceOption = "auto",
    jobs: JobsOption = DEFAULT_JOBS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train every network of the bundled miniature from scratch and pack the weights. Repeat the command to resume."""
    from reaudio_model.miniature.reproduce import FULL, MICRO, reproduce

    hush_libraries()
    made = reproduce(output, scale=MICRO if micro else FULL, device=device, jobs=jobs, reporter=reporter(quiet))
    finished = made != output
    if as_json:
        print_json({"output": str(made), "finished": finished})
    else:
        typer.echo(f"{made}: {'packed weights' if finished else 'stopped; repeat the command to resume'}")


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(version("reaudio-eval"))  # one distribution holds both packages
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the command ``reaudio-model``."""
    app(prog_name="reaudio-model")


if __name__ == "__main__":
    main()
