"""CLAP of laion-clap as an embedder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._packages import laion_clap_module, with_weights
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import TOKENIZERS, exact_inference, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file
from reaudio_model.encoders import clap_keys
from reaudio_model.encoders.clap import EXAMPLE, check_text, fusion_refused, load_clap, load_tokenizer

MAX_SAMPLES = 480_000  # 10 s; of longer clips the package takes a random part
TEXT_BATCH = 64
ARCHITECTURES = {96: "HTSAT-tiny", 128: "HTSAT-base"}  # width of the first patches -> name in the package
_PATCHES = "audio_branch.patch_embed.proj.weight"
_WORDS = "text_branch.embeddings.word_embeddings.weight"
_POSITIONS = "text_branch.embeddings.position_ids"  # in files of older transformers


class LaionClapEmbedder(TorchEmbedder):
    """One unit-norm frame a clip, and unit-norm text embeddings."""

    def __init__(
        self, module: Any, spec: EmbedderSpec, path: Path, *, sample_rate: int, device: torch.device, cache_dir: Path | None
    ) -> None:
        super().__init__(sha256=sha256_file(path), sample_rate=sample_rate, device=device, min_seconds=spec.min_seconds)
        self._module, self._path, self._cache_dir = module, path, cache_dir

    @cached_property
    def encoder_sha256(self) -> str:
        """That of :class:`reaudio_model.encoders.clap.Clap` with these weights, which indexes are made with."""
        return load_clap(self._path, device=torch.device("cpu"), cache_dir=self._cache_dir).sha256

    def _prepare(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return super()._prepare(waveform)[:MAX_SAMPLES]

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        found: Tensor = self._module.get_audio_embedding_from_data(list(waveforms), use_tensor=True)
        return clip_features(found[:, None])

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), 512), unit norm, of the first 77 tokens, in the space of ``embed``'s frames."""
        rows = [np.zeros((0, self._module.model.joint_embed_shape), dtype=np.float32)]
        for start in range(0, len(captions), TEXT_BATCH):
            with TOKENIZERS, exact_inference():
                batch = self._module.get_text_embedding(list(captions[start : start + TEXT_BATCH]), use_tensor=True)
            rows.append(batch.float().cpu().numpy())
        return np.concatenate(rows)


def load(path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None) -> LaionClapEmbedder:
    """See :func:`reaudio_eval.features.embedders.laion_clap.LaionClap.load`."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = clap_keys.strip(load_state_dict(path, wrapper="state_dict", cache_dir=cache_dir))
    architecture = _architecture(state, path)
    module = laion_clap_module(architecture, load_tokenizer(path, cache_dir, state[_WORDS].shape[0]))
    if _POSITIONS not in module.model.state_dict():
        state.pop(_POSITIONS, None)
    with_weights(module.model, state, path=path, what=f"a LAION-CLAP checkpoint such as {EXAMPLE}", device=where)
    embedder = LaionClapEmbedder(module, spec, path, sample_rate=sample_rate, device=where, cache_dir=cache_dir)
    check_finite(embedder, path)
    check_text(embedder.embed_text, path)
    return embedder


def _architecture(state: Mapping[str, Tensor], path: Path) -> str:
    if clap_keys.has_fusion(state):
        raise fusion_refused(path)
    width = state[_PATCHES].shape[0] if _PATCHES in state and _WORDS in state else 0
    if width not in ARCHITECTURES:
        raise CheckpointError(f"{path} is not a LAION-CLAP checkpoint with an HTSAT audio encoder such as {EXAMPLE}.")
    return ARCHITECTURES[width]
