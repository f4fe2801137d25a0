"""``reaudio-eval score`` with the cheap embedder of ``fakes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from reaudio_eval.cli.app import app

runner = CliRunner()


def arguments(world: Path, *more: str) -> list[str]:
    """Of the command over the folders of ``world``."""
    checkpoint = f"bands={world / 'plugins' / 'bands.bin'}"
    folders = [str(world / "generated"), str(world / "reference")]
    return ["score", *folders, "--embedder", "bands", "--checkpoint", checkpoint, *more]


def score(world: Path, *more: str) -> dict[str, Any]:
    """What the command prints with ``--json``."""
    result = runner.invoke(app, arguments(world, "--json", "--quiet", *more))
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refuse(world: Path, *more: str) -> str:
    """Run with bad input; the message, which must be one line without a traceback."""
    result = runner.invoke(app, arguments(world, *more))
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("reaudio-eval: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    return lines[0]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Path -> bytes of every file below a folder."""
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
