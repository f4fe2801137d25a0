"""Progress on stderr.

A bar on a terminal, plain lines elsewhere; stdout is left to the results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


Advance = Callable[[int], None]
LINE_SECONDS = 5.0  # between two plain lines of one stage


class Reporter:
    """Shows stages of work. ``quiet`` shows nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    @cached_property
    def console(self) -> Console:
        """Of stderr; made when first used, so that ``--help`` answers at once."""
        from rich.console import Console

        return Console(stderr=True)

    def note(self, message: str) -> None:
        """Print a line on stderr."""
        if not self.quiet:
            self.console.print(message, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Advance]:
        """Yields a function to call with the number of units finished since the last call."""
        if self.quiet or total == 0:
            yield lambda _count: None
        elif self.console.is_terminal:
            with self._bar(name, total) as advance:
                yield advance
        else:
            with _lines(name, total) as advance:
                yield advance

    @contextmanager
    def _bar(self, name: str, total: int) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda count: bar.advance(task, count)


@contextmanager
def _lines(name: str, total: int) -> Iterator[Advance]:
    start = last = time.monotonic()
    done = 0

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= LINE_SECONDS and done < total:
            last = now
            print(f"{name}: {done}/{total}", file=sys.stderr, flush=True)

    yield advance
    elapsed = time.monotonic() - start
    if elapsed >= 1:
        print(f"{name}: {done}/{total} in {elapsed:.1f} s", file=sys.stderr, flush=True)
