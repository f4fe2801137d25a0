"""Exponential moving average of weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reaudio_model.common.weights import load_state_dict

if TYPE_CHECKING:
    from torch import Tensor, nn


class Ema:
    """Exponential moving average of the parameters of ``module``; buffers are not averaged.

    The decay of the n-th update (from 0) is ``min(decay, (1 + n) / (10 + n))``, and 0 at n = 0, as in latent-diffusion's
    ``LitEma`` but for that first update, which there has 2 / 11. Arithmetic by ``diffusers.training_utils.EMAModel``.
    """

    def __init__(self, module: nn.Module, decay: float = 0.9999) -> None:
        from diffusers.training_utils import EMAModel

        self.module = module
        self._model = EMAModel(module.parameters(), decay=decay, foreach=True)

    def update(self) -> None:
        """Once after each optimizer step."""
        self._model.step(self.module.parameters())

    def apply(self) -> None:
        """Overwrite the module's parameters with their averages."""
        self._model.copy_to(self.module.parameters())

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Replaces the parameters by their averages inside the block."""
        self._model.store(self.module.parameters())
        try:
            self.apply()
            yield
        finally:
            self._model.restore(self.module.parameters())

    def state(self) -> dict[str, Tensor]:
        """Parameter name -> its average, as tensors that own their memory."""
        names = [name for name, _ in self.module.named_parameters()]
        return {name: value.detach().clone() for name, value in zip(names, self._model.shadow_params, strict=True)}

    def load(self, path: Path, updates: int) -> None:
        """Continue from a file of :meth:`state`.

        Args:
            path: safetensors.
            updates: number of earlier updates.

        Raises:
            CheckpointError: unreadable.
        """
        state = load_state_dict(path)
        for (name, _), shadow in zip(self.module.named_parameters(), self._model.shadow_params, strict=True):
            shadow.copy_(state[name])
        self._model.optimization_step = updates
