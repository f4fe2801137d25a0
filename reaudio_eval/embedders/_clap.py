"""CLAP on transformers' ``ClapModel``: loading, a batched front end, deterministic crops, text.

Agrees with laion-clap 1.1.7 (its own network, HTSAT-tiny and HTSAT-base, random weights, files in its layout) to 3e-7 in
each coordinate of the audio and text embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, ClapConfig, ClapModel
from transformers.audio_utils import mel_filter_bank

from reaudio_eval.embedders import ClipFeatures, _clap_keys
from reaudio_eval.embedders._base import (
    TorchEmbedder,
    build,
    check_finite,
    check_rate,
    clip_features,
    equal_length_batches,
    exact_inference,
    open_device,
)
from reaudio_eval.embedders.clap import SPEC
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.weights import load_state_dict, sha256_file, weights_file

SAMPLE_RATE = 48_000
CLIP_SAMPLES = 480_000  # 10 s
N_FFT, HOP = 1024, 480
N_MELS, F_MIN, F_MAX = 64, 50.0, 14_000.0  # LAION's; the class default of 0 Hz moves embeddings (cosine 0.986 to 0.995)
MIN_POWER = 1e-10
MAX_TOKENS = 77
MAX_BATCH_TOKENS = 64 * MAX_TOKENS
HUB_TOKENIZERS = ("FacebookAI/roberta-base", "roberta-base", "laion/clap-htsat-unfused")
# One word and a long sentence: a broken text encoder gives them the same direction (cosine 0.9996 was seen in a
# half-loaded model), a trained one about 0, and even random weights stay below the limit.
SELF_TEST_TEXTS = (
    "Rain",
    "A man speaks into a microphone in a large hall while a crowd laughs and applauds, then a trumpet, two violins and a "
    "piano begin to play a slow waltz and a glass breaks on the floor",
)
SELF_TEST_COSINE = 0.999


class LogMel(nn.Module):
    """Ten seconds -> decibels in 64 Slaney mel bands.

    ``ClapFeatureExtractor`` (frequency_min 50, frequency_max 14000, truncation "rand_trunc") in fp32 and in batches; agrees
    to 1e-3 dB on noise.
    """

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        filters = mel_filter_bank(
            N_FFT // 2 + 1, N_MELS, F_MIN, F_MAX, sampling_rate=SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("window", torch.hann_window(N_FFT, periodic=True))
        self.register_buffer("filters", torch.from_numpy(filters).float())

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32 (batch, 480000) -> (batch, 1, 1001, 64)."""
        spectrum = torch.stft(waveforms, N_FFT, hop_length=HOP, window=self.window, center=True, return_complex=True)
        power = (spectrum.real**2 + spectrum.imag**2).transpose(1, 2)
        return 10.0 * torch.log10(torch.clamp(power @ self.filters, min=MIN_POWER))[:, None]


class ClapEmbedder(TorchEmbedder):
    """One unit-norm frame a clip, and unit-norm text embeddings."""

    def __init__(self, network: ClapModel, tokenizer: Any, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=SPEC.min_seconds)
        self._network = network
        self._tokenizer = tokenizer
        self._log_mel = LogMel().to(device)
        text: Any = network.config.text_config  # RoBERTa counts positions from pad_token_id + 1
        self._max_tokens = min(MAX_TOKENS, text.max_position_embeddings - text.pad_token_id - 1)

    def _prepare(self, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        head = super()._prepare(waveform[:CLIP_SAMPLES])
        repeated = np.tile(head, CLIP_SAMPLES // len(head))
        return np.pad(repeated, (0, CLIP_SAMPLES - len(repeated)))

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        embeddings = self._network.get_audio_features(input_features=self._log_mel(waveforms)).pooler_output
        return clip_features(embeddings[:, None])

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), 512), unit norm, in the space of ``embed``'s frames.

        Captions are cut at 77 tokens and batched with others of the same number of tokens, so nothing is padded (padding
        to 77 with a mask, as LAION does, gives the same to 1e-6).
        """
        size = self._network.config.projection_dim
        embeddings = np.zeros((len(captions), size), dtype=np.float32)
        if not captions:
            return embeddings
        tokens: list[list[int]] = self._tokenizer(list(captions), truncation=True, max_length=self._max_tokens)["input_ids"]
        for rows in equal_length_batches([len(t) for t in tokens], MAX_BATCH_TOKENS):
            batch = torch.tensor([tokens[row] for row in rows], device=self._device)
            with exact_inference():
                embeddings[rows] = self._network.get_text_features(input_ids=batch).pooler_output.cpu().numpy()
        return embeddings


def load(path: Path, *, sample_rate: int, device: str, cache_dir: Path | None) -> ClapEmbedder:
    """See :func:`reaudio_eval.embedders.clap.load`."""
    check_rate(SPEC.title, sample_rate, SPEC.sample_rates)
    where = open_device(device)
    weights = weights_file(path)
    state = load_state_dict(weights, wrapper="state_dict", cache_dir=cache_dir)
    config, state = _folder_config(path, state) if path.is_dir() else _laion_config(path, state)
    _add_buffers(state, config)
    what = f"a CLAP checkpoint such as {SPEC.checkpoints[0].filename}"
    network = build(lambda: ClapModel(config), state, path=path, what=what, device=where)
    tokenizer = _tokenizer(path, cache_dir, config.text_config.vocab_size)
    embedder = ClapEmbedder(network, tokenizer, sha256=sha256_file(weights), device=where)
    check_finite(embedder, path)
    _check_text(embedder, path)
    return embedder


def _folder_config(folder: Path, state: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    try:
        config: Any = ClapConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"The folder {folder} has no readable config.json of a CLAP model.") from error
    if config.audio_config.enable_fusion:
        raise _fusion_refused(folder)
    return config, state


def _laion_config(path: Path, state: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    stripped = _clap_keys.strip(state)
    if _clap_keys.has_fusion(stripped):
        raise _fusion_refused(path)
    renamed = _clap_keys.rename(stripped)
    try:
        return ClapConfig(**_clap_keys.config_kwargs(renamed)), renamed
    except KeyError as error:
        expected = f"a LAION-CLAP checkpoint with an HTSAT audio encoder such as {SPEC.checkpoints[0].filename}"
        raise CheckpointError(f"{path} is not {expected}: {error.args[0]} is missing.") from error


def _fusion_refused(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path} is a CLAP model with feature fusion, which crops long clips at random and is not supported: "
        f"use one without, such as {SPEC.checkpoints[0].filename}."
    )


def _add_buffers(state: dict[str, Tensor], config: Any) -> None:
    """Constants that the model keeps among its weights and that files may lack."""
    n = config.text_config.max_position_embeddings
    state.setdefault("text_model.embeddings.position_ids", torch.arange(n)[None])
    state.setdefault("text_model.embeddings.token_type_ids", torch.zeros(1, n, dtype=torch.long))


def _tokenizer(path: Path, cache_dir: Path | None, vocab_size: int) -> Any:
    """The first tokenizer of the right size; an empty one, which would give every text the same ids, is passed over."""
    folders = [path, path / "tokenizer"] if path.is_dir() else [path.parent / "tokenizer"]
    folders += [cache_dir / "tokenizer"] if cache_dir is not None else []
    refused = ""
    for place in [*(str(f) for f in folders if f.is_dir()), *HUB_TOKENIZERS]:
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
        except (OSError, ValueError):
            continue
        if len(tokenizer) == vocab_size:
            return tokenizer
        refused = f" (the one in {place} has {len(tokenizer)} tokens, the text encoder reads {vocab_size})"
    raise CheckpointError(
        f"There is no tokenizer for {path}{refused}: put tokenizer.json and config.json of {SPEC.tokenizer} into "
        f"{folders[-1]}, or give --allow-download."
    )


def _check_text(embedder: ClapEmbedder, path: Path) -> None:
    one, other = embedder.embed_text(SELF_TEST_TEXTS)
    cosine = float(one @ other)
    if not cosine <= SELF_TEST_COSINE:
        raise CheckpointError(
            f"{path} gives two unrelated sentences the cosine {cosine:.4f}: its text encoder is not loaded correctly; use "
            "another file or another version of transformers."
        )
