"""What the command lines of both packages share. Nothing heavy is imported, so that ``--help`` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
DEFAULT_JOBS = os.cpu_count() or 1
BatchOption = Annotated[int, typer.Option("--batch-size", help="Clips in a batch.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...")]
JobsOption = Annotated[int, typer.Option("--jobs", help="Threads that decode and encode audio.")]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir", help="Features and checkpoints, kept by content. Default: $REAUDIO_CACHE or the user cache."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress and no notes.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done and stop.")]


class CommandGroup(typer.core.TyperGroup):
    """Turns errors a user can act on, and Ctrl-C, into one line on stderr and exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ReaudioError as error:
            message = str(error)
        except KeyboardInterrupt:
            message = "Interrupted. What was finished is kept; the same command goes on from there."
        print(f"{self.name}: {message}", file=sys.stderr)
        sys.exit(2)


def reporter(quiet: bool) -> Reporter:
    """Progress on stderr."""
    from reaudio_model.common.progress import Reporter

    return Reporter(quiet)


def hush_libraries() -> None:
    """Only errors of diffusers and transformers on stderr: their notices and bars of loading say nothing a user can act on."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    from reaudio_model.common.files import json_bytes

    sys.stdout.write(json_bytes(value).decode())
