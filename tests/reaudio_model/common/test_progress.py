"""Progress goes to stderr, plain when it is no terminal, and never to stdout."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reaudio_model.common import progress
from reaudio_model.common.progress import Reporter


def test_plain_lines_without_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 6))  # every look at the clock is six seconds later
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    reporter = Reporter()
    reporter.console = Console(file=io.StringIO(), force_terminal=False)
    with reporter.stage("Embedding", 3) as advance:
        for _ in range(3):
            advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["Embedding: 1/3", "Embedding: 2/3", "Embedding: 3/3 in 24.0 s"]


def test_a_bar_on_a_terminal() -> None:
    reporter = Reporter()
    screen = io.StringIO()
    reporter.console = Console(file=screen, force_terminal=True)
    with reporter.stage("Embedding", 3) as advance:
        advance(3)
    assert "Embedding" in screen.getvalue()
    assert "3/3" in screen.getvalue()


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter(quiet=True)
    reporter.note("hello")
    with reporter.stage("Embedding", 3) as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")


def test_notes_are_plain_text() -> None:
    reporter = Reporter()
    screen = io.StringIO()
    reporter.console = Console(file=screen)
    reporter.note("a [bold] name")
    assert screen.getvalue() == "a [bold] name\n"
