"""A reporter that keeps its notes."""

from __future__ import annotations

from reaudio_model.common.progress import Reporter


class Notes(Reporter):
    """Prints nothing; every note is in ``lines``."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def note(self, message: str) -> None:
        self.lines.append(message)
