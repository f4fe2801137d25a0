"""Checkpoints of a training run, written atomically and verified."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_model.common.digests import altered_files, folder_digests, open_sealed_json, sealed_json
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import atomic_folder
from reaudio_model.common.json_files import parse_json
from reaudio_model.common.weights import check_finite, load_data
from reaudio_model.training.task import NotFinite

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from reaudio_model.training.ema import Ema
    from reaudio_model.training.task import Task

KEPT = 2  # most recent ones, besides the best
STATE = "state.json"
UNUSED = "unused-"  # prefix of checkpoints after the one that a run was resumed from
_NAME = re.compile(rf"(?:{UNUSED})?step-(\d+)")


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


def checkpoint_step(path: Path) -> int:
    """The step in the name of a checkpoint.

    Raises:
        CheckpointError: it is not named like one.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise CheckpointError(f"{path} is not a checkpoint of a training run (step-00000001): give one of its checkpoints/.")
    return int(match[1])


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step in ``folder``, whole or not."""
    return max(_checkpoints(folder), default=None)


def find_checkpoint(
    folder: Path, chosen: int | Path | None = None, *, note: Callable[[str], None] = lambda _message: None
) -> Path | None:
    """The checkpoint to continue from: the chosen one, or the newest whole one; None if there is none.

    Args:
        folder: of a run's checkpoints.
        chosen: step, or folder of a checkpoint.
        note: called with a line for each damaged checkpoint that is skipped.

    Raises:
        CheckpointError: the chosen one is missing or damaged, or all are damaged.
    """
    if chosen is not None:
        path = checkpoint_path(folder, chosen) if isinstance(chosen, int) else chosen
        if fault := _fault(path):
            there = ", ".join(str(checkpoint_step(each)) for each in _checkpoints(folder)) or "none"
            raise CheckpointError(f"The checkpoint {path} {fault}: choose another with --resume-from (steps: {there}).")
        return path
    found = _checkpoints(folder)
    for path in reversed(found):
        fault = _fault(path)
        if fault is None:
            return path
        note(f"The checkpoint {path} {fault}: an earlier one is used")
    if found:
        raise CheckpointError(f"Every checkpoint in {folder} is damaged: remove that folder to train from the start.")
    return None


def set_aside_later(folder: Path, step: int) -> list[Path]:
    """Rename the checkpoints after ``step``, which another continuation has made, so that no later resume takes them."""
    moved = []
    for path in _checkpoints(folder):
        if checkpoint_step(path) > step:
            target = path.with_name(f"{UNUSED}{path.name}")
            shutil.rmtree(target, ignore_errors=True)
            moved.append(path.rename(target))
    return moved


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir())


def _fault(path: Path) -> str | None:
    """Why a checkpoint cannot be used: "does not exist"."""
    if not path.is_dir():
        return "does not exist"
    content = _content(path)
    altered = [STATE] if content is None else altered_files(path, content["files"])
    return f"is damaged ({', '.join(altered)} is missing or was altered)" if altered else None


def save_checkpoint(folder: Path, state: TrainState, task: Task, optimizers: list[Optimizer], ema: Ema | None) -> Path:
    """Write the checkpoint of ``state.step`` and remove those no longer needed; by one process only.

    Layout: ``<module>.safetensors``, ``ema.safetensors``, ``optimizer-<i>.pt`` (tensors and numbers only), and ``state.json`` with
    the SHA-256 of the others and of itself.

    Raises:
        NotFinite: a value is NaN or infinite; nothing is written.
        ReaudioError: the disk is full or the folder not writable; earlier checkpoints are unchanged.
    """
    import torch
    from safetensors.torch import save_file, save_model

    for name, value in _tensors(task, optimizers, ema):
        if not torch.isfinite(value).all():
            raise NotFinite(f"{name} has values that are not finite after step {state.step}")
    path = checkpoint_path(folder, state.step)
    with atomic_folder(path, replace=True) as partial:
        for name, module in trained_modules(task).items():
            save_model(module, str(partial / f"{name}.safetensors"))  # handles tied weights
        if ema is not None:
            save_file(ema.state(), partial / "ema.safetensors")
        for i, optimizer in enumerate(optimizers):
            torch.save(optimizer.state_dict(), partial / f"optimizer-{i}.pt")
        names = sorted(file.name for file in partial.iterdir())
        (partial / STATE).write_bytes(sealed_json({"state": asdict(state), "files": folder_digests(partial, names)}))
    keep = {path, *_checkpoints(folder)[-KEPT:]}
    if state.best_step is not None:
        keep.add(checkpoint_path(folder, state.best_step))
    for old in set(_checkpoints(folder)) - keep:
        shutil.rmtree(old)
    return path


def _tensors(task: Task, optimizers: list[Optimizer], ema: Ema | None) -> Iterator[tuple[str, Tensor]]:
    """Everything that a checkpoint holds, by name."""
    from torch import Tensor

    for module_name, module in trained_modules(task).items():
        for name, value in module.state_dict().items():
            yield f"The weight {module_name}.{name}", value
    for name, value in ema.state().items() if ema is not None else ():
        yield f"The averaged weight {name}", value
    for optimizer in optimizers:
        for row, values in optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    yield f"The optimizer's {name} of parameter {row}", value


def load_checkpoint(path: Path, task: Task, optimizers: list[Optimizer], ema: Ema | None) -> TrainState:
    """Restore modules, optimizers and moving average from a checkpoint.

    Raises:
        CheckpointError: a file is missing, damaged, of another architecture, or not finite.
    """
    load_weights(path, task)
    state = _read_state(path)
    if ema is not None:
        with _refused(path / "ema.safetensors"):
            ema.load(path / "ema.safetensors", updates=state.step)
    for i, optimizer in enumerate(optimizers):
        file = path / f"optimizer-{i}.pt"
        with _refused(file):
            optimizer.load_state_dict(load_data(file))
    return state


def load_weights(path: Path, task: Task) -> None:
    """Load the weights of the trained modules (the last ones, not the averaged ones).

    Raises:
        CheckpointError: a file is missing, damaged, of another architecture, or not finite.
    """
    from safetensors.torch import load_model

    for name, module in trained_modules(task).items():
        file = path / f"{name}.safetensors"
        with _refused(file):
            load_model(module, file)
            check_finite(module, file)


@contextmanager
def _refused(file: Path) -> Iterator[None]:
    """Whatever goes wrong while a file is restored is a CheckpointError that says what to do."""
    try:
        yield
    except Exception as error:
        raise CheckpointError(
            f"{file} is missing, damaged, not finite or of another model: resume from another checkpoint with --resume-from."
        ) from error


def _read_state(path: Path) -> TrainState:
    content = _content(path)
    try:
        return TrainState(**(content or {})["state"])
    except (LookupError, TypeError) as error:
        raise CheckpointError(
            f"{path / STATE} is missing or damaged: resume from another checkpoint with --resume-from."
        ) from error


def _content(path: Path) -> dict[str, Any] | None:
    """state: fields of a TrainState; files: name -> SHA-256, empty in checkpoints of version 0.1. None if damaged."""
    try:
        data = (path / STATE).read_bytes()
        sealed = open_sealed_json(data)
        if sealed is not None:
            return {"state": sealed["state"], "files": sealed["files"]}
        plain = parse_json(data)
        return {"state": plain, "files": {}} if "step" in plain else None
    except (OSError, ValueError, LookupError, TypeError):
        return None
