"""Tokens of retrieved pairs, k slots for each prompt."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from reaudio_model.retrieval.records import Conditioning


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


def concatenate_tokens(stored: PairTokens, encoded: PairTokens) -> PairTokens:
    """Both, in this order, on the device and in the dtype of ``encoded``; captions only if both have them."""

    def join(a: Tensor | None, b: Tensor | None) -> Tensor | None:
        return None if a is None or b is None else torch.cat([a.to(b), b])

    audio = torch.cat([stored.audio.to(encoded.audio), encoded.audio])
    return PairTokens(audio, join(stored.captions, encoded.captions), join(stored.captions_mask, encoded.captions_mask))


def in_slots(text: Tensor, tokens: PairTokens, slots: Tensor) -> Conditioning:
    """The conditioning of B prompts whose retrieved pairs are rows of ``tokens``.

    Args:
        text: float (B, clap_dim).
        tokens: of n pairs, n >= 0.
        slots: int (B, k), rows of ``tokens``; -1 for an empty slot: zeros, masked out.
    """

    def take(values: Tensor) -> Tensor:
        padded = torch.cat([values, values.new_zeros(1, *values.shape[1:])])
        return padded[slots].flatten(1, 2)  # row -1 is the zeros

    audio_mask = (slots >= 0).repeat_interleave(tokens.audio.shape[1], dim=1)
    if tokens.captions is None or tokens.captions_mask is None:
        return Conditioning(text, take(tokens.audio), audio_mask)
    return Conditioning(text, take(tokens.audio), audio_mask, take(tokens.captions), take(tokens.captions_mask))
