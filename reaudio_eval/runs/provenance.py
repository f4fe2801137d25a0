"""Provenance of a run: versions, git state, hardware, code hash."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from reaudio_eval import __version__, plugins
from reaudio_eval.runs.manifest import UNVERIFIED
from reaudio_model.common.code import code_packages, code_sha256

if TYPE_CHECKING:
    from reaudio_eval.scores.evaluate import Tools

PACKAGES = ("torch", "transformers", "numpy", "scipy", "pandas", "soundfile", "soxr", "safetensors", "matplotlib", "seaborn")
# What computes the numbers of a run, beside the plug-ins in use: scores, metrics.json, and counts and strata of its tables.
SCORING = ("reaudio_eval.scores.evaluate", "reaudio_eval.statistics.longtail", "reaudio_eval.runs.directory")
EXTERNAL = ("reaudio_eval.scores.external.joined",)


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
    """Machine, processor count, and the device that ``device`` means on it.

    Raises:
        ReaudioError: no such device.
    """
    from reaudio_model.common.inference import open_device

    used = str(open_device(device))
    return {"machine": platform.machine(), "system": platform.system(), "n_cpus": os.cpu_count(), "device": used}


def scoring_code(tools: Tools, *, external: bool = False) -> dict[str, Any]:
    """Identity of the code that computes the numbers of a run: sha256 of the import closure, the plug-ins in use included, and the
    versions of the packages that it imports.

    Args:
        tools: embedders and metrics.
        external: the run has scores of tables.

    Raises:
        ReaudioError: a source file cannot be read.
    """
    from reaudio_eval.scores.binding import metric_families

    sha256, packages = _identity(
        (
            *SCORING,
            *(EXTERNAL if external else ()),
            *plugins.modules("metrics", metric_families(tools.metrics)),
            *plugins.modules("embedders", sorted(tools.embedders)),
        )
    )
    return {"sha256": sha256, "packages": packages}


@cache
def _identity(modules: tuple[ModuleType | str, ...]) -> tuple[str, dict[str, str]]:
    return code_sha256(*modules), code_packages(*modules)


def describe(device: str, tools: Tools) -> dict[str, Any]:
    """Everything above, for a manifest.

    Raises:
        ReaudioError: no such device, or a source file that cannot be read.
    """
    return {
        "reaudio_eval": __version__,
        "python": platform.python_version(),
        "packages": package_versions(),
        "git": git_state(),
        "code_sha256": scoring_code(tools)["sha256"],
        "hardware": hardware(device),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


# Set by the run and the same for all systems of one evaluation; shown as the report's provenance.
SHARED_KEYS = (
    "reaudio_eval", "python", "packages", "git", "code_sha256", "hardware", "command", "dataset_detail", "protocol", "embedders",
    "score_tables", "strata_scheme", UNVERIFIED,
)  # fmt: skip
