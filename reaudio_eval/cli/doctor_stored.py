"""Checks of stored results: a cache, a run directory."""

from __future__ import annotations

import os
from pathlib import Path

from reaudio_eval.cli.doctor import Check
from reaudio_eval.features.cache import check_cache_dir
from reaudio_eval.features.cache_check import KindState, clean_cache, verify_cache
from reaudio_eval.runs.directory import read_run, verify_run
from reaudio_eval.runs.manifest import MANIFEST
from reaudio_model.common.errors import ReaudioError


def check_cache(cache_dir: Path, *, clean: bool = False) -> list[Check]:
    """Verify every entry of a cache.

    Args:
        cache_dir: the cache.
        clean: remove stale and damaged entries.

    Raises:
        ReaudioError: no such folder, a file in its place, or an entry cannot be removed.
    """
    check_cache_dir(cache_dir)
    if not os.access(cache_dir, os.R_OK | os.X_OK):
        fault = "cannot be read" if os.path.lexists(cache_dir) else "does not exist"
        raise ReaudioError(f"The cache {cache_dir} {fault}: give the folder of a cache of your own.")
    states = verify_cache(cache_dir)
    if not states:
        return [Check("cache", "note", f"{cache_dir} has no entries")]
    removed = clean_cache(states) if clean else 0
    checks = [check for state in states for check in _of_kind(state, cache_dir, clean)]
    if clean:
        checks.append(Check("cleaned", "ok", f"{removed / 1e6:.1f} MB of damaged and stale entries removed"))
    return checks


def _of_kind(state: KindState, cache_dir: Path, cleaned: bool) -> list[Check]:
    command = f"reaudio-eval doctor --cache {cache_dir} --clean"
    checks = [
        Check(f"{state.kind}: whole", "ok", _entries(state.whole, state.n_bytes - state.stale_bytes), entries=state.whole)
    ]
    if state.damaged:
        names = ", ".join(str(path) for path in state.damaged[:3]) + ", ..." * (len(state.damaged) > 3)
        remedy = f"the next run that needs them makes them anew; to remove them now: {command}"
        found = f"{len(state.damaged)} entries, such as {names}"
        checks.append(Check(f"{state.kind}: damaged", "note" if cleaned else "fail", found, remedy, len(state.damaged)))
    if state.stale:
        detail = f"{_entries(state.stale, state.stale_bytes)}, made by other code or package versions"
        checks.append(Check(f"{state.kind}: stale", "note", detail, f"to free the space: {command}", state.stale))
    if cleaned:
        return [check._replace(remedy="") for check in checks]
    return checks


def _entries(count: int, n_bytes: int) -> str:
    return f"{count:,} entries, {n_bytes / 1e6:.1f} MB"


def check_run(run: Path) -> list[Check]:
    """Verify a run directory: every problem is a failed check; a run of a version that stored no digests is a note."""
    problems = verify_run(run)
    if not problems:
        return [Check("run", "ok", f"{run}: every file is the one that was written")]
    if _is_readable(run):
        return [Check("run", "note", problem) for problem in problems]
    remedy = "score it again: the same command makes a damaged run anew" if (run / MANIFEST).is_file() else ""
    return [Check("run", "fail", problem, remedy) for problem in problems]


def _is_readable(run: Path) -> bool:
    try:
        read_run(run)
    except ReaudioError:
        return False
    return True
