"""OpenL3's audio network with its front end, whose kernels lie in the checkpoint.

Equal to torchopenl3 1.0.1 on random weights to the tolerance that ``benchmarks/embedder_parity.py`` prints.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_model.common.inference import build, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file

SAMPLE_RATE = 48_000
WINDOW, HOP = SAMPLE_RATE, SAMPLE_RATE // 2  # samples
N_FFT, STRIDE, N_MELS = 2048, 242, 256
MARGIN = (N_FFT - WINDOW % STRIDE) // 2  # zeros on each side of a window
MIN_POWER, RANGE_DB = 1e-10, 80.0
EPSILON = 1e-3  # of the batch norms
PUBLISHED = (64, 64, 128, 128, 256, 256, 512)  # channels of the convolutions; the embedding is as wide as the last
POOLED = (2, 4, 6)  # convolutions with max pooling after them
MAX_WINDOWS = 16  # run at once: about 0.5 GB


class MelSpectrogram(nn.Module):
    """Windows (n, 48000) -> decibels (n, 256, 199) below the loudest point of the window; keys as published."""

    dft_real_kernels: Tensor
    dft_imag_kernels: Tensor
    mel_basis: Tensor

    def __init__(self) -> None:
        super().__init__()
        n_bins = N_FFT // 2 + 1
        self.register_buffer("dft_real_kernels", torch.empty(n_bins, 1, N_FFT))
        self.register_buffer("dft_imag_kernels", torch.empty(n_bins, 1, N_FFT))
        self.register_buffer("mel_basis", torch.empty(N_MELS, n_bins))

    def forward(self, windows: Tensor) -> Tensor:
        padded = F.pad(windows, (MARGIN, MARGIN))[:, None]
        real, imaginary = (
            F.conv1d(padded, kernel, stride=STRIDE) for kernel in (self.dft_real_kernels, self.dft_imag_kernels)
        )
        amplitude = (self.mel_basis @ (real**2 + imaginary**2)).sqrt()
        decibels = 10.0 * amplitude.clamp(min=MIN_POWER).log10()
        return (decibels - decibels.amax(dim=(1, 2), keepdim=True)).clamp(min=-RANGE_DB)


class OpenL3(nn.Module):
    """Windows (n, 48000) -> embeddings (n, 512); keys as published."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.speclayer = MelSpectrogram()
        self.batch_normalization_1 = nn.BatchNorm2d(1, eps=EPSILON)
        for number, (n_in, n_out) in enumerate(pairwise((1, *channels)), start=1):
            self.add_module(f"conv2d_{number}", nn.Conv2d(n_in, n_out, 3, padding=1))
            self.add_module(f"batch_normalization_{number + 1}", nn.BatchNorm2d(n_out, eps=EPSILON))
        self.audio_embedding_layer = nn.Conv2d(channels[-1], channels[-1], 3, padding=1)
        self.depth = len(channels)

    def forward(self, windows: Tensor) -> Tensor:
        x = self.batch_normalization_1(self.speclayer(windows)[:, None])
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"conv2d_{number}")(x)
            x = F.relu(self.get_submodule(f"batch_normalization_{number + 1}")(x))
            if number in POOLED:
                x = F.max_pool2d(x, 2)
        embedding: Tensor = self.audio_embedding_layer(x).amax(dim=(2, 3))
        return embedding


class OpenL3Embedder(TorchEmbedder):
    """Several frames a clip."""

    def __init__(self, network: OpenL3, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._network = network

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        windows = split(waveforms)
        flat = windows.flatten(0, 1)
        found = [self._network(flat[start : start + MAX_WINDOWS]) for start in range(0, len(flat), MAX_WINDOWS)]
        return clip_features(torch.cat(found).reshape(*windows.shape[:2], -1))


def split(waveforms: Tensor) -> Tensor:
    """float32 (batch, samples) -> windows (batch, n, 48000), the first with its middle at the first sample."""
    centred = F.pad(waveforms, (WINDOW // 2, 0))
    missing = WINDOW - centred.shape[1] if centred.shape[1] < WINDOW else -(centred.shape[1] - WINDOW) % HOP
    return F.pad(centred, (0, missing)).unfold(1, WINDOW, HOP)


def load(
    path: Path,
    spec: EmbedderSpec,
    *,
    sample_rate: int,
    device: str,
    cache_dir: Path | None,
    channels: tuple[int, ...] = PUBLISHED,
) -> OpenL3Embedder:
    """See :func:`reaudio_eval.features.embedders.openl3.OpenL3.load`; other ``channels`` than the published ones are for tests."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, cache_dir=cache_dir)
    what = f"an OpenL3 checkpoint such as {spec.checkpoints[0].filename}"
    network = build(lambda: OpenL3(channels), state, path=path, what=what, device=where)
    embedder = OpenL3Embedder(network, spec, sha256=sha256_file(path), device=where)
    check_finite(embedder, path)
    return embedder
