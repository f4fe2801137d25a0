"""``reaudio-eval doctor``: what works on this machine, what is missing, and the command that repairs it."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile

from reaudio_eval import plugins
from reaudio_eval.features.cache import check_cache_dir
from reaudio_eval.features.cache_check import folder_size, stale_size
from reaudio_eval.features.embedders import CheckpointFile, EmbedderSpec
from reaudio_eval.prompts.datasets import DatasetOptions
from reaudio_eval.runs.provenance import package_versions
from reaudio_model.common.audio import encode
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import has_file, has_folder
from reaudio_model.common.weights import sha256_file
from reaudio_model.miniature import bundled

MIN_FREE_BYTES = 5_000_000_000  # checkpoints of all default embedders, converted once


class Check(NamedTuple):
    """One finding. status "note" needs no repair; remedy is "" where there is nothing to do; entries: how many of a cache."""

    name: str
    status: Literal["ok", "note", "fail"]
    detail: str
    remedy: str = ""
    entries: int | None = None


def examine(cache_dir: Path, data_root: Path | None) -> list[Check]:
    """All checks; takes seconds, changes nothing, uses no network."""
    from reaudio_eval.cli.doctor_model import check_parts

    check_cache_dir(cache_dir)
    checks = [_python(), *_packages(), _device(), _disk(cache_dir), *_stale(cache_dir), _mp3(), _miniature(), *_plugins()]
    specs = _specs()
    for name, spec in specs.items():
        checks += [_checkpoint(name, file, cache_dir) for file in spec.checkpoints]
    checks += check_parts(specs["clap"], cache_dir)
    if data_root is not None:
        checks.append(_dataset(data_root))
    return checks


def _specs() -> dict[str, EmbedderSpec]:
    """Of the embedders that can be used; the others have a failed check."""
    specs = {}
    for name in plugins.entries("embedders"):
        with suppress(ReaudioError):
            specs[name] = plugins.load("embedders", name).spec
    return specs


def _stale(cache_dir: Path) -> list[Check]:
    count, n_bytes = stale_size(cache_dir)
    if not count:
        return []
    detail = f"{count:,} entries, {n_bytes / 1e6:.1f} MB, were made by other code or package versions"
    return [
        Check("cache: stale", "note", detail, f"to free the space: reaudio-eval doctor --cache {cache_dir} --clean", count)
    ]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", "ok" if sys.version_info >= (3, 11) else "fail", version, "install Python 3.11 or newer")


def _packages() -> list[Check]:
    return [
        Check(name, "ok", found) if found else Check(name, "fail", "not installed", f"pip install {name}")
        for name, found in package_versions().items()
    ]


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("device", "ok", f"cuda ({torch.cuda.get_device_name()})")
    return Check("device", "note", f"cpu ({torch.get_num_threads()} threads); networks run many times slower than on a GPU")


def _disk(cache_dir: Path) -> Check:
    place = next(p for p in (cache_dir, *cache_dir.parents) if has_folder(p))
    free = shutil.disk_usage(place).free
    used = folder_size(cache_dir)
    detail = f"{cache_dir}: {used / 1e9:.2f} GB used, {free / 1e9:.0f} GB free"
    if free < MIN_FREE_BYTES:
        return Check("cache", "fail", detail, "free some space, or set REAUDIO_CACHE to a folder on a larger disk")
    return Check("cache", "ok", detail)


def _mp3() -> Check:
    try:
        encode(np.zeros(1600, dtype=np.float32), 16_000, "MP3", "MPEG_LAYER_III")
    except (soundfile.SoundFileError, ValueError):
        return Check("mp3", "fail", "libsndfile cannot write MP3: reports would have no players", "pip install -U soundfile")
    return Check("mp3", "ok", f"libsndfile {soundfile.__libsndfile_version__}")


def _miniature() -> Check:
    try:
        files = bundled.manifest()["files"]
        for name in sorted({path.partition("/")[0] for path in files}):
            bundled.part(name)
    except ReaudioError as error:
        return Check("miniature", "fail", str(error), bundled.REMEDY)
    return Check("miniature", "ok", f"bundled weights: {len(files)} files, sha256 as recorded")


def _plugins() -> list[Check]:
    checks = [
        Check("plug-ins", "fail", f"the folder {folder} of REAUDIO_PLUGINS does not exist", "correct REAUDIO_PLUGINS")
        for folder in plugins.missing_folders()
    ]
    for kind in plugins.KINDS:
        try:
            entries = plugins.entries(kind)
        except ReaudioError as error:
            checks.append(Check(kind, "fail", str(error), "rename one of them"))
            continue
        checks.append(Check(kind, "ok", ", ".join(plugins.public_name(kind, name) for name in entries) or "none"))
        checks += [fault for name, entry in entries.items() if entry.origin != plugins.OWN for fault in _faults(kind, name)]
    return checks


def _faults(kind: str, name: str) -> list[Check]:
    """Of a plug-in that cannot be used; [] for one that can."""
    try:
        plugins.load(kind, name)  # type: ignore[call-overload]
    except ReaudioError as error:
        return [Check(f"{kind} {plugins.public_name(kind, name)}", "fail", str(error), "repair or remove the plug-in")]
    return []


def _checkpoint(embedder: str, file: CheckpointFile, cache_dir: Path) -> Check:
    name = f"checkpoint {embedder}: {file.filename}"
    path = cache_dir / "checkpoints" / file.filename
    if not has_file(path):
        return Check(
            name,
            "note",
            f"not in the cache ({file.licence})",
            f"download {file.url} to {path}, or let `reaudio-eval longtail --allow-download` do it",
        )
    if file.sha256 and not sha256_file(path).startswith(file.sha256):
        return Check(name, "fail", "its sha256 is not the published one", f"delete {path} and download {file.url} again")
    return Check(name, "ok", "sha256 as published" if file.sha256 else "present; no published sha256 to compare with")


def _dataset(data_root: Path) -> Check:
    try:
        dataset = plugins.load("datasets", "audiocaps").load(DatasetOptions(data_root=data_root))
    except ReaudioError as error:
        return Check("audiocaps", "fail", str(error), "see `reaudio-eval longtail --help`")
    return Check("audiocaps", "ok", f"{len(dataset.prompts)} test prompts, {len(dataset.train_counts)} training labels")


def to_text(checks: list[Check]) -> str:
    """A line a check; a remedy below where something is to be done."""
    lines = []
    for check in checks:
        lines.append(f"{check.status:<4}  {check.name}: {check.detail}")
        if check.remedy and check.status != "ok":
            lines.append(f"      -> {check.remedy}")
    return "\n".join(lines)
