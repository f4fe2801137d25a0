"""A run of the loop in one of several processes: ``two_processes.py <output> <batch size of a process>``, under torch's launcher."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Generator, nn
from torch.optim import SGD, Optimizer

from reaudio_model.training.loop import fit
from reaudio_model.training.loop_config import LoopConfig
from reaudio_model.training.order import Clips, Draw
from reaudio_model.training.task import Batch, descend


class Points(Clips):
    def __init__(self) -> None:
        self.x = torch.randn(10, 4, generator=Generator().manual_seed(1))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, draw: Draw) -> Batch:
        return {"x": self.x[draw.clip], "y": self.x[draw.clip].sum()}


class Line:
    """Least squares; what a step does depends on the whole batch and on nothing else."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net = nn.Linear(4, 1)

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [SGD(self.net.parameters(), lr=learning_rate)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        loss = ((self.net(batch["x"])[:, 0] - batch["y"]) ** 2).mean()
        descend(loss, optimizers[0], accelerator, max_norm=1.0)
        return {"loss": loss.item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        return {"loss": ((self.net(batch["x"])[:, 0] - batch["y"]) ** 2).mean().item()}

    def ema_module(self) -> nn.Module | None:
        return self.net


if __name__ == "__main__":
    output, batch_size = Path(sys.argv[1]), int(sys.argv[2])
    config = LoopConfig(
        steps=8,
        batch_size=batch_size,
        learning_rate=0.05,
        epoch_decay=0.9,
        log_every=2,
        validate_every=4,
        checkpoint_every=4,
    )
    fit(Line(), Points(), config, output, accelerator=Accelerator(cpu=True), validation=Points())
