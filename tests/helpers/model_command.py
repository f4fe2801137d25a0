"""``reaudio-model`` in this process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from reaudio_model.cli.app import app

runner = CliRunner()


def run(*arguments: object) -> Any:
    """The result of a command."""
    return runner.invoke(app, [str(a) for a in arguments])


def answer(*arguments: object) -> Any:
    """What a command that works prints with ``--json``."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(*arguments: object) -> str:
    """The one line of a command that is refused."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    line: str
    (line,) = result.stderr.splitlines()
    assert line.startswith("reaudio-model: ")
    return line
