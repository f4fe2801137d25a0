"""The miniature's taggers as embedders: one vector a clip, and logits of the miniature's classes in alphabetical order."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import open_device
from reaudio_model.common.weights import checkpoint_sha256
from reaudio_model.miniature.world import train_counts
from reaudio_model.taggers.tagger_files import load_tagger

SAMPLE_RATE = 16_000
MIN_SECONDS = 0.32
VOCABULARY = "miniature-classes"


class TaggerEmbedder(TorchEmbedder):
    """A tagger of :mod:`reaudio_model.taggers.tagger_files`."""

    def __init__(self, folder: Path, *, sample_rate: int, device: str) -> None:
        check_rate("The miniature's tagger", sample_rate, (SAMPLE_RATE,))
        where = open_device(device)
        super().__init__(sha256=checkpoint_sha256(folder), sample_rate=SAMPLE_RATE, device=where, min_seconds=MIN_SECONDS)
        self._network, classes = load_tagger(folder, device=where)
        if list(classes) != sorted(train_counts()):
            raise CheckpointError(f"{folder} is a tagger of other classes than the miniature's.")
        check_finite(self, folder)

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        with torch.inference_mode():
            embedding, logits = self._network(waveforms)
        return clip_features(embedding[:, None], logits)
