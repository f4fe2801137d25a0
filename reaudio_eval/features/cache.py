"""Cache of features, keyed by content and shared by all runs.

The key is the bytes of the audio file, the embedder's name, its checkpoint, the waveform rule and ``CACHE_VERSION``. Changed code is
not part of it: a change that alters features must raise ``CACHE_VERSION``. Two processes may fill the cache at once; both write equal
files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.protocols import WaveformRule
from reaudio_model.common.files import atomic_write, canonical_sha256, json_bytes

CACHE_VERSION = 1  # raise when the code of the waveform path or of an embedder, or the layout of the files, changes


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
        """Features of the clip with this content hash; None when absent or damaged."""
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
