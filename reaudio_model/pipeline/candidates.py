"""Several candidates of a prompt: seeds and selection."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reaudio_model.common.resample import resample
from reaudio_model.common.seeds import clip_seed
from reaudio_model.denoiser.sampling import clip_generators
from reaudio_model.encoders.clap import Clap


def candidate_generators(seeds: Sequence[int], n: int) -> list[torch.Generator]:
    """The first candidate of a prompt uses its seed, the others derived seeds: the first does not depend on their number."""
    return clip_generators([clip_seed(seed, f"candidate {i}") if i else seed for seed in seeds for i in range(n)])


def best_candidates(audios: Tensor, sample_rate: int, prompts: list[str], reranker: Clap) -> Tensor:
    """The candidate of each prompt with the highest CLAP cosine to it; the first of equals."""
    at_clap_rate = [resample(audio, sample_rate, reranker.sample_rate) for audio in audios.cpu().numpy()]
    candidates = reranker.embed_audio(at_clap_rate).reshape(len(prompts), -1, reranker.dim)
    similarity = (candidates * reranker.embed_text(prompts)[:, None]).sum(-1)
    best = similarity.argmax(1).to(audios.device)
    return audios.reshape(len(prompts), -1, audios.shape[-1])[torch.arange(len(prompts)), best]
