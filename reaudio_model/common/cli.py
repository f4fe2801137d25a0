"""Error handling and output of the command lines.

Heavy imports happen in the functions, so that ``--help`` is fast.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Never

import typer

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from reaudio_model.common.progress import Reporter

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
DEFAULT_JOBS = os.cpu_count() or 1


class CommandGroup(typer.core.TyperGroup):
    """Prints errors that a user can fix, and Ctrl-C or SIGTERM, as one line on stderr; exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ReaudioError as error:
            message = str(error)
        except KeyboardInterrupt:
            message = "Interrupted. Finished work is kept; repeat the command to resume."
        except BrokenPipeError:  # the reader of stdout has what it wants
            raise
        except OSError as error:  # of a place that has no message of its own
            message = os_problem(error)
        print(f"{self.name}: {message}", file=sys.stderr)
        sys.exit(2)


def os_problem(error: OSError) -> str:
    """A sentence for an error of the operating system."""
    where = f"{error.filename}: " if error.filename else ""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{where}{reason}; check the path, its permissions and the space on the disk."


def run_app(app: typer.Typer, name: str) -> Never:
    """Run a command line and exit: with 2 where stdout is closed or cannot be written, quietly with 1 where its reader has gone.

    Closed streams are opened on the null device, so that no file of a run gets their numbers. SIGTERM, which batch systems send before
    they kill, ends a command like Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if _open_closed_streams():
        print(f"{name}: standard output is closed: send it to a file, or to /dev/null.", file=sys.stderr)
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be in another encoding
    code: Any = 0
    try:
        app(prog_name=name)
    except SystemExit as end:
        code = end.code
    except OSError as error:
        code = _failed_write(error, name)
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at exit
        code = code or _failed_write(error, name)
    sys.exit(code)


def _failed_write(error: OSError, name: str) -> int:
    if isinstance(error, BrokenPipeError):
        return 1
    print(f"{name}: standard output cannot be written: {error.strerror or error}.", file=sys.stderr)
    return 2


def _open_closed_streams() -> bool:
    """Open closed standard streams on the null device; whether stdout was closed."""
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for _ in closed:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number that is free
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    return 1 in closed


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


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
