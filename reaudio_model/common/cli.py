"""What the command lines of both packages share. Nothing heavy is imported, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


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


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    from reaudio_model.common.files import json_bytes

    sys.stdout.write(json_bytes(value).decode())
