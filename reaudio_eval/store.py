"""What is kept on disk: atomic writes, and a cache of features keyed by content.

A cached feature belongs to (bytes of the audio file, checkpoint, waveform rule), so it can never be stale and is shared by all
runs. Two processes may fill the same cache at once: the loser of a race replaces a file by an equal one.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from reaudio_eval.embedders import ClipFeatures
from reaudio_eval.errors import ReaudioError
from reaudio_eval.protocols import WaveformRule

CACHE_VERSION = 1  # raise when the waveform path or a cached layout changes


def default_cache_dir() -> Path:
    """``REAUDIO_CACHE``, or the user's cache folder (``~/.cache/reaudio-eval`` on Linux)."""
    return Path(os.environ.get("REAUDIO_CACHE") or platformdirs.user_cache_dir("reaudio-eval"))


def explain_write_error(error: OSError, path: Path) -> ReaudioError:
    """The sentence for a failed write: what, where, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "the disk is full; free some space and run the same command again, finished work is kept"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "the folder is not writable; choose another one with --output (or --cache-dir for the cache)"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        advice = "a file stands where a folder is needed, or the reverse; choose another --output"
    else:
        advice = error.strerror or str(error)
    return ReaudioError(f"Cannot write {path}: {advice}.")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix, hidden) that takes its place when the block ends well.

    Raises:
        ReaudioError: the folder is not writable or the disk is full; ``path`` is then as it was.
    """
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise explain_write_error(error, path) from error
    finally:
        # Where even the folder could not be made there is nothing to remove.
        with _ignored_os_error():
            temporary.unlink(missing_ok=True)


@contextmanager
def _ignored_os_error() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` in one step (see :func:`atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def json_bytes(value: Any) -> bytes:
    """UTF-8 JSON, keys in the order given, two-space indent; refuses NaN (an undefined number is null)."""
    return (json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def canonical_sha256(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value, independent of the order of keys."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def rule_key(rule: WaveformRule, sample_rate: int) -> str:
    """Twelve hex digits naming a waveform path: the rule and the rate it ends at."""
    return canonical_sha256([dataclasses.asdict(rule), sample_rate, CACHE_VERSION])[:12]


class FeatureCache:
    """Features of clips and captions under one checkpoint and one waveform rule.

    Args:
        root: the cache folder.
        embedder: registered name.
        sha256: of the checkpoint.
        rule: waveform path (see :func:`rule_key`).
    """

    def __init__(self, root: Path, embedder: str, sha256: str, rule: str) -> None:
        self.folder = root / "features" / f"{embedder}-{sha256[:16]}-{rule}"

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def get(self, key: str) -> ClipFeatures | None:
        """Features of the clip with this content hash; None when absent or damaged (it is then made anew)."""
        try:
            tensors = load_file(self._path(key))
        except (FileNotFoundError, SafetensorError):
            return None
        return ClipFeatures(tensors["frames"], tensors.get("logits"))

    def put(self, key: str, features: ClipFeatures) -> None:
        tensors = {"frames": np.ascontiguousarray(features.frames, dtype=np.float32)}
        if features.logits is not None:
            tensors["logits"] = np.ascontiguousarray(features.logits, dtype=np.float32)
        atomic_write(self._path(key), save(tensors))

    @staticmethod
    def text_key(caption: str) -> str:
        """Content hash of a caption (kept apart from that of audio bytes by a prefix)."""
        return hashlib.sha256(b"caption\0" + caption.encode()).hexdigest()

    def get_text(self, caption: str) -> npt.NDArray[np.float32] | None:
        features = self.get(self.text_key(caption))
        return None if features is None else features.frames[0]

    def put_text(self, caption: str, vector: npt.NDArray[np.float32]) -> None:
        self.put(self.text_key(caption), ClipFeatures(vector[None, :], None))


class JsonCache:
    """Small JSON facts keyed by content hash (the audit of a clip)."""

    def __init__(self, root: Path, name: str) -> None:
        self.folder = root / name

    def get(self, key: str) -> dict[str, Any] | None:
        try:
            value: dict[str, Any] = json.loads((self.folder / key[:2] / f"{key}.json").read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return value

    def put(self, key: str, value: dict[str, Any]) -> None:
        atomic_write(self.folder / key[:2] / f"{key}.json", json_bytes(value))
