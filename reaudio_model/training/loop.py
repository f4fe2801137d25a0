"""The training loop, distributed by accelerate and resumable.

A run that was interrupted and resumed has the same loss curve.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.training.checkpoint import (
    TrainState,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    trained_modules,
)
from reaudio_model.training.ema import Ema
from reaudio_model.training.interrupts import stop_signals
from reaudio_model.training.log import MetricsLog
from reaudio_model.training.order import Clips, EveryClip, TrainingOrder, loader

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch.optim import Optimizer

    from reaudio_model.training.task import Batch, Task

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class LoopConfig:
    """Steps, rates and intervals. The defaults are those of the paper's diffusion model, if it states them.

    Attributes:
        steps: optimizer steps of the whole run.
        batch_size: clips of a step in each process, and in each of its ``accumulate`` micro-batches.
        learning_rate: peak.
        warmup: steps of linear warm-up from 0.
        cooldown: last steps, with linear decay to 0; important in short runs.
        epoch_decay: factor on the learning rate after each pass over the data (HiFi-GAN: 0.999).
        accumulate: micro-batches of a step.
        precision: of the forward passes; the weights stay float32.
        ema_decay: of the moving average (Task.ema_module).
        seed: of all random numbers.
        log_every, validate_every, checkpoint_every: steps. A row of the log is the mean over its ``log_every`` steps.
        validation_clips: at most this many; 0 for all.
        workers: data-loading processes of each training process.
    """

    steps: int
    batch_size: int = 4
    learning_rate: float = 5e-5
    warmup: int = 0
    cooldown: int = 0
    epoch_decay: float = 1.0
    accumulate: int = 1
    precision: Precision = "float32"
    ema_decay: float = 0.9999
    seed: int = 0
    log_every: int = 50
    validate_every: int = 5000
    checkpoint_every: int = 5000
    validation_clips: int = 0
    workers: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "log_every", "validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ReaudioError(f"{name} must be 1 or more, not {getattr(self, name)}.")
        if not 0 < self.learning_rate < math.inf:
            raise ReaudioError(f"learning_rate must be above 0, not {self.learning_rate}.")

    def rate_factor(self, step: int, epoch: int) -> float:
        """Factor on the peak learning rate in step ``step`` (from 0)."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        cool = min(1.0, (self.steps - step) / self.cooldown) if self.cooldown else 1.0
        return warm * cool * self.epoch_decay**epoch


@dataclass(frozen=True)
class FitResult:
    """step: optimizer steps so far; finished: False after Ctrl-C; best_loss: lowest validation loss."""

    step: int
    finished: bool
    best_loss: float | None


def fit(
    task: Task,
    clips: Clips,
    config: LoopConfig,
    output: Path,
    *,
    accelerator: Accelerator,
    validation: Clips | None = None,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FitResult:
    """Train ``task``; afterwards its modules have the final weights, averaged if the task keeps an average.

    Written to ``output``: ``train.csv``, ``validation.csv``, ``checkpoints/step-*`` (the last two and the best). Interrupted at
    any time and started again with ``resume``, a run writes the same rows as an uninterrupted one. Ctrl-C and SIGTERM save
    a checkpoint after the current step and return.

    Raises:
        ReaudioError: ``output`` holds a run and ``resume`` is False; a loss is not finite; the disk is full.
        CheckpointError: the last checkpoint is damaged or of another model.
    """
    return _Run(task, clips, config, output, accelerator, validation, reporter or Reporter(quiet=True)).start(resume)


class _Run:
    """The state of one call of :func:`fit`."""

    def __init__(
        self,
        task: Task,
        clips: Clips,
        config: LoopConfig,
        output: Path,
        accelerator: Accelerator,
        validation: Clips | None,
        reporter: Reporter,
    ) -> None:
        self.task, self.clips, self.config, self.output = task, clips, config, output
        self.accelerator, self.validation, self.reporter = accelerator, validation, reporter
        self.checkpoints = output / "checkpoints"
        accelerator.gradient_accumulation_steps = config.accumulate
        for module in task.modules().values():
            module.to(accelerator.device)
        self.optimizers: list[Optimizer] = [
            accelerator.prepare_optimizer(optimizer) for optimizer in task.optimizers(config.learning_rate)
        ]
        averaged = task.ema_module()
        self.ema = None if averaged is None else Ema(averaged, config.ema_decay)
        self.state = TrainState()

    def start(self, resume: bool) -> FitResult:
        self._restore(resume)
        self._set_training(True)
        main = self.accelerator.is_main_process
        self.log = MetricsLog(self.output, self.state.step) if main else None
        with stop_signals(self.accelerator), self.reporter.stage("training", self.config.steps) as advance:
            advance(self.state.step)
            for step, micro_batches in enumerate(self._batches(), start=self.state.step):
                self._step(step, micro_batches)
                advance(1)
                stopped = bool(self.accelerator.check_trigger())
                self._after_step(stopped)
                if stopped:
                    break
        if self.log is not None:
            self.log.close()
        finished = self.state.step >= self.config.steps
        if finished and self.ema is not None:
            self.ema.apply()
        return FitResult(self.state.step, finished, self.state.best_loss)

    def _restore(self, resume: bool) -> None:
        latest = latest_checkpoint(self.checkpoints)
        if latest is None:
            return
        if not resume:
            raise ReaudioError(
                f"{self.output} contains a training run: continue it with --resume, or choose another --output."
            )
        self.state = load_checkpoint(latest, self.task, self.optimizers, self.ema)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.state.scaler)

    def _batches(self) -> Iterator[list[Batch]]:
        """The micro-batches of each remaining step."""
        config, accumulate = self.config, self.config.accumulate
        order = TrainingOrder(
            len(self.clips),
            config.batch_size,
            config.seed,
            start=self.state.step * accumulate,
            stop=config.steps * accumulate,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        batches = iter(loader(self.clips, order, config.workers))
        return (list(group) for group in zip(*[batches] * accumulate, strict=True))

    def _step(self, step: int, micro_batches: list[Batch]) -> None:
        import torch

        config = self.config
        clips_seen = step * config.accumulate * config.batch_size * self.accelerator.num_processes
        factor = config.rate_factor(step, clips_seen // len(self.clips))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        for i, batch in enumerate(micro_batches):
            seed = _step_seed(config.seed, step * config.accumulate + i, self.accelerator.process_index)
            torch.manual_seed(seed)  # dropout inside the networks
            generator = torch.Generator().manual_seed(seed)
            with self.accelerator.accumulate():
                metrics = self.task.training_step(
                    _to(batch, self.accelerator.device), self.optimizers, self.accelerator, step, generator
                )
            self._count(step, metrics)
        if self.ema is not None:
            self.ema.update()
        self.state.step = step + 1

    def _count(self, step: int, metrics: dict[str, float]) -> None:
        if not math.isfinite(metrics["loss"]):
            raise ReaudioError(
                f"The loss is {metrics['loss']} at step {step}: lower learning_rate or lengthen warmup, then resume from "
                f"{latest_checkpoint(self.checkpoints) or 'the start'}."
            )
        for name, value in metrics.items():
            self.state.sums[name] = self.state.sums.get(name, 0.0) + value
        self.state.count += 1

    def _after_step(self, stopped: bool) -> None:
        config, step = self.config, self.state.step
        last = step == config.steps
        if step % config.log_every == 0 or last:
            self._log_row()
        improved = (step % config.validate_every == 0 or last) and self._validate()
        if step % config.checkpoint_every == 0 or improved or stopped or last:
            if self.accelerator.scaler is not None:
                self.state.scaler = self.accelerator.scaler.state_dict()
            if self.accelerator.is_main_process:
                save_checkpoint(self.checkpoints, self.state, self.task, self.optimizers, self.ema)
            self.accelerator.wait_for_everyone()

    def _log_row(self) -> None:
        """The means since the last row, over all processes."""
        import torch

        names = list(self.state.sums)
        means = torch.tensor([self.state.sums[name] / self.state.count for name in names], dtype=torch.float64)
        means = self.accelerator.reduce(means.to(self.accelerator.device), reduction="mean")
        if self.log is not None:
            rate = self.optimizers[0].param_groups[0]["lr"]
            self.log.write(
                "train", self.state.step, {**dict(zip(names, means.tolist(), strict=True)), "learning_rate": rate}
            )
        self.state.sums, self.state.count = {}, 0

    def _validate(self) -> bool:
        """Whether this is the best loss so far; computed by the main process and broadcast."""
        from accelerate.utils import broadcast_object_list

        if self.validation is None:
            return False
        loss = [self._validation_loss(self.validation) if self.log is not None else None]
        broadcast_object_list(loss)
        value = loss[0]
        if value is None or (self.state.best_loss is not None and value >= self.state.best_loss):
            return False
        self.state.best_loss, self.state.best_step = value, self.state.step
        return True

    def _validation_loss(self, validation: Clips) -> float:
        import torch

        size = min(len(validation), self.config.validation_clips or len(validation))
        sums: dict[str, float] = {}
        self._set_training(False)
        with torch.no_grad(), self.ema.swapped() if self.ema is not None else nullcontext():
            for batch in loader(validation, EveryClip(size, self.config.batch_size)):
                weight = len(next(iter(batch.values()))) / size
                for name, value in self.task.validation_step(_to(batch, self.accelerator.device)).items():
                    sums[name] = sums.get(name, 0.0) + weight * value
        self._set_training(True)
        assert self.log is not None  # called by the main process only
        self.log.write("validation", self.state.step, sums)
        self.reporter.note(f"step {self.state.step}: validation {', '.join(f'{k} {v:.4g}' for k, v in sums.items())}")
        return sums["loss"]

    def _set_training(self, mode: bool) -> None:
        trained = trained_modules(self.task)
        for name, module in self.task.modules().items():
            module.train(mode and name in trained)


def _to(batch: Batch, device: object) -> Batch:
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}  # type: ignore[call-overload]


def _step_seed(seed: int, micro_step: int, process: int) -> int:
    digest = hashlib.sha256(f"{seed}:{micro_step}:{process}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
