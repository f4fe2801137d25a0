"""Finding finished runs in folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reaudio_eval.runs.directory import MANIFEST, Run
from reaudio_model.common.errors import ReaudioError


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Finished runs at or below the given folders; of several runs of one system the newest.

    Raises:
        ReaudioError: nothing there.
    """
    found: list[Path] = []
    for path in paths:
        below = [path] if (path / MANIFEST).is_file() else sorted(p.parent for p in path.glob(f"**/{MANIFEST}"))
        if not below:
            raise ReaudioError(
                f"There is no finished run in {path}: name a run directory, or the --output of an evaluation."
            )
        found += below
    return found


def newest(runs: Sequence[Run]) -> list[Run]:
    """One run for each system: the one written last; in the order in which systems first appear."""
    table: dict[str, Run] = {}
    for run in runs:
        name = run.scores.system.name
        if name not in table or run.manifest["created"] > table[name].manifest["created"]:
            table[name] = run
    return list(table.values())
