"""Cnn14 of PANNs with its front end, whose kernels lie in the checkpoint.

Equal to the bit to ``Cnn14`` of panns_inference 0.1.1 with torchlibrosa 0.1.0, both sample rates, on random weights and
10 s of noise (same CPU, batch of 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import build, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file

N_MELS = 64
N_CLASSES = 527
MIN_POWER = 1e-10
N_FFT = {16_000: 512, 32_000: 1024}  # sample rate -> samples
HOP = {16_000: 160, 32_000: 320}  # 10 ms
PUBLISHED = (64, 128, 256, 512, 1024, 2048)


class Stft(nn.Module):
    """The Fourier transform as two convolutions."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.conv_real = nn.Conv1d(1, n_fft // 2 + 1, n_fft, stride=hop, bias=False)
        self.conv_imag = nn.Conv1d(1, n_fft // 2 + 1, n_fft, stride=hop, bias=False)
        self.margin = n_fft // 2

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) -> power (batch, n_frames, n_bins); frames are centred, the ends mirrored."""
        padded = F.pad(waveforms[:, None], (self.margin, self.margin), mode="reflect")
        power: Tensor = self.conv_real(padded) ** 2 + self.conv_imag(padded) ** 2
        return power.transpose(1, 2)


class Spectrogram(nn.Module):
    """Only there to give :class:`Stft` its published name."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.stft = Stft(n_fft, hop)

    def forward(self, waveforms: Tensor) -> Tensor:
        power: Tensor = self.stft(waveforms)
        return power


class LogMel(nn.Module):
    """Power spectrogram -> decibels in mel bands."""

    def __init__(self, n_bins: int) -> None:
        super().__init__()
        self.melW = nn.Parameter(torch.empty(n_bins, N_MELS))

    def forward(self, power: Tensor) -> Tensor:
        return 10.0 * torch.log10(torch.clamp(power @ self.melW, min=MIN_POWER))


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions, each with batch norm and ReLU, then average pooling."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(n_out, n_out, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.bn2 = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor, pool: int) -> Tensor:
        x = F.relu_(self.bn1(self.conv1(x)))
        x = F.relu_(self.bn2(self.conv2(x)))
        return F.avg_pool2d(x, pool) if pool > 1 else x


class Cnn14(nn.Module):
    """Waveforms -> (embedding, logits); keys as published."""

    def __init__(self, sample_rate: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        n_fft, hop, width = N_FFT[sample_rate], HOP[sample_rate], channels[-1]
        self.spectrogram_extractor = Spectrogram(n_fft, hop)
        self.logmel_extractor = LogMel(n_fft // 2 + 1)
        self.bn0 = nn.BatchNorm2d(N_MELS)
        for number, (n_in, n_out) in enumerate(pairwise((1, *channels)), start=1):
            self.add_module(f"conv_block{number}", ConvBlock(n_in, n_out))
        self.fc1 = nn.Linear(width, width)
        self.fc_audioset = nn.Linear(width, N_CLASSES)

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) -> decibels (batch, n_frames, 64)."""
        decibels: Tensor = self.logmel_extractor(self.spectrogram_extractor(waveforms))
        return decibels

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, samples) -> ReLU(fc1) (batch, 2048), logits (batch, 527)."""
        x = self.bn0(self.log_mel(waveforms)[:, None].transpose(1, 3)).transpose(1, 3)
        for number in range(1, 7):
            x = self.get_submodule(f"conv_block{number}")(x, pool=1 if number == 6 else 2)
        x = x.mean(dim=3)  # over frequency
        x = x.amax(dim=2) + x.mean(dim=2)  # over time
        embedding = F.relu_(self.fc1(x))
        return embedding, self.fc_audioset(embedding)


class PannsEmbedder(TorchEmbedder):
    """One frame a clip, and logits."""

    def __init__(self, network: Cnn14, spec: EmbedderSpec, *, sha256: str, sample_rate: int, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=sample_rate, device=device, min_seconds=spec.min_seconds)
        self._network = network

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        embedding, logits = self._network(waveforms)
        return clip_features(embedding[:, None], logits)


def load(
    path: Path,
    spec: EmbedderSpec,
    *,
    sample_rate: int,
    device: str,
    cache_dir: Path | None,
    channels: tuple[int, ...] = PUBLISHED,
) -> PannsEmbedder:
    """See :func:`reaudio_eval.features.embedders.panns.Panns.load`; other ``channels`` than the published ones are for tests."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, wrapper="model", cache_dir=cache_dir)
    check_sample_rate(state, spec, sample_rate, path)
    what = f"the PANNs checkpoint {filename(spec, sample_rate)}"
    network = build(lambda: Cnn14(sample_rate, channels), state, path=path, what=what, device=where)
    embedder = PannsEmbedder(network, spec, sha256=sha256_file(path), sample_rate=sample_rate, device=where)
    check_finite(embedder, path)
    return embedder


def filename(spec: EmbedderSpec, sample_rate: int) -> str:
    return next(c.filename for c in spec.checkpoints if c.sample_rate == sample_rate)


def check_sample_rate(state: Mapping[str, Tensor], spec: EmbedderSpec, sample_rate: int, path: Path) -> None:
    """Raises CheckpointError for the file of another rate, by its mel filters. ``build`` reports a file without them."""
    filters = state.get("logmel_extractor.melW")
    rates = {n_fft // 2 + 1: rate for rate, n_fft in N_FFT.items()}
    rate = rates.get(filters.shape[0]) if filters is not None else None
    if rate is not None and rate != sample_rate:
        raise CheckpointError(
            f"{path} is the PANNs checkpoint for {rate} Hz, but {sample_rate} Hz is asked for: "
            f"give {filename(spec, sample_rate)}, or choose a protocol at {rate} Hz."
        )
