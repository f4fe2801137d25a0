"""Verifying a cache: whole, damaged and stale entries."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.features.cache import MADE_BY, FeatureCache, JsonCache, check_cache_dir, open_facts, open_features
from reaudio_eval.features.cache_origin import FEATURES, KINDS, Code, Origin, code_of
from reaudio_model.common.digests import check_safetensors, open_sealed_json
from reaudio_model.common.errors import ReaudioError

CONVERTED = "converted"  # folder of reaudio_model.common.weights.load_state_dict
_SUFFIXES = {kind: (FeatureCache if kind == FEATURES else JsonCache).suffix for kind in KINDS}


@dataclass(frozen=True)
class KindState:
    """Entries of one kind ("features", "audits", "encoders", "converted").

    Attributes:
        whole: entries whose digest and content are right.
        damaged: files of entries that are not; the next run that needs them makes them anew.
        stale: entries that no run of the code and the packages installed now uses; they are not read.
        stale_folders: where those lie.
        n_bytes, stale_bytes: of all files, and of the stale ones.
    """

    kind: str
    whole: int
    damaged: tuple[Path, ...]
    stale: int
    stale_folders: tuple[Path, ...]
    n_bytes: int
    stale_bytes: int


def verify_cache(root: Path) -> list[KindState]:
    """Read every entry of a cache; one state for each kind that is there.

    Raises:
        ReaudioError: a file instead of a folder.
    """
    check_cache_dir(root)
    states = [_verify_kind(root, kind) for kind in KINDS]
    states.append(_verify_files(CONVERTED, list(_files(root / CONVERTED, ".safetensors")), [], check_safetensors))
    return [state for state in states if state.n_bytes]


def stale_size(root: Path) -> tuple[int, int]:
    """Number and bytes of stale entries, without reading entries."""
    folders = [(kind, folder) for kind in KINDS for folder in _stale_folders(root, kind)]
    files = [path for kind, folder in folders for path in _entries(folder, kind)]
    return len(files), sum(map(_size, files))


def folder_size(folder: Path) -> int:
    """Bytes of the files below a folder, as far as they may be seen."""
    return sum(map(_size, _files(folder, "")))


def clean_cache(states: list[KindState]) -> int:
    """Remove stale folders and damaged entries; the bytes that were removed.

    Raises:
        ReaudioError: one cannot be removed.
    """
    removed = 0
    for state in states:
        try:
            for folder in state.stale_folders:
                shutil.rmtree(folder)
            for path in state.damaged:
                removed += _size(path)
                path.unlink(missing_ok=True)
        except OSError as error:
            raise ReaudioError(f"{error.filename} cannot be removed: {error.strerror}.") from error
        removed += state.stale_bytes
    return removed


def _verify_kind(root: Path, kind: str) -> KindState:
    stale = _stale_folders(root, kind)
    current = [folder for folder in _folders(root / kind) if folder not in stale]
    is_whole = _is_whole_features if kind == FEATURES else _is_whole_facts
    files = [path for folder in current for path in _entries(folder, kind)]
    return _verify_files(kind, files, stale, is_whole)


def _verify_files(kind: str, files: list[Path], stale: list[Path], is_whole: Callable[[Path], bool]) -> KindState:
    damaged = tuple(path for path in files if not is_whole(path))
    n_stale = sum(len(_entries(folder, kind)) for folder in stale)
    stale_bytes = sum(_size(path) for folder in stale for path in _files(folder, ""))
    return KindState(
        kind,
        len(files) - len(damaged),
        damaged,
        n_stale,
        tuple(stale),
        sum(map(_size, files)) + stale_bytes,
        stale_bytes,
    )


def _stale_folders(root: Path, kind: str) -> list[Path]:
    return [folder for folder in _folders(root / kind) if not _is_current(folder, root, kind)]


def _is_current(folder: Path, root: Path, kind: str) -> bool:
    """Whether code and packages that are installed now would use a folder. Other versions of this package wrote no origin."""
    try:
        made_by: Any = open_sealed_json((folder / MADE_BY).read_bytes())
        subject, settings = made_by["subject"], made_by["settings"]
    except (OSError, LookupError, TypeError):
        return False
    try:
        code = code_of(kind, subject)
    except ReaudioError:  # of a plug-in that is not registered in this environment: it may be in another
        stored = made_by["code"]
        code = Code(stored["sha256"], stored["packages"])
    return Origin(kind, subject, settings, code).folder(root) == folder


def _is_whole_features(path: Path) -> bool:
    data = _read(path)
    return data is not None and open_features(data, path.stem) is not None


def _is_whole_facts(path: Path) -> bool:
    data = _read(path)
    return data is not None and open_facts(data, path.stem) is not None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _folders(place: Path) -> list[Path]:
    try:
        return sorted(each for each in place.iterdir() if each.is_dir())
    except OSError:
        return []


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    """Files below a folder, sorted; ``os.walk`` passes over what may not be read."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place) / name for name in sorted(names) if name.endswith(suffix))


def _entries(folder: Path, kind: str) -> list[Path]:
    return [path for path in _files(folder, _SUFFIXES[kind]) if path.name != MADE_BY]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
