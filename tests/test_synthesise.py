"""The synthesised dataset of `make longtail` where no real data is at hand: complete, and scored by a real network's layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import synthesise
from typer.testing import CliRunner

from reaudio_eval.cli.app import app


def test_sounds_are_the_same_every_time_and_differ_by_take() -> None:
    first, again, other = (synthesise.sound("beep", take) for take in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.slow
def test_the_demonstration_without_real_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    subprocess.run([sys.executable, synthesise.__file__, str(data)], check=True, timeout=120)
    result = CliRunner().invoke(
        app,
        [
            "longtail", "--dataset", "folder", "--data-root", str(data), "--references", str(data / "reference"),
            "--clips", f"good={data / 'good'}", "--embedder", "efficientat", "--media", "none", "--quiet",
            "--checkpoint", f"efficientat={data / 'random_mn04.safetensors'}", "--output", str(tmp_path / "out"),
            "--cache-dir", str(tmp_path / "cache"), "--limit", "12",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "longtail.html").is_file()
