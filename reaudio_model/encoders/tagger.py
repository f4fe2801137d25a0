"""A small convolutional audio tagger.

The architecture of PANNs' Cnn6/Cnn14 (Kong et al. 2020, arXiv 1912.10211) at any width: log-mel, batch norm over bins, blocks of
two 3 x 3 convolutions and 2 x 2 average pooling, mean over frequency, mean plus maximum over time, one hidden layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reaudio_model.encoders.audio_mae import fbank


@dataclass(frozen=True)
class TaggerConfig:
    """n_classes: C; channels: of each block; embedding: width of the hidden layer; n_bins: of the filter bank; dropout: of the
    embedding, in training. The defaults make 0.31 M parameters for 20 classes; (64, ..., 2048) and 2048 would be Cnn14's widths.
    """

    n_classes: int
    channels: tuple[int, ...] = (16, 32, 64, 128)
    embedding: int = 128
    n_bins: int = 64
    dropout: float = 0.2


class TaggerOutput(NamedTuple):
    """embedding: float (B, embedding), not negative; logits: float (B, C), of independent classes (sigmoid)."""

    embedding: Tensor
    logits: Tensor


class Tagger(nn.Module):
    """Waveform -> embedding and logits."""

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.norm = nn.BatchNorm1d(config.n_bins)
        self.blocks = nn.ModuleList(_block(a, b) for a, b in pairwise((1, *config.channels)))
        self.hidden = nn.Linear(config.channels[-1], config.embedding)
        self.classifier = nn.Linear(config.embedding, config.n_classes)

    def forward(self, waveforms: Tensor) -> TaggerOutput:
        """float (B, n), mono, 16 kHz, in [-1, 1], at least ``25 ms + (2 ** blocks - 1) * 10 ms`` long.

        Returns:
            One row a clip.
        """
        bank = fbank(waveforms, self.config.n_bins)
        maps = self.norm(bank.transpose(1, 2)).transpose(1, 2)[:, None]
        for block in self.blocks:
            maps = F.avg_pool2d(block(maps), 2)
        over_time = maps.mean(dim=3)
        pooled = over_time.mean(dim=2) + over_time.amax(dim=2)
        embedding = torch.relu(self.hidden(pooled))
        logits = self.classifier(F.dropout(embedding, self.config.dropout, self.training))
        return TaggerOutput(embedding, logits)


def _block(channels_in: int, channels_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (channels_in, channels_out):
        layers += [nn.Conv2d(width, channels_out, 3, padding=1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()]
    return nn.Sequential(*layers)
