"""CLAP: embeddings of text and audio.

transformers' ``ClapModel``, loaded from both checkpoint layouts, with a batched front end and deterministic crops.

Agrees with laion-clap 1.1.7 (its own network, HTSAT-tiny and HTSAT-base, random weights, files in its layout) to 3e-7 for audio
and 2e-6 for text, relative to the largest coordinate (``benchmarks/crosscheck.py``). Wu et al. 2023, arXiv 2211.06687.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, ClapConfig, ClapModel

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.inference import TOKENIZERS, build, equal_length_batches, exact_inference, network_sha256
from reaudio_model.common.resample import Samples
from reaudio_model.common.weights import load_state_dict, tokenizer_folders, weights_file
from reaudio_model.encoders import clap_keys
from reaudio_model.encoders.clap_front_end import LogMel, front_end_of

_LOG = logging.getLogger(__name__)
MAX_TOKENS = 77
MAX_BATCH_TOKENS = 64 * MAX_TOKENS
MAX_BATCH_CLIPS = 32
HUB_TOKENIZERS = ("FacebookAI/roberta-base", "roberta-base", "laion/clap-htsat-unfused")
EXAMPLE = "music_speech_audioset_epoch_15_esc_89.98.pt"  # named in messages
# One word and a long sentence: a broken text encoder maps them to the same direction (cosine 0.9996 in a partly loaded model), a trained
# one to a cosine of about 0; random weights stay below the limit.
SELF_TEST_TEXTS = (
    "Rain",
    "A man speaks into a microphone in a large hall while a crowd laughs and applauds, then a trumpet, two violins and a "
    "piano begin to play a slow waltz and a glass breaks on the floor",
)
SELF_TEST_COSINE = 0.999


class Clap:
    """A CLAP model and its tokenizer: unit-norm embeddings of text and of audio in one space.

    Args:
        network: in evaluation mode.
        tokenizer: of its text encoder; None if only audio is embedded.
    """

    def __init__(self, network: ClapModel, tokenizer: Any) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.front_end = front_end_of(network.config)
        self._log_mel = LogMel(self.front_end)
        self.max_tokens = text_length(network.config.text_config)

    @property
    def dim(self) -> int:
        """Width of the space (512 in the published models)."""
        return int(self.network.config.projection_dim)

    @property
    def sample_rate(self) -> int:
        """Sample rate of its audio, in Hz."""
        return self.front_end.sample_rate

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of weights and vocabulary: identity of the embedding space, independent of the file."""
        return canonical_sha256([network_sha256(self.network), self.tokenizer.get_vocab()])

    def embed_text(self, captions: Sequence[str]) -> Tensor:
        """float32 (len(captions), dim) on the network's device, unit norm.

        Captions are truncated to ``max_tokens`` (LAION's 77, unless it is set), with a warning in the log, and batched by number of tokens,
        without padding (padding to 77 with a mask, as LAION does, gives the same to 1e-6).
        """
        embeddings = torch.zeros(len(captions), self.dim, device=self.network.device)
        with TOKENIZERS:
            tokens = [self._tokens(caption) for caption in captions]
        for rows in equal_length_batches([len(t) for t in tokens], MAX_BATCH_TOKENS):
            batch = torch.tensor([tokens[row] for row in rows], device=self.network.device)
            with exact_inference():
                embeddings[rows] = self.text_features(batch)
        return embeddings

    def _tokens(self, caption: str) -> list[int]:
        # one at a time: a batch would hide the length before truncation
        kept: list[int] = self.tokenizer(caption, truncation=True, max_length=self.max_tokens)["input_ids"]
        if len(kept) == self.max_tokens:
            n_tokens = len(self.tokenizer(caption)["input_ids"])
            if n_tokens > self.max_tokens:
                start = " ".join(caption.split()[:6])
                _LOG.warning("The text %r... has %d tokens; CLAP read the first %d.", start, n_tokens, self.max_tokens)
        return kept

    def embed_audio(self, waveforms: Sequence[Samples]) -> Tensor:
        """float32 (len(waveforms), dim) on the network's device, unit norm, of the head of each (``front_end.fit``).

        Args:
            waveforms: each float32 (n >= 1,), mono, [-1, 1], at ``sample_rate``.
        """
        embeddings = torch.zeros(len(waveforms), self.dim, device=self.network.device)
        for start in range(0, len(waveforms), MAX_BATCH_CLIPS):
            clips = [self.front_end.fit(waveform) for waveform in waveforms[start : start + MAX_BATCH_CLIPS]]
            with exact_inference():
                features = self.audio_features(torch.from_numpy(np.stack(clips)).to(self.network.device))
            embeddings[start : start + len(clips)] = features
        return embeddings

    def text_features(self, tokens: Tensor) -> Tensor:
        """int64 (batch, n) tokens on the network's device, none of them padding -> float32 (batch, dim), unit norm."""
        features: Tensor = self.network.get_text_features(input_ids=tokens).pooler_output
        return features.float()

    def audio_features(self, clips: Tensor) -> Tensor:
        """float32 (batch, front_end.n_samples) on the network's device -> float32 (batch, dim), unit norm."""
        log_mel = self._log_mel.to(clips.device)(clips).to(self.network.dtype)
        features: Tensor = self.network.get_audio_features(input_features=log_mel).pooler_output
        return features.float()


def text_length(config: Any, most: int = MAX_TOKENS) -> int:
    """Most tokens of a text, by the configuration of a text encoder; RoBERTa counts positions from ``pad_token_id + 1``."""
    return min(most, int(config.max_position_embeddings - config.pad_token_id - 1))


def load_clap(path: Path, *, device: torch.device, cache_dir: Path | None = None) -> Clap:
    """CLAP from a folder of transformers' ``ClapModel``, from LAION's ``.pt`` (HTSAT-tiny or -base, without fusion), or from a saved
    pipeline of this package (its folder, or ``clap/`` in it).

    A complete AudioLDM, which includes its CLAP, is read too. The tokenizer is searched in the checkpoint's folder, in ``tokenizer/`` in or
    beside it, in a pipeline's ``clap_tokenizer/``, and that of RoBERTa in ``cache_dir/tokenizer`` and in the Hugging Face cache.

    Raises:
        CheckpointError: missing, damaged, unsafe, another network's file, a fusion model, no usable tokenizer, or a text
            encoder that gives two unrelated sentences the same embedding.
    """
    file = weights_file(path, part="clap")
    path = file.parent if path.is_dir() else path
    state = load_state_dict(file, wrapper="state_dict", cache_dir=cache_dir)
    config, state = _folder_config(path, state) if path.is_dir() else _laion_config(path, state)
    _add_buffers(state, config)
    what = f"a CLAP checkpoint such as {EXAMPLE}"
    network = build(lambda: ClapModel(config), state, path=path, what=what, device=device)
    clap = Clap(network, load_tokenizer(path, cache_dir, config.text_config.vocab_size))
    check_text(clap.embed_text, path)
    return clap


def _folder_config(folder: Path, state: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    try:
        config: Any = ClapConfig.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"The folder {folder} has no readable config.json of a CLAP model.") from error
    if config.audio_config.enable_fusion:
        raise fusion_refused(folder)
    return config, state


def _laion_config(path: Path, state: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
    stripped = clap_keys.strip(state)
    if clap_keys.has_fusion(stripped):
        raise fusion_refused(path)
    renamed = clap_keys.rename(stripped)
    try:
        return ClapConfig(**clap_keys.config_kwargs(renamed)), renamed
    except KeyError as error:
        expected = f"a LAION-CLAP checkpoint with an HTSAT audio encoder such as {EXAMPLE}"
        raise CheckpointError(f"{path} is not {expected}: {error.args[0]} is missing.") from error


def fusion_refused(path: Path) -> CheckpointError:
    """Of a checkpoint with feature fusion."""
    return CheckpointError(
        f"{path} is a CLAP model with feature fusion, which crops long clips at random and is not supported: "
        f"use one without, such as {EXAMPLE}."
    )


def _add_buffers(state: dict[str, Tensor], config: Any) -> None:
    """Add constant buffers that files may lack."""
    n = config.text_config.max_position_embeddings
    state.setdefault("text_model.embeddings.position_ids", torch.arange(n)[None])
    state.setdefault("text_model.embeddings.token_type_ids", torch.zeros(1, n, dtype=torch.long))


def load_tokenizer(
    path: Path,
    cache_dir: Path | None,
    vocab_size: int,
    hub_ids: Sequence[str] = HUB_TOKENIZERS,
    folder: str = "tokenizer",
) -> Any:
    """The first tokenizer of the right size; an empty one, which would map every text to the same ids, is skipped.

    Args:
        path: of the checkpoint.
        cache_dir: the cache, or None; places beside the checkpoint are searched first (``tokenizer_folders``).
        vocab_size: number of tokens that the network reads.
        hub_ids: repositories that are looked for in the Hugging Face cache, the one that messages name first.
        folder: which messages name.

    Raises:
        CheckpointError: there is none.
    """
    refused = ""
    for place in [*map(str, tokenizer_folders(path, cache_dir)), *hub_ids]:
        tokenizer = _tokenizer_in(place)
        if tokenizer is None:
            continue
        if len(tokenizer) == vocab_size:
            return tokenizer
        refused = f" (the one in {place} has {len(tokenizer)} tokens, the text encoder reads {vocab_size})"
    raise CheckpointError(
        f"There is no tokenizer for {path}{refused}: put tokenizer.json and config.json of {hub_ids[0]} into "
        f"{(cache_dir or path.parent) / folder}."
    )


def tokenizer_place(path: Path, cache_dir: Path | None) -> str | None:
    """Folder or repository of the tokenizer that is searched for a checkpoint (:func:`load_clap`); None if there is none."""
    places = [*map(str, tokenizer_folders(path, cache_dir)), *HUB_TOKENIZERS]
    return next((place for place in places if _tokenizer_in(place) is not None), None)


def _tokenizer_in(place: str) -> Any | None:
    """None where there is none, or a damaged one."""
    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=True)
    except Exception:  # noqa: BLE001 - a damaged file can raise any exception
        return None


def check_text(embed_text: Callable[[Sequence[str]], Any], path: Path) -> None:
    """Raises CheckpointError where two unrelated sentences have nearly the same embedding. ``embed_text``: texts -> unit vectors."""
    one, other = embed_text(SELF_TEST_TEXTS)
    cosine = float(one @ other)
    if not cosine <= SELF_TEST_COSINE:
        raise CheckpointError(
            f"{path} gives two unrelated sentences the cosine {cosine:.4f}: its text encoder is not loaded correctly; use "
            "another file or another version of transformers."
        )
