"""A small regression for tests of the loop, which may be killed, stopped or made to diverge at a step."""

from __future__ import annotations

import os
import signal

import torch
from accelerate import Accelerator
from torch import Generator, nn
from torch.optim import AdamW, Optimizer

from reaudio_model.training.loop_config import LoopConfig
from reaudio_model.training.order import Clips, Draw, draw_rng
from reaudio_model.training.task import Batch, descend

CONFIG = LoopConfig(
    steps=20, batch_size=3, learning_rate=0.05, warmup=4, epoch_decay=0.9, ema_decay=0.9, seed=7, log_every=3,
    validate_every=6, checkpoint_every=4,
)  # fmt: skip


class Killed(Exception):
    """Stands for SIGKILL: nothing is saved on the way out."""


class Rows(Clips):
    """Points with noise that depends on the draw."""

    def __init__(self, n: int = 10) -> None:
        self.x = torch.randn(n, 4, generator=Generator().manual_seed(1))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, draw: Draw) -> Batch:
        noise = torch.from_numpy(draw_rng(3, draw).standard_normal(4).astype("float32"))
        return {"x": self.x[draw.clip] + 0.1 * noise, "y": self.x[draw.clip].sum()}


class Regression:
    """A task with dropout and noise of its own, which may be killed or stopped at a step."""

    def __init__(
        self,
        *,
        kill_at: int | None = None,
        interrupt_at: int | None = None,
        nan_at: int | None = None,
        loss_factor: float = 1.0,
        gradient_factor: float = 1.0,
    ) -> None:
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 1))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.kill_at, self.interrupt_at, self.loss_factor = kill_at, interrupt_at, loss_factor
        self.nan_at, self.gradient_factor = nan_at, gradient_factor
        self.rates: list[float] = []
        self.modes: set[tuple[bool, bool]] = set()

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net, "frozen": self.frozen}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [AdamW(self.net.parameters(), lr=learning_rate)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        if step == self.kill_at:
            raise Killed
        if step == self.interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        self.rates.append(optimizers[0].param_groups[0]["lr"])
        self.modes.add((self.net.training, self.frozen.training))
        noise = 0.1 * torch.randn(batch["x"].shape, generator=generator)
        loss = ((self.net(batch["x"] + noise)[:, 0] - batch["y"]) ** 2).mean() * self.loss_factor
        if step == self.nan_at:
            loss = loss * float("nan")
        descend(
            loss if self.gradient_factor == 1 else _steep(loss, self.gradient_factor),
            optimizers[0],
            accelerator,
            max_norm=5.0,
        )
        return {"loss": loss.item(), "noise": noise.abs().mean().item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        assert not self.net.training
        return {"loss": ((self.net(batch["x"])[:, 0] - batch["y"]) ** 2).mean().item()}

    def ema_module(self) -> nn.Module | None:
        return self.net


def _steep(loss: torch.Tensor, factor: float) -> torch.Tensor:
    """The same loss with ``factor`` times its gradient."""
    return (loss - loss.detach()) * factor + loss.detach()
