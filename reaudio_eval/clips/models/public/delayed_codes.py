"""Sampling of audio codes whose codebooks are delayed.

The pattern of MusicGen (Copet et al. 2023, arXiv 2306.05284, figure 1) as in audiocraft's ``DelayedPatternProvider``: codebook k of a frame
is predicted k steps after codebook 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class CodeSampler:
    """Draws the codes of clips step by step.

    Attributes:
        network: a ``MusicgenForCausalLM``; its vocabulary's size is the special code before the first and after the last frame.
        guidance: scale of classifier-free guidance, with zeros for the null text; 1 disables it.
        top_k: codes that are drawn from, the most likely ones.
    """

    network: Any
    guidance: float
    top_k: int

    def sample(self, text: Tensor, mask: Tensor, frames: int, generators: Sequence[Generator]) -> Tensor:
        """Codes of each text.

        Args:
            text: float (n, length, width), zeros where padded.
            mask: bool (n, length).
            frames: of each clip.
            generators: one for each, on the CPU.

        Returns:
            int64 (n, codebooks, frames), in [0, vocabulary).
        """
        n, books, special = len(text), self.network.config.num_codebooks, self.network.config.vocab_size
        guided = self.guidance != 1
        if guided:
            text, mask = torch.cat([text, torch.zeros_like(text)]), torch.cat([mask, mask])
        text = text.to(self.network.dtype)
        delayed = torch.full((n, books, frames + books), special, device=text.device)  # step 0 has special codes alone
        cache = None
        for step in range(1, frames + books):
            previous = delayed[..., step - 1 : step].repeat(2 if guided else 1, 1, 1)
            output = self.network(
                input_ids=previous.reshape(-1, 1),
                encoder_hidden_states=text,
                encoder_attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
            )
            cache = output.past_key_values
            drawn = self._draw(output.logits[:, -1].float().reshape(-1, books, special), n, generators)
            first, last = max(0, step - frames), min(books, step)  # codebooks with a frame at this step
            delayed[:, first:last, step] = drawn[:, first:last]
        return torch.stack([delayed[:, k, 1 + k : 1 + k + frames] for k in range(books)], dim=1)

    def _draw(self, logits: Tensor, n: int, generators: Sequence[Generator]) -> Tensor:
        """One code of each codebook of each clip: int64 (n, codebooks).

        The largest of probability / exponential noise is a draw from the probabilities.
        """
        if self.guidance != 1:
            conditional, null = logits[:n], logits[n:]
            logits = null + self.guidance * (conditional - null)
        best = logits.topk(min(self.top_k, logits.shape[-1]), dim=-1)
        shape = best.values.shape[1:]
        noise = torch.stack([torch.empty(shape).exponential_(generator=each) for each in generators]).to(logits.device)
        choice = (best.values.softmax(-1) / noise).argmax(-1, keepdim=True)
        return best.indices.gather(-1, choice)[..., 0]
