"""Cache of features and audits, shared by all runs.

An entry is found by the bytes that it is of and by what makes it (:class:`reaudio_eval.features.cache_origin.Origin`): checkpoint,
waveform rule, code and packages. It carries a digest of itself and is verified when it is read. Two processes may fill the cache at
once; both write the same values. A cache that cannot be read or written costs time, not the result. The number of threads, the batch
size and the device are no part of the key: they change features by less than 1e-5 relative.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from reaudio_eval.features.cache_origin import Origin
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.object_store import ObjectStore
from reaudio_model.common.digests import SEAL, check_sealed, open_sealed_json, sealed_json, sealed_safetensors
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write
from reaudio_model.common.progress import Reporter

MADE_BY = "made_by.json"  # in every folder: what made its entries
_KEY = "key"


def check_cache_dir(path: Path) -> Path:
    """``path``, unless it is a file.

    Raises:
        ReaudioError: it is.
    """
    try:
        is_file = path.exists() and not path.is_dir()
    except OSError:  # a cache that cannot be reached costs only time
        is_file = False
    if is_file:
        raise ReaudioError(f"The cache {path} is a file: give a folder with --cache-dir (or REAUDIO_CACHE).")
    return path


@dataclass
class CacheLog:
    """What happened to one cache since it was last reported.

    Attributes:
        damaged: entries that were found damaged.
        stale: entries that were made by other code or packages and were needed again.
        unwritable: why nothing can be written, or "".
        unreachable: why the object store cannot be used, or "".
    """

    root: Path
    damaged: set[Path] = field(default_factory=set)
    stale: set[Path] = field(default_factory=set)
    unwritable: str = ""
    unreachable: str = ""

    def report(self, reporter: Reporter) -> None:
        """Say it in one line each, and forget it."""
        counts = [
            f"{len(self.damaged)} damaged" * bool(self.damaged),
            f"{len(self.stale)} of other code or package versions" * bool(self.stale),
        ]
        if any(counts):
            reporter.note(f"Entries of the cache {self.root} that were made anew: {', '.join(filter(None, counts))}.")
        if self.unwritable:
            reporter.note(
                f"Warning: the cache cannot be written, so features are computed again next time: {self.unwritable}"
            )
        if self.unreachable:
            reporter.note(f"Warning: the feature store cannot be used, so nothing is shared: {self.unreachable}")
        self.damaged, self.stale, self.unwritable, self.unreachable = set(), set(), "", ""


@cache
def cache_log(root: Path) -> CacheLog:
    """The log of a cache folder in this process."""
    return CacheLog(root)


class _Entries(ABC):
    """Files of one cache folder, by key, and of the same folder of an object store.

    Args:
        root: the cache folder.
        origin: what makes its entries.
        store: shared with other machines, or None. Entries come from it with :meth:`fetch` and reach it with :meth:`share`.
    """

    suffix = ""

    def __init__(self, root: Path, origin: Origin, store: ObjectStore | None = None) -> None:
        self.store = store
        self._unshared: dict[str, bytes] = {}
        self.root = root
        self.origin = origin
        self.folder = origin.folder(root)
        self.log = cache_log(root)
        self._start = f"{self.folder}{os.sep}"
        self._has_origin = False

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{self.suffix}"

    def _read(self, key: str) -> bytes | None:
        try:
            # A text: making a Path takes longer than reading the file.
            with open(f"{self._start}{key[:2]}/{key}{self.suffix}", "rb") as file:  # noqa: PTH123
                return file.read()
        except OSError:  # not there, or a cache of somebody else
            return None

    @abstractmethod
    def _is_whole(self, data: bytes, key: str) -> bool:
        """Whether these are the bytes of an entry."""

    def fetch(self, keys: Iterable[str]) -> None:
        """Copy entries that are not in the folder from the object store; what is damaged there is left."""
        if self.store is None or self.log.unreachable:
            return
        names = {self._name(key): key for key in keys if not self._path(key).is_file()}
        try:
            found = self.store.read(list(names))
        except Exception as error:  # noqa: BLE001  # of any file system
            self.log.unreachable = str(error)
            return
        for name, data in found.items():
            if self._is_whole(data, names[name]):
                self._keep(names[name], data)

    def share(self) -> None:
        """Copy what was written since the last call to the object store."""
        contents, self._unshared = self._unshared, {}
        if self.store is None or self.log.unreachable or not contents:
            return
        try:
            self.store.write(contents)
        except Exception as error:  # noqa: BLE001  # of any file system
            self.log.unreachable = str(error)

    def _name(self, key: str) -> str:
        """Of an entry in the object store."""
        return f"{self.folder.relative_to(self.root).as_posix()}/{key[:2]}/{key}{self.suffix}"

    def _damaged(self, key: str) -> None:
        self.log.damaged.add(self._path(key))

    def _write(self, key: str, data: bytes) -> None:
        path = self._path(key)
        if path not in self.log.damaged and self._of_other_code(key):
            self.log.stale.add(path)
        if self.store is not None:
            self._unshared[self._name(key)] = data
        self._keep(key, data)

    def _keep(self, key: str, data: bytes) -> None:
        """Write a file of the folder."""
        if self.log.unwritable:
            return
        try:
            if not self._has_origin:
                atomic_write(self.folder / MADE_BY, sealed_json(self.origin.to_json()))
                self._has_origin = True
            atomic_write(self._path(key), data)
        except (ReaudioError, OSError) as error:
            self.log.unwritable = str(error)

    def _of_other_code(self, key: str) -> bool:
        return any(each.joinpath(key[:2], f"{key}{self.suffix}").is_file() for each in self._others)

    @property
    def _others(self) -> list[Path]:
        """Folders of the same settings whose entries other code made."""
        try:
            return [p for p in self.folder.parent.glob(f"{self.origin.name}-*") if p != self.folder]
        except OSError:
            return []


class FeatureCache(_Entries):
    """Features of clips and captions under one checkpoint and one waveform rule; arguments as of any cache folder."""

    suffix = ".safetensors"

    def _is_whole(self, data: bytes, key: str) -> bool:
        return open_features(data, key) is not None

    def get(self, key: str) -> ClipFeatures | None:
        """Features of the clip with this content hash; None when absent or damaged."""
        data = self._read(key)
        if data is None:
            return None
        found = open_features(data, key)
        if found is None:
            self._damaged(key)
        return found

    def put(self, key: str, features: ClipFeatures) -> None:
        """Keep features; a cache that cannot be written is reported once (:class:`CacheLog`)."""
        tensors = {"frames": np.ascontiguousarray(features.frames, dtype=np.float32)}
        if features.logits is not None:
            tensors["logits"] = np.ascontiguousarray(features.logits, dtype=np.float32)
        self._write(key, sealed_safetensors(save(tensors, metadata={**SEAL, _KEY: key})))

    @staticmethod
    def text_key(caption: str) -> str:
        """Content hash of a caption (kept apart from that of audio bytes by a prefix)."""
        return hashlib.sha256(b"caption\0" + caption.encode()).hexdigest()

    def get_text(self, caption: str) -> npt.NDArray[np.float32] | None:
        features = self.get(self.text_key(caption))
        return None if features is None else features.frames[0]

    def put_text(self, caption: str, vector: npt.NDArray[np.float32]) -> None:
        self.put(self.text_key(caption), ClipFeatures(vector[None, :], None))


def open_features(data: bytes, key: str) -> ClipFeatures | None:
    """Features in the bytes of an entry; None if they are damaged, of another key, or no finite features."""
    if not check_sealed(data) or f'"{_KEY}":"{key}"'.encode() not in data[: data.find(b"}")]:
        return None
    try:
        tensors = load(data)
        found = ClipFeatures(tensors["frames"], tensors.get("logits"))
    except (SafetensorError, KeyError, ValueError, TypeError):
        return None
    return found if is_features(found) else None


def is_features(found: ClipFeatures) -> bool:
    """Whether shapes and types are those of :class:`ClipFeatures`, and every number is finite."""
    frames, logits = found
    arrays = [frames] if logits is None else [frames, logits]
    if not all(isinstance(each, np.ndarray) and each.dtype == np.float32 and each.size for each in arrays):
        return False
    return frames.ndim == 2 and (logits is None or logits.ndim == 1) and all(np.isfinite(each).all() for each in arrays)


class JsonCache(_Entries):
    """Small JSON facts keyed by content hash (the audit of a clip)."""

    suffix = ".json"

    def _is_whole(self, data: bytes, key: str) -> bool:
        return open_facts(data, key) is not None

    def get(self, key: str) -> dict[str, Any] | None:
        """The facts; None when absent or damaged."""
        data = self._read(key)
        if data is None:
            return None
        found = open_facts(data, key)
        if found is None:
            self._damaged(key)
        return found

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep facts; a cache that cannot be written is reported once (:class:`CacheLog`)."""
        self._write(key, sealed_json({_KEY: key, "facts": value}))


def open_facts(data: bytes, key: str) -> dict[str, Any] | None:
    """Facts in the bytes of an entry; None if they are damaged or of another key."""
    content = open_sealed_json(data)
    facts = content.get("facts") if isinstance(content, dict) and content.get(_KEY) == key else None
    return facts if isinstance(facts, dict) else None
