"""The README: its file tree has a line for every file, taken from the file's own docstring, and its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_file_tree_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "file_tree.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_command_of_the_readme_exists() -> None:
    from reaudio_eval.cli.app import app

    known = {c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands if c.callback}
    for group in app.registered_groups:
        assert group.typer_instance is not None
        known |= {str(group.name), *(f"{group.name} {c.name}" for c in group.typer_instance.registered_commands)}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    mentioned = set(re.findall(r"`reaudio-eval ((?:data |plot |listening )?[a-z-]+)", text))
    assert mentioned
    assert mentioned <= known
