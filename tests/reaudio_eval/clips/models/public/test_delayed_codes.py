"""Drawing codes."""

from __future__ import annotations

import torch

from reaudio_eval.clips.models.public.delayed_codes import CodeSampler


def test_codes_are_drawn_with_their_probabilities() -> None:
    sampler = CodeSampler(None, guidance=1.0, top_k=2)
    logits = torch.log(torch.tensor([0.2, 0.1, 0.7])).repeat(1, 4000, 1)
    drawn = sampler._draw(logits, 1, [torch.Generator().manual_seed(0)])
    counts = torch.bincount(drawn.flatten(), minlength=3).tolist()
    assert counts[1] == 0, "the least likely code is not among the two"
    expected = 4000 * 0.7 / 0.9
    assert abs(counts[2] - expected) < 4 * (expected * (1 - 0.7 / 0.9)) ** 0.5


def test_guidance_moves_the_logits_away_from_the_null() -> None:
    sampler = CodeSampler(None, guidance=3.0, top_k=1)
    conditional, null = torch.tensor([[[1.0, 0.9]]]), torch.tensor([[[1.0, 0.5]]])
    (code,) = sampler._draw(torch.cat([conditional, null]), 1, [torch.Generator()])
    assert code.item() == 1  # 1 + 3 * 0 against 0.5 + 3 * 0.4
