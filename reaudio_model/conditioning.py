"""What the denoiser is told: E^t by CLAP, E^ra by AudioMAE, E^rt by T5, and the null of each (arXiv 2309.08051, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from reaudio_model.audio_mae import audio_mae_input, audio_mae_tokens, prepare_clip
from reaudio_model.clap import Clap
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.inference import exact_inference, network_sha256
from reaudio_model.config import ConditionConfig, Retrieval
from reaudio_model.records import Conditioning, Neighbour, Pair

if TYPE_CHECKING:
    from transformers import T5EncoderModel, ViTModel

    from reaudio_model.features import FeatureStore

ENCODE_BATCH = 16  # retrieved pairs encoded at a time


class PairTokens(NamedTuple):
    """Tokens of n retrieved pairs, on the CPU or a device.

    Attributes:
        audio: float (n, mae_tokens, mae_dim).
        captions: float (n, t5_length, t5_dim); None for a model that reads retrieved audio only.
        captions_mask: bool (n, t5_length), True at the tokens of the caption (its end mark included).
    """

    audio: Tensor
    captions: Tensor | None
    captions_mask: Tensor | None


class Conditioner:
    """The three frozen encoders. What is absent is not retrieved: no AudioMAE means no retrieval, no T5 means audio only.

    Args:
        config: sizes; the encoders must agree with them.
        clap: the text encoder of E^t (and of retrieval).
        audio_mae: :func:`reaudio_model.audio_mae.build_audio_mae`, or None.
        t5: a T5 encoder, or None.
        t5_tokenizer: of ``t5``.

    Raises:
        CheckpointError: an encoder of another width than ``config`` says.
        ValueError: T5 without AudioMAE, or without its tokenizer.
    """

    def __init__(
        self,
        config: ConditionConfig,
        clap: Clap,
        audio_mae: ViTModel | None = None,
        t5: T5EncoderModel | None = None,
        t5_tokenizer: Any = None,
    ) -> None:
        if t5 is not None and (audio_mae is None or t5_tokenizer is None):
            raise ValueError("T5 needs its tokenizer, and AudioMAE beside it")
        _check_width("CLAP", clap.dim, config.clap_dim)
        if audio_mae is not None:
            _check_width("AudioMAE", audio_mae.config.hidden_size, config.mae_dim)
        if t5 is not None:
            _check_width("T5", t5.config.d_model, config.t5_dim)
        self.config = config
        self.clap = clap
        self.audio_mae = audio_mae
        self.t5 = t5
        self.t5_tokenizer = t5_tokenizer

    @property
    def retrieval(self) -> Retrieval:
        """What the encoders that are there can read."""
        if self.audio_mae is None:
            return "none"
        return "audio" if self.t5 is None else "audio+text"

    @property
    def device(self) -> torch.device:
        """Where the encoders lie, and the conditioning with them."""
        return torch.device(self.clap.network.device)

    def to(self, device: torch.device) -> Conditioner:
        """Moves every encoder, in place."""
        for network in (self.clap.network, self.audio_mae, self.t5):
            if network is not None:
                network.to(device)
        return self

    def identity(self) -> dict[str, str]:
        """SHA-256 (hex) of the encoders of retrieved pairs, by name: what stored features must have been made with."""
        hashes = {}
        if self.audio_mae is not None:
            hashes["audio_mae"] = network_sha256(self.audio_mae)
        if self.t5 is not None:
            hashes["t5"] = canonical_sha256([network_sha256(self.t5), self.t5_tokenizer.get_vocab()])
        return hashes

    def condition(
        self,
        prompts: Sequence[str],
        neighbours: Sequence[Sequence[Neighbour]] | None = None,
        *,
        k: int = 0,
        features: FeatureStore | None = None,
    ) -> Conditioning:
        """The conditioning of a batch of prompts.

        Args:
            prompts: not empty; CLAP reads the first 77 tokens of each (a longer one is logged).
            neighbours: of each prompt, the first k by rank are used; None when nothing was retrieved. A prompt with fewer
                than k has zeros, masked out, in the places that are left.
            k: slots for retrieved pairs; 0 leaves one slot, masked out for every prompt, so that the denoiser's attention
                always has something to attend to.
            features: stored tokens; pairs that are not in it are encoded now.

        Returns:
            float32, on the encoders' device.

        Raises:
            ReaudioError: no prompts or an empty one; a pair without audio that is not in ``features``.
            AudioError: a retrieved file that cannot be decoded.
            ValueError: as many lists of neighbours as prompts are needed; k below 0.
        """
        _check_prompts(prompts)
        if k < 0:
            raise ValueError(f"k must be 0 or more, not {k}")
        if neighbours is not None and len(neighbours) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts, but neighbours of {len(neighbours)}")
        text = self.clap.embed_text(prompts)
        if self.retrieval == "none":
            return Conditioning(text)
        first = [sorted(found, key=lambda n: n.rank)[:k] for found in neighbours or [[]] * len(prompts)]
        pairs = {n.pair.clip_id: n.pair for found in first for n in found}
        slots = torch.full((len(prompts), max(k, 1)), -1, device=self.device)
        rows = {clip_id: row for row, clip_id in enumerate(pairs)}
        for i, found in enumerate(first):
            slots[i, : len(found)] = torch.tensor([rows[n.pair.clip_id] for n in found], dtype=torch.long)
        return self._assemble(text, slots, self._tokens(list(pairs.values()), features))

    def null(self, batch: int, *, k: int = 0) -> Conditioning:
        """The conditioning of nothing, for guidance: E^t = CLAP(""), E^ra zeros, E^rt = T5("") in each of the k slots.

        Both masks are all True, as in the framework (``conditional_models.py``): the model attends to the zeros. Its 50
        T5 tokens are those of the padded empty text, pads included.

        Args:
            batch: rows, all alike.
            k: slots, as in :meth:`condition`.

        Returns:
            float32, on the encoders' device.
        """
        slots = max(k, 1)
        text = self.clap.embed_text([""]).expand(batch, -1)
        if self.retrieval == "none":
            return Conditioning(text)
        cfg = self.config
        audio = torch.zeros(batch, slots * cfg.mae_tokens, cfg.mae_dim, device=self.device)
        captions = None
        if self.t5 is not None:
            captions = self.encode_captions([""])[0].to(self.device).repeat(batch, slots, 1)
        return Conditioning(text, audio, _all_true(audio), captions, None if captions is None else _all_true(captions))

    def encode_pairs(self, pairs: Sequence[Pair]) -> PairTokens:
        """Tokens of retrieved pairs, from their files and captions.

        Returns:
            float32, on the encoders' device.

        Raises:
            ReaudioError: a pair without an audio file. AudioError: a file that cannot be decoded.
        """
        parts = [self._encode_batch(pairs[i : i + ENCODE_BATCH]) for i in range(0, len(pairs), ENCODE_BATCH)]
        joined = [None if field[0] is None else torch.cat(field) for field in zip(*parts, strict=True)]
        return PairTokens(*joined) if joined else self._no_tokens()

    def _encode_batch(self, pairs: Sequence[Pair]) -> PairTokens:
        audio = self.encode_audio(np.stack([self._clip(pair) for pair in pairs]))
        captions = (None, None) if self.t5 is None else self.encode_captions([pair.caption for pair in pairs])
        return PairTokens(audio, *captions)
