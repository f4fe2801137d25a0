"""Checkpoints of a training run, written atomically."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import atomic_folder, json_bytes

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from reaudio_model.training.ema import Ema
    from reaudio_model.training.task import Task

KEPT = 2  # most recent ones, besides the best
STATE = "state.json"


@dataclass
class TrainState:
    """State of a run, besides the weights and the optimizers.

    The order of the data, the noise of a step and the learning rate follow from the seed and the step.

    Attributes:
        step: optimizer steps made.
        best_step, best_loss: of the lowest validation loss so far; None before the first validation.
        sums, count: of the metrics since the last row of the log.
        scaler: state of the loss scaler in float16 (torch's GradScaler).
    """

    step: int = 0
    best_step: int | None = None
    best_loss: float | None = None
    sums: dict[str, float] = field(default_factory=dict)
    count: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def trained_modules(task: Task) -> dict[str, nn.Module]:
    """The modules of a task with trainable parameters."""
    return {name: m for name, m in task.modules().items() if any(p.requires_grad for p in m.parameters())}


def checkpoint_path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}"


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step in ``folder``."""
    return max(_checkpoints(folder), default=None)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if (path / STATE).is_file())


def save_checkpoint(folder: Path, state: TrainState, task: Task, optimizers: list[Optimizer], ema: Ema | None) -> Path:
    """Write the checkpoint of ``state.step`` and remove those no longer needed; by one process only.

    Layout: ``<module>.safetensors``, ``ema.safetensors``, ``optimizer-<i>.pt`` (tensors and numbers only), ``state.json``.

    Raises:
        ReaudioError: the disk is full or the folder not writable; earlier checkpoints are unchanged.
    """
    import torch
    from safetensors.torch import save_file, save_model

    path = checkpoint_path(folder, state.step)
    with atomic_folder(path, replace=True) as partial:
        for name, module in trained_modules(task).items():
            save_model(module, str(partial / f"{name}.safetensors"))  # handles tied weights
        if ema is not None:
            save_file(ema.state(), partial / "ema.safetensors")
        for i, optimizer in enumerate(optimizers):
            torch.save(optimizer.state_dict(), partial / f"optimizer-{i}.pt")
        (partial / STATE).write_bytes(json_bytes(asdict(state)))
    keep = {path, *_checkpoints(folder)[-KEPT:]}
    if state.best_step is not None:
        keep.add(checkpoint_path(folder, state.best_step))
    for old in set(_checkpoints(folder)) - keep:
        shutil.rmtree(old)
    return path


def load_checkpoint(path: Path, task: Task, optimizers: list[Optimizer], ema: Ema | None) -> TrainState:
    """Restore modules, optimizers and moving average from a checkpoint.

    Raises:
        CheckpointError: a file is missing, damaged, or of another architecture.
    """
    import torch

    load_weights(path, task)
    state = _read_state(path)
    if ema is not None:
        ema.load(path / "ema.safetensors", updates=state.step)
    for i, optimizer in enumerate(optimizers):
        file = path / f"optimizer-{i}.pt"
        try:
            optimizer.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{file} is missing, damaged or of another model: resume from another checkpoint."
            ) from error
    return state


def load_weights(path: Path, task: Task) -> None:
    """Load the weights of the trained modules (the last ones, not the averaged ones).

    Raises:
        CheckpointError: a file is missing, damaged, or of another architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    for name, module in trained_modules(task).items():
        file = path / f"{name}.safetensors"
        try:
            load_model(module, file)
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CheckpointError(
                f"{file} is missing, damaged or of another model: resume from another checkpoint."
            ) from error


def _read_state(path: Path) -> TrainState:
    try:
        return TrainState(**json.loads((path / STATE).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path / STATE} is missing or damaged: remove the folder and resume again.") from error
