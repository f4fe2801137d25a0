"""VGGish's front end and network in batched torch."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._frontend import mel_filters
from reaudio_model.common.inference import build, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file

SAMPLE_RATE = 16_000
WINDOW, HOP, N_FFT = 400, 160, 512  # 25 ms, 10 ms
N_MELS, F_MIN, F_MAX = 64, 125.0, 7500.0
PATCH_FRAMES = 96
LOG_OFFSET = 0.01
# Patches through the network at once, by device. The first layer makes 1.6 MB of each: few stay in a CPU's cache, and a long
# clip cannot fill the memory.
MAX_PATCHES = {"cpu": 16, "cuda": 256}


class LogMel(nn.Module):
    """Waveforms -> patches of log-mel magnitudes, ``vggish_input.py`` of torchvggish in fp32 (agrees to 1e-5)."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=True))
        self.register_buffer("filters", mel_filters(N_MELS, N_FFT, SAMPLE_RATE, F_MIN, F_MAX))

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32 (batch, samples) -> (batch, n_patches, 96, 64), natural log; an incomplete last patch is dropped."""
        frames = waveforms.unfold(-1, WINDOW, HOP) * self.window
        magnitudes = torch.fft.rfft(frames, n=N_FFT).abs()
        log_mel: Tensor = torch.log(magnitudes @ self.filters + LOG_OFFSET)
        return log_mel.unfold(1, PATCH_FRAMES, PATCH_FRAMES).transpose(2, 3)


class Widths(NamedTuple):
    """Channels of the four convolution stages, of the hidden layers, of the embedding."""

    stages: tuple[int, int, int, int]
    hidden: int
    embedding: int


PUBLISHED = Widths(stages=(64, 128, 256, 512), hidden=4096, embedding=128)


class Vggish(nn.Module):
    """Configuration A of VGG with four stages; keys as in torchvggish."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for depth, (n_in, n_out) in zip((1, 1, 2, 2), pairwise((1, *widths.stages)), strict=True):
            for n in (n_in, n_out)[:depth]:
                layers += [nn.Conv2d(n, n_out, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        self.features = nn.Sequential(*layers)
        flat = widths.stages[-1] * (PATCH_FRAMES // 16) * (N_MELS // 16)
        self.embeddings = nn.Sequential(
            nn.Linear(flat, widths.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(widths.hidden, widths.hidden),
            nn.ReLU(inplace=True),
            nn.Linear(widths.hidden, widths.embedding),
        )

    def forward(self, patches: Tensor) -> Tensor:
        """(n, 96, 64) -> (n, 128)."""
        maps = self.features(patches[:, None])
        # TensorFlow's order (time, frequency, channel), which the first linear layer was trained on
        embedding: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return embedding


class VggishEmbedder(TorchEmbedder):
    """Frames are the patches of a clip."""

    def __init__(self, network: Vggish, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._network = network
        self._log_mel = LogMel().to(device)

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        patches = self._log_mel(waveforms)
        embeddings = [self._network(chunk) for chunk in patches.flatten(0, 1).split(MAX_PATCHES[self._device.type])]
        return clip_features(torch.cat(embeddings).reshape(*patches.shape[:2], -1))


def load(
    path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None, widths: Widths = PUBLISHED
) -> VggishEmbedder:
    """See :func:`reaudio_eval.features.embedders.vggish.Vggish.load`; other ``widths`` than the published ones are for tests."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, cache_dir=cache_dir)
    what = f"the VGGish checkpoint {spec.checkpoints[0].filename}"
    network = build(lambda: Vggish(widths), state, path=path, what=what, device=where)
    embedder = VggishEmbedder(network, spec, sha256=sha256_file(path), device=where)
    check_finite(embedder, path)
    return embedder
