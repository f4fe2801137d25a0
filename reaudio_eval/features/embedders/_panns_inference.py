"""Cnn14 of panns-inference as an embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._packages import panns_inference_cnn14, with_weights
from reaudio_eval.features.embedders._panns import check_sample_rate, filename
from reaudio_model.common.inference import open_device
from reaudio_model.common.weights import load_state_dict, sha256_file


class PannsInferenceEmbedder(TorchEmbedder):
    """One frame a clip, and logits."""

    def __init__(self, network: Any, spec: EmbedderSpec, *, sha256: str, sample_rate: int, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=sample_rate, device=device, min_seconds=spec.min_seconds)
        self._network = network

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        logits: list[Tensor] = []  # the network returns their sigmoid alone
        hook = self._network.fc_audioset.register_forward_hook(lambda _, __, output: logits.append(output))
        try:
            embedding: Tensor = self._network(waveforms)["embedding"]
        finally:
            hook.remove()
        return clip_features(embedding[:, None], logits[0])


def load(path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None) -> PannsInferenceEmbedder:
    """See :func:`reaudio_eval.features.embedders.panns_inference.PannsInference.load`."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, wrapper="model", cache_dir=cache_dir)
    check_sample_rate(state, spec, sample_rate, path)
    what = f"the PANNs checkpoint {filename(spec, sample_rate)}"
    network = with_weights(panns_inference_cnn14(sample_rate), state, path=path, what=what, device=where)
    embedder = PannsInferenceEmbedder(network, spec, sha256=sha256_file(path), sample_rate=sample_rate, device=where)
    check_finite(embedder, path)
    return embedder
