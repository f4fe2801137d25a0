"""Files that a report consists of, and its progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class RenderedReport:
    """Files written (``media``: written or reused)."""

    html: Path
    json: Path
    figures: tuple[Path, ...]
    tables: tuple[Path, ...]
    media: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """Where the files are, as every ``--json`` says it."""
        return {
            "report": str(self.html),
            "json": str(self.json),
            "tables": [str(path) for path in self.tables],
            "figures": [str(path) for path in self.figures],
        }


@dataclass
class _Steps:
    """Counts work for the progress callback."""

    total: int
    report: Progress | None
    done: int = 0

    def advance(self, what: str) -> None:
        self.done += 1
        if self.report:
            self.report(self.done, self.total, what)


def percent(advance: Callable[[int], None]) -> Callable[[int, int, str], None]:
    """A renderer's (done, total, what) as percent steps of one stage."""
    shown = 0

    def progress(done: int, total: int, _what: str) -> None:
        nonlocal shown
        percent = 100 * done // max(total, 1)
        if percent > shown:
            advance(percent - shown)
            shown = percent

    return progress
