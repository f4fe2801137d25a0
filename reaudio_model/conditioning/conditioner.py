"""Denoiser conditioning: CLAP, AudioMAE and T5 embeddings.

E^t by CLAP, E^ra by AudioMAE, E^rt by T5, and the null conditioning of each (arXiv 2309.08051, section 2.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reaudio_model.common.audio import decode
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.inference import TOKENIZERS, exact_inference, network_sha256
from reaudio_model.conditioning.slots import PairTokens, concatenate_tokens, in_slots
from reaudio_model.config import ConditionConfig, Retrieval
from reaudio_model.encoders.audio_mae import audio_mae_input, audio_mae_tokens, prepare_clip
from reaudio_model.encoders.clap import Clap
from reaudio_model.retrieval.records import Conditioning, Neighbour, Pair

if TYPE_CHECKING:
    from transformers import T5EncoderModel, ViTModel

    from reaudio_model.conditioning.feature_store import FeatureStore

ENCODE_BATCH = 16  # retrieved pairs encoded at a time


class Conditioner:
    """The three frozen encoders.

    Without AudioMAE there is no retrieval, without T5 only retrieved audio is encoded, and T5 without AudioMAE encodes the prompt
    instead of CLAP (retrieval "prompt").

    Args:
        config: sizes, which the encoders must have.
        clap: the text encoder of E^t (and of retrieval).
        audio_mae: :func:`reaudio_model.encoders.audio_mae.build_audio_mae`, or None.
        t5: a T5 encoder, or None.
        t5_tokenizer: of ``t5``.

    Raises:
        CheckpointError: an encoder of another width than in ``config``.
        ValueError: T5 without its tokenizer.
    """

    def __init__(
        self,
        config: ConditionConfig,
        clap: Clap,
        audio_mae: ViTModel | None = None,
        t5: T5EncoderModel | None = None,
        t5_tokenizer: Any = None,
    ) -> None:
        if t5 is not None and t5_tokenizer is None:
            raise ValueError("T5 needs its tokenizer")
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
        """What these encoders can encode."""
        if self.audio_mae is None:
            return "none" if self.t5 is None else "prompt"
        return "audio" if self.t5 is None else "audio+text"

    @property
    def device(self) -> torch.device:
        """Device of the encoders and of the conditioning."""
        return torch.device(self.clap.network.device)

    def to(self, device: torch.device) -> Conditioner:
        """Moves every encoder, in place."""
        networks: list[nn.Module | None] = [self.clap.network, self.audio_mae, self.t5]
        for network in networks:
            if network is not None:
                network.to(device)
        return self

    def identity(self) -> dict[str, str]:
        """SHA-256 (hex) of the encoders of retrieved pairs, by name; stored features must come from the same ones."""
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
            prompts: not empty; CLAP reads the first 77 tokens of each, and a longer prompt is logged.
            neighbours: of each prompt, the first k by rank are used; None without retrieval. Missing ones are zeros, masked out.
            k: slots for retrieved pairs; 0 leaves one slot, masked out, because the attention needs a token.
            features: stored tokens; other pairs are encoded now.

        Returns:
            float32, on the encoders' device.

        Raises:
            ReaudioError: no prompts or an empty one; a pair with neither audio nor stored features.
            AudioError: a retrieved file that cannot be decoded.
            ValueError: another number of lists of neighbours than of prompts; k below 0.
        """
        _check_prompts(prompts)
        if k < 0:
            raise ValueError(f"k must be 0 or more, not {k}")
        if neighbours is not None and len(neighbours) != len(prompts):
            raise ValueError(f"{len(prompts)} prompts, but neighbours of {len(neighbours)}")
        if self.retrieval == "prompt":
            return Conditioning(self._no_text(len(prompts)), None, None, *self.encode_captions(prompts))
        text = self.clap.embed_text(prompts)
        if self.retrieval == "none":
            return Conditioning(text)
        nearest = [sorted(ranked, key=lambda n: n.rank)[:k] for ranked in neighbours or [[]] * len(prompts)]
        return self._with_pairs(text, [[n.pair for n in ranked] for ranked in nearest], max(k, 1), features)

    def _with_pairs(self, text: Tensor, pairs: list[list[Pair]], k: int, features: FeatureStore | None) -> Conditioning:
        encoded, tokens = self._tokens({pair.clip_id: pair for ranked in pairs for pair in ranked}, features)
        row = {pair.clip_id: i for i, pair in enumerate(encoded)}
        slots = [[row[pair.clip_id] for pair in ranked] + [-1] * (k - len(ranked)) for ranked in pairs]
        return in_slots(text, tokens, torch.tensor(slots, device=self.device))

    def null(self, batch: int, *, k: int = 0, negative: Sequence[str] | None = None) -> Conditioning:
        """The null conditioning, for guidance: E^t = CLAP(""), E^ra zeros, E^rt = T5("") in each of the k slots.

        Both masks are all True, as in the authors' framework (``conditional_models.py``): the model attends to the zeros. The
        T5 tokens are those of the padded empty text, padding included.

        Args:
            batch: number of rows, equal without ``negative``.
            k: slots, as in :meth:`condition`.
            negative: a text for each row, encoded as a prompt is, in place of the empty text: by CLAP (E^t), or by T5 with
                retrieval "prompt". What stands for retrieved pairs does not change. An empty one leaves the row as it is.

        Returns:
            float32, on the encoders' device.

        Raises:
            ValueError: another number of texts than ``batch``.
        """
        null = self._null(batch, max(k, 1))
        if negative is None:
            return null
        if len(negative) != batch:
            raise ValueError(f"{batch} rows, but {len(negative)} negative texts")
        kept = torch.tensor([not text.strip() for text in negative], device=self.device)
        if self.retrieval == "prompt":
            encoded = Conditioning(null.text, None, None, *self.encode_captions(negative))
        else:
            encoded = replace(null, text=self.clap.embed_text(negative))
        return _choose(kept, null, encoded)

    def _null(self, batch: int, slots: int) -> Conditioning:
        text = self._no_text(batch)
        if self.retrieval == "none":
            return Conditioning(text)
        if self.retrieval == "prompt":
            tokens = self.encode_captions([""])[0].to(self.device).repeat(batch, 1, 1)
            return Conditioning(text, None, None, tokens, _all_true(tokens))
        cfg = self.config
        audio = torch.zeros(batch, slots * cfg.mae_tokens, cfg.mae_dim, device=self.device)
        captions = None
        if self.t5 is not None:
            captions = self.encode_captions([""])[0].to(self.device).repeat(batch, slots, 1)
        return Conditioning(text, audio, _all_true(audio), captions, None if captions is None else _all_true(captions))

    def _no_text(self, batch: int) -> Tensor:
        return self.clap.embed_text([""]).repeat(batch, 1)

    def encode_pairs(self, pairs: Sequence[Pair]) -> PairTokens:
        """Tokens of retrieved pairs, from their files and captions.

        Returns:
            float32, on the encoders' device.

        Raises:
            ReaudioError: a pair without an audio file.
            AudioError: a file that cannot be decoded.
        """
        n, cfg = len(pairs), self.config
        audio = torch.zeros(n, cfg.mae_tokens, cfg.mae_dim, device=self.device)
        captions = mask = None
        if self.t5 is not None:
            captions = torch.zeros(n, cfg.t5_length, cfg.t5_dim, device=self.device)
            mask = torch.zeros(n, cfg.t5_length, dtype=torch.bool, device=self.device)
        for start in range(0, n, ENCODE_BATCH):
            batch = pairs[start : start + ENCODE_BATCH]
            rows = slice(start, start + len(batch))
            audio[rows] = self.encode_audio(np.stack([self._read_clip(pair) for pair in batch]))
            if captions is not None and mask is not None:
                captions[rows], mask[rows] = self.encode_captions([pair.caption for pair in batch])
        return PairTokens(audio, captions, mask)

    def encode_audio(self, waveforms: npt.NDArray[np.float32]) -> Tensor:
        """float32 (n, clip_samples), of :func:`prepare_clip` -> float32 (n, mae_tokens, mae_dim)."""
        if self.audio_mae is None:
            raise ValueError("this conditioner has no AudioMAE")
        with exact_inference():
            inputs = audio_mae_input(torch.from_numpy(waveforms).to(self.device), self.config)
            tokens = audio_mae_tokens(self.audio_mae, inputs, self.config).float()
        return tokens.clone()  # a copy made outside inference mode can be used in training

    def encode_captions(self, captions: Sequence[str]) -> tuple[Tensor, Tensor]:
        """T5's last hidden states and their mask: float32 (n, t5_length, t5_dim) and bool (n, t5_length)."""
        if self.t5 is None:
            raise ValueError("this conditioner has no T5")
        with TOKENIZERS:
            inputs = self.t5_tokenizer(
                list(captions), padding="max_length", truncation=True, max_length=self.config.t5_length, return_tensors="pt"
            )
        ids, mask = inputs["input_ids"].to(self.device), inputs["attention_mask"].to(self.device)
        with exact_inference():
            states: Tensor = self.t5(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.float().clone(), mask.bool()

    def _read_clip(self, pair: Pair) -> npt.NDArray[np.float32]:
        if pair.audio is None:
            raise ReaudioError(
                f"The retrieved pair {pair.clip_id!r} has neither audio nor stored features: build the features with its audio."
            )
        audio = decode(pair.audio)
        return prepare_clip(audio.samples, audio.sample_rate, self.config)

    def _tokens(self, wanted: dict[str, Pair], features: FeatureStore | None) -> tuple[list[Pair], PairTokens]:
        """The pairs, stored ones first, and their tokens in this order."""
        known = [pair for pair in wanted.values() if features is not None and pair in features]
        fresh = [pair for pair in wanted.values() if features is None or pair not in features]
        encoded = self.encode_pairs(fresh)
        if features is None or not known:
            return fresh, encoded
        return known + fresh, concatenate_tokens(features.tokens([pair.clip_id for pair in known]), encoded)


def drop(
    conditioning: Conditioning,
    null: Conditioning,
    *,
    k: int,
    drop_all: Tensor,
    drop_audio: Tensor,
    drop_captions: Tensor,
    k_kept: Tensor,
) -> Conditioning:
    """Training-time dropout for each clip, so that one model can be used with guidance, every k and every ablation.

    A clip in ``drop_all`` gets the null conditioning, masks included; otherwise the slots from ``k_kept`` on and the dropped groups
    are masked out.

    Args:
        conditioning: of B clips, with k slots.
        null: of 1 or B rows and the same slots (:meth:`Conditioner.null`).
        k: slots.
        drop_all, drop_audio, drop_captions: bool (B,).
        k_kept: int (B,), 0 to k.

    Returns:
        New tensors; the arguments are not changed.
    """
    fields = conditioning.fields()
    for name, dropped in (("audio_mask", drop_audio), ("captions_mask", drop_captions)):
        if name in fields:
            slot = torch.arange(k, device=k_kept.device).repeat_interleave(fields[name].shape[1] // k)
            kept = (slot < k_kept[:, None]) & ~dropped[:, None]
            fields[name] = fields[name] & kept
    return _choose(drop_all, null, replace(conditioning, **fields))


def _choose(first: Tensor, one: Conditioning, other: Conditioning) -> Conditioning:
    """Rows of ``one`` where the flag is True, else of ``other``."""
    ones = one.fields()
    return replace(
        other, **{name: torch.where(_column(first, value), ones[name], value) for name, value in other.fields().items()}
    )


def withhold_captions(conditioning: Conditioning) -> Conditioning:
    """Retrieved captions masked out, as :func:`drop` does in training: only the retrieved audio conditions the denoiser."""
    if conditioning.captions is None:
        return conditioning
    return replace(conditioning, captions_mask=torch.zeros_like(conditioning.captions[..., 0], dtype=torch.bool))


def _column(flags: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, ...), to broadcast with (B, ...)."""
    return flags.reshape(-1, *[1] * (like.dim() - 1))


def _all_true(tokens: Tensor) -> Tensor:
    return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)


def _check_prompts(prompts: Sequence[str]) -> None:
    if not prompts:
        raise ReaudioError("There is no prompt: give at least one description of a sound.")
    for number, prompt in enumerate(prompts, start=1):
        if not prompt.strip():
            raise ReaudioError(f"Prompt {number} of {len(prompts)} is empty: describe a sound.")


def _check_width(name: str, actual: int, expected: int) -> None:
    if actual != expected:
        raise CheckpointError(
            f"{name} gives vectors of {actual}, the model reads {expected}: use the encoder it was trained with."
        )
