"""What the bundled embedders share: batches of equal length, exact fp32, loading a network, the device."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reaudio_eval.embedders import ClipFeatures
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.weights import check_keys

# A batch holds at most this much audio, so that ten-minute clips cannot fill the memory (Cnn14: about 5 MB a second).
MAX_BATCH_SECONDS = 640.0

Network = TypeVar("Network", bound=nn.Module)


class TorchEmbedder(ABC):
    """An :class:`reaudio_eval.embedders.Embedder` on torch: always fp32 (no autocast, no TF32), inference mode.

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


def equal_length_batches(lengths: Sequence[int], max_total: int) -> Iterator[list[int]]:
    """Rows of equal length together, in order; a batch's lengths sum to ``max_total`` at most (or it is a single row)."""
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(length, []).append(row)
    for length, rows in groups.items():
        size = max(1, max_total // max(1, length))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


@contextmanager
def exact_inference() -> Iterator[None]:
    """No gradients, deterministic convolutions, and full fp32 where cuDNN would round to TF32 by default."""
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def open_device(device: str) -> torch.device:
    """The torch device called ``device`` ("cpu", "cuda", "cuda:1").

    Raises:
        ReaudioError: no such device here.
    """
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ReaudioError(f"--device {device} is not a device: use cpu, cuda or cuda:N.") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ReaudioError(f"--device {device}: PyTorch sees {torch.cuda.device_count()} CUDA devices here; use cpu.")
    if found.type not in ("cpu", "cuda"):
        raise ReaudioError(f"--device {device} is not supported: use cpu, cuda or cuda:N.")
    return found


def check_rate(title: str, sample_rate: int, supported: Sequence[int]) -> None:
    """Raise a ReaudioError unless the embedder works at ``sample_rate``."""
    if sample_rate not in supported:
        rates = " or ".join(map(str, supported))
        raise ReaudioError(f"{title} works at {rates} Hz, not at {sample_rate} Hz: choose another protocol.")


def build(
    make: Callable[[], Network], state: Mapping[str, Tensor], *, path: Path, what: str, device: torch.device
) -> Network:
    """A network with the weights of a checkpoint, in fp32 and evaluation mode.

    The network is made on the meta device, so nothing is initialised only to be overwritten.

    Raises:
        CheckpointError: keys or shapes differ (see :func:`reaudio_model.common.weights.check_keys`).
    """
    with torch.device("meta"):
        network = make()
    check_keys(state, network, path, what)
    network.load_state_dict(state, assign=True)
    return network.float().eval().requires_grad_(False).to(device)


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
