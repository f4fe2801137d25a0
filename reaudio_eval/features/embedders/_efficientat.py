"""MobileNetV3 of EfficientAT, without torchvision and torchaudio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import (
    TorchEmbedder,
    check_finite,
    check_rate,
    clip_features,
    sweep,
)
from reaudio_eval.features.embedders._frontend import SAMPLE_RATE, LogMel
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import build, open_device
from reaudio_model.common.weights import load_state_dict, sha256_file

N_CLASSES = 527
WIDTHS = (0.1, 0.2, 0.4, 0.5, 1.0, 2.0, 3.0, 4.0)  # mn01 ... mn40

# sha256 -> class index -> logit of one second of ``sweep``; a tolerance far above fp32 noise, far below a real difference.
# Origin: this implementation on a CPU, after it had passed the ESC-10 check (best class right for 96.0 % of 400 clips).
SELF_TEST: Mapping[str, Mapping[int, float]] = {
    "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c": {  # mn04_as_mAP_432.pt
        137: -0.8506,
        158: -2.2418,
        138: -2.9291,
        504: -3.4142,
    },
}
SELF_TEST_TOLERANCE = 1e-2


class Block(NamedTuple):
    """A row of MobileNetV3-Large's table (Howard et al. 2019, arXiv 1905.02244, table 1), before scaling."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    activation: Literal["relu", "hardswish"]
    stride: int


STEM = 16
BLOCKS = (
    Block(3, 16, 16, False, "relu", 1),
    Block(3, 64, 24, False, "relu", 2),
    Block(3, 72, 24, False, "relu", 1),
    Block(5, 72, 40, True, "relu", 2),
    Block(5, 120, 40, True, "relu", 1),
    Block(5, 120, 40, True, "relu", 1),
    Block(3, 240, 80, False, "hardswish", 2),
    Block(3, 200, 80, False, "hardswish", 1),
    Block(3, 184, 80, False, "hardswish", 1),
    Block(3, 184, 80, False, "hardswish", 1),
    Block(3, 480, 112, True, "hardswish", 1),
    Block(3, 672, 112, True, "hardswish", 1),
    Block(5, 672, 160, True, "hardswish", 2),
    Block(5, 960, 160, True, "hardswish", 1),
    Block(5, 960, 160, True, "hardswish", 1),
)
HEAD = 1280


def scaled(channels: float) -> int:
    """The multiple of 8 nearest to ``channels``, at least 8 and never more than 10 % below it."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def feature_size(width: float) -> int:
    """Channels of the last feature map, the embedding's width."""
    return 6 * scaled(BLOCKS[-1].out * width)


def conv_norm(
    n_in: int, n_out: int, kernel: int = 1, stride: int = 1, groups: int = 1, activation: str | None = None
) -> nn.Sequential:
    """Convolution without bias, batch norm, activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(n_out, eps=1e-3),
    ]
    if activation:
        layers.append(nn.ReLU(inplace=True) if activation == "relu" else nn.Hardswish(inplace=True))
    return nn.Sequential(*layers)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a function of all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = scaled(channels // 4)
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        scale = torch.sigmoid(self.fc2(torch.relu(self.fc1(x.mean(dim=(2, 3))))))
        return x * scale[:, :, None, None]


class ConcurrentSqueezeExcitation(nn.Module):
    """Published models squeeze over channels alone, so the list has one member; it is there for the key names."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conc_se_layers = nn.ModuleList([SqueezeExcitation(channels)])

    def forward(self, x: Tensor) -> Tensor:
        scaled_x: Tensor = self.conc_se_layers[0](x)
        return scaled_x


class InvertedResidual(nn.Module):
    """Expand, filter each channel, squeeze, project; a shortcut where the shapes allow it."""

    def __init__(self, n_in: int, spec: Block, width: float) -> None:
        super().__init__()
        expanded, n_out = scaled(spec.expanded * width), scaled(spec.out * width)
        layers: list[nn.Module] = []
        if expanded != n_in:
            layers.append(conv_norm(n_in, expanded, activation=spec.activation))
        layers.append(conv_norm(expanded, expanded, spec.kernel, spec.stride, expanded, spec.activation))
        if spec.squeeze:
            layers.append(ConcurrentSqueezeExcitation(expanded))
        layers.append(conv_norm(expanded, n_out))
        self.block = nn.Sequential(*layers)
        self.shortcut = spec.stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.shortcut else y


class MobileNetV3(nn.Module):
    """Log-mel -> (embedding, logits); keys as published."""

    def __init__(self, width: float) -> None:
        super().__init__()
        n_in = scaled(STEM * width)
        layers: list[nn.Module] = [conv_norm(1, n_in, kernel=3, stride=2, activation="hardswish")]
        for spec in BLOCKS:
            layers.append(InvertedResidual(n_in, spec, width))
            n_in = scaled(spec.out * width)
        size = feature_size(width)
        layers.append(conv_norm(n_in, size, activation="hardswish"))
        self.features = nn.Sequential(*layers)
        head = scaled(HEAD * width)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(size, head),
            nn.Hardswish(),
            nn.Dropout(),
            nn.Linear(head, N_CLASSES),
        )

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 128, n_frames) -> pooled features (batch, d), logits (batch, 527)."""
        maps = self.features(log_mel[:, None])
        return maps.mean(dim=(2, 3)), self.classifier(maps)


class EfficientAtEmbedder(TorchEmbedder):
    """One frame a clip, and logits."""

    def __init__(self, network: MobileNetV3, spec: EmbedderSpec, *, sha256: str, device: torch.device) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._network = network
        self._log_mel = LogMel().to(device)

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        embedding, logits = self._network(self._log_mel(waveforms))
        return clip_features(embedding[:, None], logits)


def load(path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None) -> EfficientAtEmbedder:
    """See :func:`reaudio_eval.features.embedders.efficientat.EfficientAt.load`."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, cache_dir=cache_dir)
    width = _width(state)
    what = f"an EfficientAT checkpoint such as {spec.checkpoints[0].filename} (compared with width {width:g})"
    network = build(lambda: MobileNetV3(width), state, path=path, what=what, device=where)
    embedder = EfficientAtEmbedder(network, spec, sha256=sha256_file(path), device=where)
    check_finite(embedder, path)
    _check_logits(embedder, path)
    return embedder


def _width(state: Mapping[str, Tensor]) -> float:
    """The width multiplier, from the last feature map; 1 for a file that has none, which ``build`` then reports."""
    last = state.get(f"features.{len(BLOCKS) + 1}.0.weight")
    sizes = {feature_size(width): width for width in WIDTHS}
    return sizes.get(last.shape[0], 1.0) if last is not None else 1.0


def _check_logits(embedder: EfficientAtEmbedder, path: Path) -> None:
    known = SELF_TEST.get(embedder.sha256)
    if known is None:
        return
    (features,) = embedder.embed([sweep(SAMPLE_RATE)])
    assert features.logits is not None
    found = features.logits[list(known)]
    if not np.allclose(found, list(known.values()), rtol=0, atol=SELF_TEST_TOLERANCE):
        raise CheckpointError(
            f"{path} has the published weights, but its self-test gives {found.round(2).tolist()} instead of "
            f"{list(known.values())}: this PyTorch build or device computes wrongly, try --device cpu or another version."
        )
