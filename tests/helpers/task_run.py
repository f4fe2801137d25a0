"""A training task driven step by step, as the loop drives it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from reaudio_model.training.task import Task


class TaskRun:
    """``task`` with its optimizers on the CPU; every step draws from its own seed."""

    def __init__(self, task: Task, learning_rate: float, precision: str = "no") -> None:
        AcceleratorState._reset_state(reset_partial_state=True)  # it is one for a process otherwise, precision and all
        self.task = task
        self.accelerator = Accelerator(cpu=True, mixed_precision=precision)
        self.optimizers = [self.accelerator.prepare_optimizer(o) for o in task.optimizers(learning_rate)]

    def step(self, batch: dict[str, Tensor], number: int) -> dict[str, float]:
        self._set_training(True)
        generator = torch.Generator().manual_seed(number)
        return self.task.training_step(batch, self.optimizers, self.accelerator, number, generator)

    def validate(self, batch: dict[str, Tensor]) -> dict[str, float]:
        self._set_training(False)
        with torch.no_grad():
            return self.task.validation_step(batch)

    def without_gradient(self) -> list[str]:
        """The parameters that no step has given a gradient other than 0; for optimizers of the Adam family."""
        return [
            name
            for module, optimizer in zip(self.task.modules().values(), self.optimizers, strict=True)
            for name, parameter in module.named_parameters()
            if parameter not in optimizer.state or not optimizer.state[parameter]["exp_avg_sq"].any()
        ]

    def weights(self) -> dict[str, Tensor]:
        """A copy of every parameter and buffer, by module and name."""
        modules = self.task.modules().items()
        return {f"{name}.{key}": value.clone() for name, module in modules for key, value in module.state_dict().items()}

    def state(self) -> dict[str, Any]:
        modules = {name: module.state_dict() for name, module in self.task.modules().items()}
        return copy.deepcopy({"modules": modules, "optimizers": [o.state_dict() for o in self.optimizers]})

    def load(self, state: dict[str, Any]) -> None:
        for name, module in self.task.modules().items():
            module.load_state_dict(state["modules"][name])
        for optimizer, values in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(values)

    def _set_training(self, mode: bool) -> None:
        for module in self.task.modules().values():
            module.train(mode)


def same_weights(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
