"""Base class of torch embedders, and checks after loading."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.inference import equal_length_batches, exact_inference

# A batch holds at most this much audio, so that ten-minute clips cannot fill the memory (Cnn14: about 5 MB a second).
MAX_BATCH_SECONDS = 640.0


class TorchEmbedder(ABC):
    """An :class:`reaudio_eval.features.embedders.Embedder` on torch: always fp32 (no autocast, no TF32), inference mode.

    Args:
        sha256: of the checkpoint file as given.
        sample_rate: Hz of the waveforms that ``embed`` takes.
        device: where the network lies.
        min_seconds: shorter waveforms are zero-padded at the end to this length.
    """

    def __init__(self, *, sha256: str, sample_rate: int, device: torch.device, min_seconds: float) -> None:
        self.sha256 = sha256
        self.sample_rate = sample_rate
        self._device = device
        self._min_samples = max(1, math.ceil(min_seconds * sample_rate))

    @abstractmethod
    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        """Features of float32 (batch, samples) waveforms on the device."""

    def _prepare(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.pad(waveform, (0, max(0, self._min_samples - len(waveform))))

    def embed(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> list[ClipFeatures]:
        """Features of each waveform, float32 (samples,) mono at ``sample_rate`` in [-1, 1], in the order given."""
        prepared = [self._prepare(np.asarray(w, dtype=np.float32)) for w in waveforms]
        features: dict[int, ClipFeatures] = {}
        for rows in equal_length_batches([len(w) for w in prepared], int(MAX_BATCH_SECONDS * self.sample_rate)):
            batch = torch.from_numpy(np.stack([prepared[row] for row in rows])).to(self._device)
            with exact_inference():
                features.update(zip(rows, self._forward(batch), strict=True))
        return [features[row] for row in range(len(prepared))]


def clip_features(frames: Tensor, logits: Tensor | None = None) -> list[ClipFeatures]:
    """Split (batch, n_frames, d) frames and (batch, C) logits into clips."""
    vectors = frames.float().cpu().numpy()
    if logits is None:
        return [ClipFeatures(clip, None) for clip in vectors]
    return [ClipFeatures(clip, row) for clip, row in zip(vectors, logits.float().cpu().numpy(), strict=True)]


def check_rate(title: str, sample_rate: int, supported: Sequence[int]) -> None:
    """Raise a ReaudioError unless the embedder works at ``sample_rate``."""
    if sample_rate not in supported:
        rates = " or ".join(map(str, supported))
        raise ReaudioError(f"{title} works at {rates} Hz, not at {sample_rate} Hz: choose another protocol.")


def check_finite(embedder: TorchEmbedder, path: Path) -> None:
    """Self-test after load: one second of a sweep must give finite numbers.

    Raises:
        CheckpointError: it does not.
    """
    (features,) = embedder.embed([sweep(embedder.sample_rate)])
    if not all(np.isfinite(x).all() for x in features if x is not None):
        raise CheckpointError(f"{path} gives infinite or undefined features: it is damaged, download it again.")


def sweep(sample_rate: int, seconds: float = 1.0) -> npt.NDArray[np.float32]:
    """A deterministic test signal: a sine of amplitude 0.5 that sweeps from 100 Hz to 6 kHz."""
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * (100 * t + (6000 - 100) / (2 * seconds) * t**2)
    return (0.5 * np.sin(phase)).astype(np.float32)
