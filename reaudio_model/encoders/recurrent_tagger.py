"""A recurrent audio tagger with attention pooling.

Strided convolutions, a recurrent layer, attention over time (Cakir et al. 2017, arXiv 1702.06286).

It shares neither front end nor architecture with :class:`reaudio_model.encoders.tagger.Tagger`, so that the two give independent
evaluations.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reaudio_model.codec.mel import log_mel
from reaudio_model.config import MelConfig
from reaudio_model.encoders.tagger import TaggerOutput

CENTRE, SPREAD = -5.0, 3.0  # approximate mean and range of log-mel values of normalised clips


@dataclass(frozen=True)
class RecurrentConfig:
    """n_classes: C; channels: of the convolutions, each of which halves the bins and the first two also time; hidden: of the
    recurrent layer in each direction; embedding: width of the hidden layer; dropout: of the embedding, in training.
    """

    n_classes: int
    channels: tuple[int, ...] = (16, 32, 48)
    hidden: int = 96
    embedding: int = 128
    dropout: float = 0.3


class RecurrentTagger(nn.Module):
    """Waveform -> embedding and logits."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.mel = MelConfig()
        strides = [(2 if i < 2 else 1, 2) for i in range(len(config.channels))]
        widths = pairwise((1, *config.channels))
        self.convolutions = nn.Sequential(
            *(layer for (a, b), stride in zip(widths, strides, strict=True) for layer in _convolution(a, b, stride))
        )
        bins = -(-self.mel.n_mels // 2 ** len(config.channels))
        self.recurrent = nn.GRU(config.channels[-1] * bins, config.hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * config.hidden, 1)
        self.hidden = nn.Linear(2 * config.hidden, config.embedding)
        self.classifier = nn.Linear(config.embedding, config.n_classes)

    def forward(self, waveforms: Tensor) -> TaggerOutput:
        """float (B, n), mono, 16 kHz, in [-1, 1], at least 1024 samples long.

        Returns:
            One row a clip.
        """
        mel = (log_mel(waveforms, self.mel) - CENTRE) / SPREAD
        maps = self.convolutions(mel[:, None])
        states, _ = self.recurrent(maps.permute(0, 2, 1, 3).flatten(2))
        weights = self.attention(states).softmax(dim=1)
        embedding = torch.relu(self.hidden((weights * states).sum(dim=1)))
        return TaggerOutput(embedding, self.classifier(F.dropout(embedding, self.config.dropout, self.training)))


def _convolution(channels_in: int, channels_out: int, stride: tuple[int, int]) -> list[nn.Module]:
    layer = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
    return [layer, nn.BatchNorm2d(channels_out), nn.ReLU()]
