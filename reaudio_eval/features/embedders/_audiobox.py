"""Audiobox Aesthetics: heads on the layers of WavLM.

Equal to audiobox_aesthetics 0.0.4 on random weights to the tolerance that ``benchmarks/embedder_parity.py`` prints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reaudio_eval.features.embedders import ClipFeatures, EmbedderSpec
from reaudio_eval.features.embedders._base import TorchEmbedder, check_finite, check_rate, clip_features
from reaudio_eval.features.embedders._wavlm import BASE, Size, WavLM, published_keys
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.inference import build, open_device
from reaudio_model.common.weights import load_data, load_state_dict, sha256_file

SAMPLE_RATE = 16_000
WINDOW = 10 * SAMPLE_RATE
HIDDEN_LAYERS = 4  # of a head


class Scale(NamedTuple):
    """Mean and standard deviation of listeners' ratings, which the network's outputs are relative to."""

    mean: float
    std: float


# Origin: config.json of facebook/audiobox-aesthetics
PUBLISHED = {
    "CE": Scale(5.06865, 1.93029),
    "CU": Scale(5.73633, 1.75669),
    "PC": Scale(3.18591, 1.86637),
    "PQ": Scale(6.57505, 1.51466),
}
AXES = tuple(PUBLISHED)


def head(width: int) -> nn.Sequential:
    """Linear layers with layer norm and GELU, and one output."""
    layers: list[nn.Module] = []
    for _ in range(HIDDEN_LAYERS):
        layers += [nn.Linear(width, width), nn.LayerNorm(width), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(width, 1))


class Aesthetics(nn.Module):
    """Windows -> outputs of the four heads; keys as published."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.wavlm_model = WavLM(size)
        self.proj_layer = nn.ModuleDict({axis: head(size.width) for axis in AXES})
        self.layer_weights = nn.ParameterDict({axis: nn.Parameter(torch.empty(size.depth + 1)) for axis in AXES})

    def forward(self, windows: Tensor, samples: int) -> Tensor:
        """(batch, 160000), of which ``samples`` are no padding -> (batch, 4)."""
        states, known = self.wavlm_model(windows, samples)
        means = states[:, :known].mean(dim=1)  # (batch, width, layers)
        found = []
        for axis in AXES:
            embedding = F.normalize(means @ self.layer_weights[axis].softmax(dim=0), dim=1)
            found.append(self.proj_layer[axis](embedding))
        return torch.cat(found, dim=1)


class AestheticsEmbedder(TorchEmbedder):
    """One frame a clip: its four scores."""

    def __init__(
        self, network: Aesthetics, scales: Mapping[str, Scale], spec: EmbedderSpec, *, sha256: str, device: torch.device
    ) -> None:
        super().__init__(sha256=sha256, sample_rate=SAMPLE_RATE, device=device, min_seconds=spec.min_seconds)
        self._network = network
        self._mean = torch.tensor([scales[axis].mean for axis in AXES], device=device)
        self._std = torch.tensor([scales[axis].std for axis in AXES], device=device)

    def _forward(self, waveforms: Tensor) -> list[ClipFeatures]:
        total = torch.zeros(len(waveforms), len(AXES), device=waveforms.device)
        for start in range(0, waveforms.shape[1], WINDOW):
            window = waveforms[:, start : start + WINDOW]
            samples = window.shape[1]
            padded = F.pad(window, (0, WINDOW - samples))
            total += self._network(padded, samples) * (samples / waveforms.shape[1])
        return clip_features((total * self._std + self._mean)[:, None])


def load(
    path: Path, spec: EmbedderSpec, *, sample_rate: int, device: str, cache_dir: Path | None, size: Size = BASE
) -> AestheticsEmbedder:
    """See ``audiobox_aesthetics.AudioboxAesthetics.load``; another ``size`` than the published one is for tests."""
    check_rate(spec.title, sample_rate, spec.sample_rates)
    where = open_device(device)
    state = load_state_dict(path, wrapper="state_dict", cache_dir=cache_dir)
    state = published_keys({key.removeprefix("model."): value for key, value in state.items()})
    what = f"the Audiobox Aesthetics {spec.checkpoints[0].filename} or {spec.checkpoints[1].filename}"
    network = build(lambda: Aesthetics(size), state, path=path, what=what, device=where)
    embedder = AestheticsEmbedder(network, _scales(path), spec, sha256=sha256_file(path), device=where)
    check_finite(embedder, path)
    return embedder


def _scales(path: Path) -> dict[str, Scale]:
    """Scale and offset of each axis: from a pickle, from the configuration beside a safetensors file, or as published.

    Raises:
        CheckpointError: neither complete nor absent.
    """
    config = path.parent / "config.json"
    if path.suffix != ".safetensors":
        source, found = path, load_data(path).get("target_transform")
    elif config.is_file():
        source, found = config, _read(config).get("target_transform")
    else:
        return dict(PUBLISHED)
    try:
        return {axis: Scale(float(found[axis]["mean"]), float(found[axis]["std"])) for axis in AXES}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{source} lacks target_transform with mean and std of {', '.join(AXES)}: download it again."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: download it again, or move it away.") from error
    return content if isinstance(content, dict) else {}
