"""The miniature's taggers: one vector a clip, logits of its classes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import open_device
from reaudio_model.common.weights import checkpoint_sha256
from reaudio_model.encoders.tagger_files import load_tagger
from reaudio_model.miniature.world import train_counts


class TaggerEmbedder(TorchEmbedder):
    """A tagger of :mod:`reaudio_model.encoders.tagger_files`; its logits are of the miniature's classes in alphabetical order."""

    def __init__(self, folder: Path, spec: EmbedderSpec, *, sample_rate: int, device: str) -> None:
        check_rate("The miniature's tagger", sample_rate, spec.sample_rates)
        where = open_device(device)
        super().__init__(
            sha256=checkpoint_sha256(folder), sample_rate=sample_rate, device=where, min_seconds=spec.min_seconds
        )
        self._network, classes = load_tagger(folder, device=where)
        if list(classes) != sorted(train_counts()):
            raise CheckpointError(f"{folder} is a tagger of other classes than the miniature's.")
        check_finite(self, folder)

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        with torch.inference_mode():
            embedding, logits = self._network(waveforms)
        return clip_features(embedding[:, None], logits)
