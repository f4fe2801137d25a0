"""Manifest of a run directory: sealed, read, verified."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reaudio_eval.clips.system import SYSTEM_KINDS
from reaudio_model.common.digests import altered_files, folder_digests
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.json_files import read_json_object

SCHEMA_VERSION = 2  # 1: without digests
READ_VERSIONS = (1, 2)
MANIFEST = "manifest.json"
FILES, SEAL = "files", "manifest_sha256"  # name -> SHA-256 of the other files; SHA-256 of the manifest without this entry
UNVERIFIED = "unverified"  # why the files cannot be verified; only in memory
REUSED = "reused"  # when a command took the scores of the finished run while later runs of its system were there
COPYING = "copying.parquet"  # of a system whose clips were compared with what was retrieved
SEED_FILE = "seed_values.parquet"  # of a system with several clips for each prompt
REMEDY = "repeat the command that scored it, which makes it anew, or remove the folder"
Json = dict[str, Any]

_TEXT, _MAYBE, _NUMBER = (str,), (str, type(None)), (int, float, type(None))
_MAX_SEED = 2**64
MAX_REASON = 300  # characters, in a message
# Entries that are read, and their types; the first of them must be there.
_REQUIRED: Mapping[str, tuple[type, ...]] = {
    "created": _TEXT, "seed": (int,), "clip_ids_sha256": _TEXT, "metrics": (list,), "undefined": (dict,), "strata": (list,),
    "system": (dict,), "system.name": _TEXT, "system.kind": _TEXT, "system.description": _TEXT,
    "dataset": (dict,), "dataset.name": _TEXT, "dataset.split": _TEXT, "dataset.propagated": (bool,), "dataset.notes": (list,),
    "dataset.references": (dict,),
}  # fmt: skip
_OPTIONAL: Mapping[str, tuple[type, ...]] = {
    "selection": _MAYBE, REUSED: _TEXT, "protocol": (dict, str), "protocol.name": _TEXT, "packages": (dict,), "code_sha256": _TEXT,
    "reaudio_eval": _TEXT, "neighbours_of": _TEXT, "neighbours_sha256": _TEXT, "retrieval": (dict, type(None)),
    "retrieval.encoder_sha256": _MAYBE, "retrieval.judges": (list,), "sampling": (dict, type(None)), "sampling.steps": _NUMBER,
    "sampling.guidance": _NUMBER, "sampling.candidates": _NUMBER, "seconds_per_clip": _NUMBER, "settings": (dict,),
    "content": (dict,), "system.candidates": (int,), "system.role": _TEXT, "system.seeds": (list,), "system.sampling": (dict, type(None)),
    "dataset.banner": _TEXT, "bundled": (dict,), "margin": (dict,), "margin.metric": _TEXT, "margin.value": (int, float),
}  # fmt: skip


class DamagedRunError(ReaudioError):
    """A run directory whose files are not those that were written."""


def damaged(path: Path, why: object, remedy: str = REMEDY) -> DamagedRunError:
    """The error for a run directory. why: what is wrong with it, without a full stop."""
    reason = textwrap.shorten(str(why).rstrip("."), MAX_REASON, placeholder="...")
    return DamagedRunError(f"The run {path} is damaged ({reason}): {remedy}.")


def last_used(manifest: Json) -> str:
    """When a run was scored, or last reused by a command while later runs of its system were there."""
    return str(manifest.get(REUSED) or manifest["created"])


def is_finished(path: Path) -> bool:
    """Whether a run directory has a manifest, which is written last."""
    return os.path.isfile(path / MANIFEST)  # noqa: PTH113  # False where the folder cannot be looked into


def sealed(folder: Path, manifest: Json, names: list[str]) -> Json:
    """The manifest with the digests of these files of the folder, and its own.

    Raises:
        OSError: a file cannot be read.
    """
    return with_seal(manifest | {FILES: folder_digests(folder, sorted(names))})


def with_seal(manifest: Json) -> Json:
    """The manifest with the digest of its other entries, in place of the one that it had."""
    content = {key: value for key, value in manifest.items() if key != SEAL}
    return content | {SEAL: canonical_sha256(content)}


def read_manifest(path: Path) -> Json:
    """The manifest of a run, whose entries have their types; of a run of schema version 1 with the entry ``UNVERIFIED``.

    The other files are verified by :func:`check_files`.

    Raises:
        ReaudioError: not a run directory, not finished, or of another schema version.
        DamagedRunError: the manifest is not the one that was written.
    """
    if not is_finished(path):
        raise ReaudioError(
            f"{path} is not a finished run: it has no {MANIFEST}. Name a folder below .../runs/DATASET/SYSTEM/."
        )
    manifest = read_json_object(path / MANIFEST, "the manifest of a run", remedy=REMEDY, error=DamagedRunError)
    version = manifest.get("schema_version")
    if version not in READ_VERSIONS or isinstance(version, bool):
        raise ReaudioError(
            f"The run {path} has schema version {version!r}; this version reads {SCHEMA_VERSION} and older: score it again."
        )
    if version == 1:
        manifest[UNVERIFIED] = "written by a version that stored no checksums"
    elif manifest.get(SEAL) != with_seal(manifest)[SEAL]:
        raise damaged(path, f"{MANIFEST} was altered")
    _check_types(path, manifest)
    return manifest


def check_files(path: Path, manifest: Json) -> None:
    """Compare the files of a run with the digests of its manifest; nothing for schema version 1.

    Raises:
        DamagedRunError: naming the files that are missing or altered.
    """
    if UNVERIFIED in manifest:
        return
    digests = manifest.get(FILES)
    if not isinstance(digests, dict) or any(Path(name).name != name for name in digests):
        raise damaged(path, f"{MANIFEST} names no files")
    odd = [name for name in digests if not os.path.isfile(path / name)]  # noqa: PTH113  # see is_finished
    names = sorted({*odd, *altered_files(path, {k: v for k, v in digests.items() if k not in odd})})
    if names:
        raise damaged(path, f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} altered or lost")


def _check_types(path: Path, manifest: Json) -> None:
    for place, kinds in {**_REQUIRED, **_OPTIONAL}.items():
        *outer, name = place.split(".")
        holder = manifest.get(outer[0]) if outer else manifest
        if not isinstance(holder, dict):  # an optional entry that is not there, or a name instead of an object
            continue
        if name not in holder:
            if place in _REQUIRED:
                raise damaged(path, f"{MANIFEST} lacks {place}")
        elif not isinstance(holder[name], kinds) or (isinstance(holder[name], bool) and bool not in kinds):
            raise damaged(path, f"{place} in {MANIFEST} is of the wrong type")
    if not 0 <= manifest["seed"] < _MAX_SEED:
        raise damaged(path, f"seed in {MANIFEST} is out of range")
    if manifest["system"]["kind"] not in SYSTEM_KINDS:
        raise damaged(path, f"system.kind in {MANIFEST} is unknown")
    texts = (manifest["undefined"], manifest["dataset"]["references"], manifest["dataset"]["notes"])
    if not all(isinstance(each, str) for group in texts for each in (group.values() if isinstance(group, dict) else group)):
        raise damaged(path, f"{MANIFEST} holds something else where text is needed")
