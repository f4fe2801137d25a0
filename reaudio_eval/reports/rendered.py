"""Files of a report, and the progress of writing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Progress = Callable[[int, int, str], None]  # steps done, steps in all, what was done


@dataclass(frozen=True)
class RenderedReport:
    """Files written (``media``: written or reused). html: None for a kind without a page."""

    html: Path | None
    json: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    media: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Where the files are, as every ``--json`` says it."""
        return {
            "report": None if self.html is None else str(self.html),
            "json": str(self.json),
            "tables": [str(path) for path in self.tables],
            "figures": [str(path) for path in self.figures],
        }


@dataclass
class Steps:
    """Counts finished steps and reports each."""

    total: int
    report: Progress | None = None
    done: int = 0

    def advance(self, what: str) -> None:
        self.done += 1
        if self.report:
            self.report(self.done, self.total, what)


def percent(advance: Callable[[int], None]) -> Progress:
    """A progress callback that advances one stage in steps of 1 percent."""
    shown = 0

    def progress(done: int, total: int, _what: str) -> None:
        nonlocal shown
        reached = 100 * done // max(total, 1)
        if reached > shown:
            advance(reached - shown)
            shown = reached

    return progress
