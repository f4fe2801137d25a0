"""Provenance of a run: versions, git state, hardware, code hash."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reaudio_eval import __version__, plugins

PACKAGES = ("torch", "transformers", "numpy", "scipy", "pandas", "soundfile", "soxr", "safetensors", "matplotlib", "seaborn")
# Modules that a score depends on; a change to one of them makes finished runs out of date.
SCORING_FILES = (
    "features/waveform.py", "features/extract.py", "features/protocols.py", "scores/score.py", "scores/evaluate.py", "scores/binding.py",
    "statistics/intervals.py", "prompts/strata.py", "../reaudio_model/common/audio.py", "../reaudio_model/common/resample.py",
)  # fmt: skip


def package_versions() -> dict[str, str | None]:
    """Installed versions of the packages that a score depends on (None: not installed)."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def git_state() -> dict[str, Any]:
    """Commit and dirty flag of the checkout this package runs from; nulls when it is not a checkout of this project."""
    root = _git("rev-parse", "--show-toplevel")
    if root is None or Path(root) != Path(__file__).parents[2]:
        return {"commit": None, "dirty": None}
    return {"commit": _git("rev-parse", "HEAD"), "dirty": bool(_git("status", "--porcelain", "--untracked-files=no"))}


def hardware(device: str) -> dict[str, Any]:
    """Machine, processor count and device."""
    return {"machine": platform.machine(), "system": platform.system(), "n_cpus": os.cpu_count(), "device": device}


@cache
def code_sha256() -> str:
    """Hash of the scoring code, plug-ins included: part of a run's identity."""
    here = Path(__file__).parents[1]
    paths = (
        [here / name for name in SCORING_FILES]
        + sorted((here / "features" / "embedders").glob("*.py"))
        + sorted(here.glob("scores/metrics/*.py"))
    )
    for kind in ("embedders", "metrics"):
        paths += [e.path for e in plugins.entries(kind).values() if e.path is not None and e.origin != "reaudio-eval"]
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def describe(device: str) -> dict[str, Any]:
    """Everything above, for a manifest."""
    return {
        "reaudio_eval": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "git": git_state(),
        "code_sha256": code_sha256(),
        "hardware": hardware(device),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


# Set by the run and the same for all systems of one evaluation; shown as the report's provenance.
SHARED_KEYS = (
    "reaudio_eval", "python", "packages", "git", "code_sha256", "hardware", "command", "dataset_detail", "protocol", "embedders",
    "strata_scheme", "sampling",
)  # fmt: skip
