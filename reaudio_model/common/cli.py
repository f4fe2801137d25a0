"""Error handling and output of the command lines.

Heavy imports happen in the functions, so that ``--help`` is fast.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import typer

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
DEFAULT_JOBS = os.cpu_count() or 1


class CommandGroup(typer.core.TyperGroup):
    """Prints errors that a user can fix, and Ctrl-C, as one line on stderr; exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ReaudioError as error:
            message = str(error)
        except KeyboardInterrupt:
            message = "Interrupted. Finished work is kept; repeat the command to resume."
        print(f"{self.name}: {message}", file=sys.stderr)
        sys.exit(2)


def reporter(quiet: bool) -> Reporter:
    """Progress on stderr."""
    from reaudio_model.common.progress import Reporter

    return Reporter(quiet)


def hush_libraries() -> None:
    """Show only errors of diffusers and transformers, no notices and progress bars."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()


def print_json(value: Any) -> None:
    """One JSON value on stdout."""
    from reaudio_model.common.files import json_bytes

    sys.stdout.write(json_bytes(value).decode())
