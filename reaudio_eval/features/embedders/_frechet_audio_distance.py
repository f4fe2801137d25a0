"""VGGish of frechet-audio-distance as an embedder."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._packages import frechet_audio_distance, torchvggish, with_weights
from reaudio_eval.features.embedders._vggish import SAMPLE_RATE
from reaudio_model.common.inference import open_device
from reaudio_model.common.weights import load_state_dict, sha256_file


class FrechetAudioDistanceEmbedder(TorchEmbedder):
    """Frames are the patches of a clip; the package computes one clip at a time."""

    def __init__(self, package: Any, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._package = package

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        found = []
        with redirect_stdout(sys.stderr):  # it prints the errors that it does not raise
            for waveform in waveforms.cpu().numpy():
                found += clip_features(torch.from_numpy(self._package.get_embeddings([waveform], SAMPLE_RATE))[None])
        return found


def load(
    path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None
) -> FrechetAudioDistanceEmbedder:
    """See :func:`reaudio_eval.features.embedders.frechet_audio_distance.FrechetAudioDistance.load`."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, cache_dir=cache_dir)
    what = f"the VGGish checkpoint {spec.checkpoints[0].filename}"
    network = with_weights(torchvggish(), state, path=path, what=what, device=where)
    embedder = FrechetAudioDistanceEmbedder(
        frechet_audio_distance(network, where), spec, sha256=sha256_file(path), device=where
    )
    check_finite(embedder, path)
    return embedder
