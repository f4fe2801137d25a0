"""WavLM-base: waveforms to the hidden states of its layers.

Chen et al. 2022, arXiv 2110.13900: seven convolutions, a convolutional position embedding, and transformer blocks whose relative
position bias is gated by each token. Keys as published.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
FRAME = math.prod(STRIDES)  # samples from one frame to the next
BUCKETS, FARTHEST = 320, 800  # of relative positions, in frames


class Size(NamedTuple):
    """Channels of the convolutions; width of the tokens; blocks, heads; kernel and groups of the position embedding."""

    channels: int
    width: int
    depth: int
    heads: int
    kernel: int
    groups: int


BASE = Size(512, 768, 12, 12, 128, 16)


class Convolutions(nn.Module):
    """Waveforms (batch, samples) -> features (batch, n_frames, channels). The first layer is normalised over time by channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        n_in = 1
        for kernel, stride in zip(KERNELS, STRIDES, strict=True):
            layers: list[nn.Module] = [nn.Conv1d(n_in, channels, kernel, stride=stride, bias=False), nn.Identity()]
            layers += [nn.GroupNorm(channels, channels)] if n_in == 1 else []
            self.conv_layers.append(nn.Sequential(*layers, nn.GELU()))
            n_in = channels

    def forward(self, waveforms: Tensor) -> Tensor:
        x = waveforms[:, None]
        for layer in self.conv_layers:
            x = layer(x)
        return x.transpose(1, 2)


def buckets(n_frames: int) -> Tensor:
    """int64 (n_frames, n_frames): bucket of the distance of each frame (column) from each frame (row).

    Half of the buckets are for later frames. Of each half one half is for single distances, the other logarithmic up to ``FARTHEST``.
    """
    half, single = BUCKETS // 2, BUCKETS // 4
    position = torch.arange(n_frames)
    offset = position[None] - position[:, None]
    distance = offset.abs()
    octaves = torch.log(distance.clamp(min=1).float() / single) / math.log(FARTHEST / single)
    far = (single + (octaves * (half - single)).long()).clamp(max=half - 1)
    return torch.where(distance < single, distance, far) + half * (offset > 0)


class Attention(nn.Module):
    """Self-attention with a gated position bias, whose table only the first block has."""

    def __init__(self, size: Size, first: bool) -> None:
        super().__init__()
        width = size.width
        self.heads = size.heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        self.grep_linear = nn.Linear(width // size.heads, 8)
        self.grep_a = nn.Parameter(torch.empty(1, size.heads, 1, 1))
        if first:
            self.relative_attention_bias = nn.Embedding(BUCKETS, size.heads)

    def forward(self, x: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        """x: (batch, n, width); bias: (heads, n, n); hidden: (n,) of the frames that are padding."""
        split = [each.unflatten(2, (self.heads, -1)).transpose(1, 2) for each in (x, *(p(x) for p in self._projections()))]
        tokens, query, key, value = split
        gates = torch.sigmoid(self.grep_linear(tokens).unflatten(3, (2, 4)).sum(dim=4))
        gate = gates[..., :1] * (gates[..., 1:] * self.grep_a - 1.0) + 2.0
        weights = (gate * bias).masked_fill(hidden, -math.inf)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=weights)
        projected: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return projected

    def _projections(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.q_proj, self.k_proj, self.v_proj


class Block(nn.Module):
    """A transformer block with layer norms after attention and MLP."""

    def __init__(self, size: Size, first: bool) -> None:
        super().__init__()
        self.self_attn = Attention(size, first)
        self.self_attn_layer_norm = nn.LayerNorm(size.width)
        self.fc1 = nn.Linear(size.width, 4 * size.width)
        self.fc2 = nn.Linear(4 * size.width, size.width)
        self.final_layer_norm = nn.LayerNorm(size.width)

    def forward(self, x: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(x + self.self_attn(x, bias, hidden))
        normed: Tensor = self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))
        return normed


class Encoder(nn.Module):
    """Position embedding and blocks."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        width, kernel = size.width, size.kernel
        convolution = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=size.groups)
        self.pos_conv = nn.Sequential(weight_norm(convolution, dim=2))
        self.layers = nn.ModuleList(Block(size, first=number == 0) for number in range(size.depth))
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, hidden: Tensor) -> list[Tensor]:
        x = x.masked_fill(hidden[:, None], 0.0)
        # an even kernel with this padding gives one frame too many
        position = self.pos_conv(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
        x = self.layer_norm(x + F.gelu(position))
        table = self.get_submodule("layers.0.self_attn.relative_attention_bias")
        bias = table(buckets(x.shape[1]).to(x.device)).permute(2, 0, 1)
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], bias, hidden))
        return states


class WavLM(nn.Module):
    """Waveforms -> hidden states."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.feature_extractor = Convolutions(size.channels)
        self.layer_norm = nn.LayerNorm(size.channels)
        self.post_extract_proj = nn.Linear(size.channels, size.width)
        self.mask_emb = nn.Parameter(torch.empty(size.width))  # of training
        self.encoder = Encoder(size)

    def forward(self, waveforms: Tensor, samples: int) -> tuple[Tensor, int]:
        """The states of every layer, and how many frames are no padding.

        Args:
            waveforms: float32 (batch, n).
            samples: how many of the n are no padding.

        Returns:
            (batch, n_frames, width, depth + 1), from the input of the first block to the output of the last; frames that hold at least
            a sample.
        """
        features = self.post_extract_proj(self.layer_norm(self.feature_extractor(waveforms)))
        n_frames = features.shape[1]
        step = waveforms.shape[1] // n_frames
        known = min(n_frames, math.ceil(samples / step))
        hidden = torch.arange(n_frames, device=waveforms.device) >= known
        return torch.stack(self.encoder(features, hidden), dim=-1), known


def published_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of the weight norm's two parts, from those of older torch to those of today."""
    renamed = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
    found = {}
    for key, value in state.items():
        stem, _, last = key.rpartition(".")
        found[f"{stem}.{renamed[last]}" if stem.endswith("encoder.pos_conv.0") and last in renamed else key] = value
    return found
