"""What a training run was made with, and what may change when it resumes.

``manifest.json`` holds the configuration, versions, device, processes and a history of resumed starts; ``data.json`` the digests of the
clips and frozen networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reaudio_model.common.code import computation_sha256
from reaudio_model.common.digests import open_sealed_json, sealed_json
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, json_bytes
from reaudio_model.common.json_files import as_read_back, read_json_object
from reaudio_model.retrieval.clip_check import named
from reaudio_model.training.config import TrainConfig
from reaudio_model.training.loop_config import LoopConfig

MANIFEST, DATA = "manifest.json", "data.json"
PACKAGES = ("reaudio-eval", "torch", "diffusers", "transformers", "accelerate", "numpy")
# May differ when a run is resumed: the first group does not affect steps at all, the second only those to come.
WITHOUT_EFFECT = ("loop.workers", "loop.checkpoint_every", "data.cache")
LATER_STEPS = ("loop.steps", "loop.learning_rate", "loop.warmup")
# Paths of files whose content is compared instead.
BY_CONTENT = ("data.pairs", "data.validation", "data.audio_root")
FROZEN_PARTS = ("parts.vae", "parts.clap", "parts.audio_mae", "parts.t5", "parts.vocoder")  # of the denoiser

Digests = dict[
    str, dict[str, str]
]  # "training" and "validation": clip_id -> digest; "networks" and the like: name -> digest


def make_manifest(settings: TrainConfig, device: str, processes: int) -> dict[str, Any]:
    """The manifest of a run that starts now, JSON-able."""
    manifest = {
        "config": asdict(settings),
        "sizes": asdict(settings.model.sizes()),
        "versions": {name: version(name) for name in PACKAGES},
        "code_sha256": computation_sha256("reaudio_model.training.run"),
        "device": device,
        "processes": processes,
        "history": [],
    }
    plain: dict[str, Any] = as_read_back(manifest)
    return plain


def continue_manifest(path: Path, now: dict[str, Any], step: int) -> dict[str, Any]:
    """``now`` with the history of the run in ``path`` and what changes with this start.

    Args:
        path: of the run's manifest; it need not exist.
        now: of :func:`make_manifest`.
        step: of the checkpoint that the run goes on from.

    Raises:
        ReaudioError: it is damaged, or of other settings or another number of processes; the keys are named.
    """
    if not path.exists():
        return now
    remedy = "remove it if the folder holds no run of value, or choose another --output"
    before = read_json_object(path, "the manifest of a training run", remedy=remedy)
    if not isinstance(before.get("config"), dict):
        raise ReaudioError(f"{path} is not the manifest of a training run: {remedy}.")
    changed = _changes(before, now, path)
    entry: dict[str, Any] = {"step": step, "changed": changed}
    entry |= {name: now[name] for name in ("device", "versions", "code_sha256") if before.get(name) != now[name]}
    return now | {"history": [*before.get("history", []), entry]}


def _changes(before: dict[str, Any], now: dict[str, Any], path: Path) -> dict[str, list[Any]]:
    """Setting -> its old and new value.

    Raises:
        ReaudioError: one may not change.
    """
    if before.get("processes", now["processes"]) != now["processes"]:
        raise ReaudioError(
            f"{path.parent} holds a run with {before['processes']} training processes; with {now['processes']} it would repeat or "
            f"skip clips: resume it under `accelerate launch --num_processes {before['processes']}`, or choose another --output."
        )
    settings = now["config"]
    defaults = _flat(asdict(TrainConfig(settings["part"], LoopConfig(steps=1))))
    old = as_read_back(defaults) | _flat(before["config"])  # without settings of later versions
    old_sizes, sizes = ({f"sizes.{k}": v for k, v in _flat(each.get("sizes", {})).items()} for each in (before, now))
    new = _flat(settings) | sizes
    old |= sizes | old_sizes
    differing = {name: [old.get(name), new.get(name)] for name in (*new, *old) if old.get(name) != new.get(name)}
    free = {*WITHOUT_EFFECT, *LATER_STEPS, *(BY_CONTENT if (path.parent / DATA).exists() else ())}
    if settings["part"] == "diffusion":
        free |= {*FROZEN_PARTS} if (path.parent / DATA).exists() else {"parts.vocoder"}
    fixed = [f"{name} was {was!r}, now {is_!r}" for name, (was, is_) in differing.items() if name not in free]
    if fixed:
        raise ReaudioError(
            f"{path.parent} holds a run with other settings ({'; '.join(fixed)}): resume it with its own, or choose another "
            "--output."
        )
    return {name: values for name, values in differing.items() if name not in WITHOUT_EFFECT}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write what :func:`continue_manifest` returns."""
    atomic_write(path, json_bytes(manifest))


def compare_data(path: Path, digests: Digests) -> None:
    """Compare clips or networks with those that a run began with, if they were recorded.

    Raises:
        ReaudioError: they differ; the message names a few.
    """
    if not path.exists():
        return
    before = open_sealed_json(path.read_bytes())
    if before is None:
        raise ReaudioError(f"{path} (the clips that this run began with) is damaged: remove it to resume with those of now.")
    faults = [fault for kind in digests if (fault := _difference(kind, before.get(kind, {}), digests[kind]))]
    if faults:
        raise ReaudioError(
            f"{path.parent} holds a run with other data ({'; '.join(faults)}): resume it with its own, or choose another "
            "--output."
        )


def write_data(path: Path, digests: Digests) -> None:
    """Record the clips and networks of a run."""
    atomic_write(path, sealed_json(digests))


def _difference(kind: str, before: dict[str, str], now: dict[str, str]) -> str:
    """In words; "" without any."""
    gone, new = [name for name in before if name not in now], [name for name in now if name not in before]
    other = [name for name in now if before.get(name, now[name]) != now[name]]
    what = f"{kind} clips" if kind in ("training", "validation") else kind
    parts = [
        f"{len(names)} {what} {word} ({named(names)})"
        for names, word in ((gone, "are missing"), (new, "are new"), (other, "have another content"))
        if names
    ]
    if not parts and list(before) != list(now):
        return f"the {what} are in another order"
    return ", ".join(parts)
