"""The CLAP of :mod:`reaudio_model.encoders.clap` as an embedder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_model.common.inference import open_device
from reaudio_model.common.weights import checkpoint_sha256
from reaudio_model.encoders.clap import Clap, load_clap


class ClapEmbedder(TorchEmbedder):
    """One unit-norm frame a clip, and unit-norm text embeddings."""

    def __init__(self, clap: Clap, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=clap.sample_rate, device=device, min_seconds=spec.min_seconds)
        self._clap = clap

    @property
    def encoder_sha256(self) -> str:
        """Identity of the network and its vocabulary, as a ``RetrievalIndex`` made with it names it."""
        return self._clap.sha256

    def _prepare(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._clap.front_end.fit(super()._prepare(waveform))

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        return clip_features(self._clap.audio_features(waveforms)[:, None])

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), 512), unit norm, in the space of ``embed``'s frames (:meth:`Clap.embed_text`)."""
        return self._clap.embed_text(captions).cpu().numpy()


def load(path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None) -> ClapEmbedder:
    """See :func:`reaudio_eval.features.embedders.clap.Clap.load`."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    clap = load_clap(path, device=where, cache_dir=cache_dir)
    check_rate(f"The CLAP in {path}", sample_rate, (clap.sample_rate,))
    embedder = ClapEmbedder(clap, spec, sha256=checkpoint_sha256(path), device=where)
    check_finite(embedder, path)
    return embedder
