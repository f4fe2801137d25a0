"""Waveforms and weights that every machine makes alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

Waveform = npt.NDArray[np.float32]


@pytest.fixture
def noise() -> Callable[..., Waveform]:
    """noise(samples, seed): Gaussian, standard deviation 0.1."""

    def make(samples: int, seed: int = 0) -> Waveform:
        return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)

    return make


@pytest.fixture
def closed_form_weights() -> Callable[[nn.Module], dict[str, Tensor]]:
    """Weights from a formula, so that golden values do not hang on a random generator's version."""

    def make(module: nn.Module) -> dict[str, Tensor]:
        return {key: _formula(key, value.shape, number) for number, (key, value) in enumerate(module.state_dict().items())}

    return make


def _formula(key: str, shape: torch.Size, number: int) -> Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(1)
    wave = torch.sin(torch.arange(shape.numel(), dtype=torch.float64) * 1.7 + number).reshape(shape).float()
    if key.endswith("running_var") or (len(shape) == 1 and key.endswith("weight")):
        return 1.0 + 0.3 * wave
    fan_in = max(1, shape[1:].numel())
    return wave * (2.0 / fan_in) ** 0.5 if len(shape) > 1 else 0.1 * wave
