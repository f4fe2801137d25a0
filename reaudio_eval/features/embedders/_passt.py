"""PaSST: a vision transformer on overlapping patches of a log-mel.

Equal to hear21passt 0.0.26 on random weights to the tolerance that ``benchmarks/embedder_parity.py`` prints.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._frontend import N_MELS, SAMPLE_RATE, LogMel
from reaudio_model.common.inference import build, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file

N_CLASSES = 527
PATCH, STRIDE = 16, 10  # mel bands and frames
FREQUENCIES = (N_MELS - PATCH) // STRIDE + 1
TIMES = 99  # of 10 s
EPSILON = 1e-6  # of the layer norms, but not of the head's
WINDOW, HOP = 10 * SAMPLE_RATE, 5 * SAMPLE_RATE  # samples


class Size(NamedTuple):
    """Width of the tokens, number of blocks and of attention heads."""

    width: int
    depth: int
    heads: int


PUBLISHED = Size(768, 12, 12)


class Attention(nn.Module):
    """Self-attention of all tokens."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.qkv = nn.Linear(size.width, 3 * size.width)
        self.proj = nn.Linear(size.width, size.width)
        self.heads = size.heads

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return projected


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class Block(nn.Module):
    """A transformer block with layer norms before attention and MLP."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(size.width, eps=EPSILON)
        self.attn = Attention(size)
        self.norm2 = nn.LayerNorm(size.width, eps=EPSILON)
        self.mlp = Mlp(size.width)

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = x + self.attn(self.norm1(x))
        mixed: Tensor = attended + self.mlp(self.norm2(attended))
        return mixed


class PatchEmbed(nn.Module):
    """Only there to give the projection of patches its published name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(1, width, PATCH, stride=STRIDE)

    def forward(self, log_mel: Tensor) -> Tensor:
        patches: Tensor = self.proj(log_mel[:, None])
        return patches


class PaSST(nn.Module):
    """Log-mel -> (embedding, logits); keys as published. The classifier of the distillation token is in the file and not used."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width = size.width
        self.patch_embed = PatchEmbed(width)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.dist_token = nn.Parameter(torch.empty(1, 1, width))
        self.new_pos_embed = nn.Parameter(torch.empty(1, 2, width))  # of the two tokens above
        self.freq_new_pos_embed = nn.Parameter(torch.empty(1, width, FREQUENCIES, 1))
        self.time_new_pos_embed = nn.Parameter(torch.empty(1, width, 1, TIMES))
        self.blocks = nn.Sequential(*(Block(size) for _ in range(size.depth)))
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, N_CLASSES))
        self.head_dist = nn.Linear(width, N_CLASSES)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 128, n_frames), at most 10 s -> embedding (batch, d), logits (batch, 527)."""
        patches = self.patch_embed(log_mel)
        patches = patches + self.time_new_pos_embed[..., : patches.shape[3]] + self.freq_new_pos_embed
        tokens = torch.cat([self.cls_token, self.dist_token], dim=1) + self.new_pos_embed
        x = torch.cat([tokens.expand(len(patches), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        embedding = self.norm(self.blocks(x))[:, :2].mean(dim=1)
        return embedding, self.head(embedding)


def windows(waveforms: Tensor) -> list[Tensor]:
    """Waveforms (batch, samples) as inputs of at most 10 s, each (batch, samples): see ``passt.Passt.load``."""
    samples = waveforms.shape[1]
    if samples <= WINDOW:
        return [waveforms]
    cut = [waveforms[:, start : start + WINDOW] for start in range(0, samples - HOP, HOP)]
    return [F.pad(each, (0, WINDOW - each.shape[1])) for each in cut]


class PasstEmbedder(TorchEmbedder):
    """One frame a clip, and logits."""

    def __init__(self, network: PaSST, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._network = network
        self._log_mel = LogMel().to(device)

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        found = [self._network(self._log_mel(window)) for window in windows(waveforms)]
        embeddings, logits = (torch.stack(each).mean(dim=0) for each in zip(*found, strict=True))
        return clip_features(embeddings[:, None], logits)


def load(
    path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None, size: Size = PUBLISHED
) -> PasstEmbedder:
    """See :func:`reaudio_eval.features.embedders.passt.Passt.load`; another ``size`` than the published one is for tests."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, cache_dir=cache_dir)
    what = f"the PaSST checkpoint {spec.checkpoints[0].filename}, or another of its size for 10 s"
    network = build(lambda: PaSST(size), state, path=path, what=what, device=where)
    embedder = PasstEmbedder(network, spec, sha256=sha256_file(path), device=where)
    check_finite(embedder, path)
    return embedder
