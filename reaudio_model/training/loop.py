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
from typing import TYPE_CHECKING

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.training.checkpoint import (
    TrainState,
    find_checkpoint,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    set_aside_later,
    trained_modules,
)
from reaudio_model.training.ema import Ema
from reaudio_model.training.interrupts import stop_signals
from reaudio_model.training.log import MetricsLog
from reaudio_model.training.loop_config import LoopConfig
from reaudio_model.training.order import Clips, EveryClip, TrainingOrder, loader
from reaudio_model.training.task import NotFinite

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch.optim import Optimizer

    from reaudio_model.training.task import Batch, Task

CHECKPOINTS = "checkpoints"  # folder in that of a run


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
    checkpoint: Path | None = None,
    reporter: Reporter | None = None,
) -> FitResult:
    """Train ``task``; afterwards its modules have the final weights, averaged if the task keeps an average.

    Written to ``output``: ``train.csv``, ``validation.csv``, ``checkpoints/step-*`` (the last two and the best). Interrupted at
    any time and started again with ``resume``, a run writes the same rows as an uninterrupted one. Ctrl-C and SIGTERM save
    a checkpoint after the current step and return. Learning rate and warm-up may differ when a run is resumed.

    Args:
        task: what is trained.
        clips: for training.
        config: steps, rates and intervals.
        output: folder of the run.
        accelerator: of the run.
        validation: clips; None for no validation.
        resume: continue from a checkpoint in ``output``, if there is one.
        checkpoint: to continue from, of :func:`starting_point`; None with ``resume`` is the newest whole one. Later ones are renamed.
        reporter: of progress and notes; None shows nothing.

    Raises:
        ReaudioError: ``output`` holds a run and ``resume`` is False; a loss, gradient or weight is not finite; the disk is full.
        CheckpointError: every checkpoint is damaged, or the one given is damaged or of another model.
    """
    run = _Run(task, clips, config, output, accelerator, validation, reporter or Reporter(quiet=True))
    return run.start(checkpoint or starting_point(output, resume, None, run.reporter))


def starting_point(output: Path, resume: bool, chosen: int | Path | None, reporter: Reporter) -> Path | None:
    """The checkpoint from which a run in ``output`` goes on; None at its start.

    Args:
        output: folder of the run.
        resume: whether to continue a run.
        chosen: step or folder of a checkpoint of this run; None is the newest whole one.
        reporter: of damaged checkpoints that are skipped.

    Raises:
        ReaudioError: ``output`` holds a run and ``resume`` is False.
        CheckpointError: every checkpoint is damaged, or the chosen one is missing, damaged or of another run.
    """
    if not resume:
        if latest_checkpoint(output / CHECKPOINTS) is not None:
            raise ReaudioError(f"{output} contains a training run: continue it with --resume, or choose another --output.")
        return None
    folder = output / CHECKPOINTS
    if isinstance(chosen, Path) and chosen.resolve().parent != folder.resolve():
        raise CheckpointError(f"{chosen} is not in {folder}: a run continues from its own checkpoints.")
    return find_checkpoint(folder, chosen, note=reporter.note)


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
        self.checkpoints = output / CHECKPOINTS
        accelerator.gradient_accumulation_steps = config.accumulate
        for module in task.modules().values():
            module.to(accelerator.device)
        self.optimizers: list[Optimizer] = [
            accelerator.prepare_optimizer(optimizer) for optimizer in task.optimizers(config.learning_rate)
        ]
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        averaged = task.ema_module()
        self.ema = None if averaged is None else Ema(averaged, config.ema_decay)
        self.state = TrainState()

    def start(self, checkpoint: Path | None) -> FitResult:
        self._restore(checkpoint)
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

    def _restore(self, checkpoint: Path | None) -> None:
        if checkpoint is None:
            return
        self.state = load_checkpoint(checkpoint, self.task, self.optimizers, self.ema)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.state.scaler)
        if self.accelerator.is_main_process:
            for moved in set_aside_later(self.checkpoints, self.state.step):
                self.reporter.note(f"{moved} is not used any more: remove it to free its space")

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
        batches = loader(self.clips, order, config.workers)
        return (list(group) for group in zip(*[batches] * accumulate, strict=True))

    def _step(self, step: int, micro_batches: list[Batch]) -> None:
        import torch

        config = self.config
        clips_seen = step * config.accumulate * config.batch_size * self.accelerator.num_processes
        factor = config.rate_factor(step, clips_seen // len(self.clips))
        for optimizer, peaks in zip(self.optimizers, self.peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
        for i, batch in enumerate(micro_batches):
            seed = _step_seed(config.seed, step * config.accumulate + i, self.accelerator.process_index)
            torch.manual_seed(seed)  # dropout inside the networks
            generator = torch.Generator().manual_seed(seed)
            try:
                with self.accelerator.accumulate():
                    metrics = self.task.training_step(
                        _to(batch, self.accelerator.device), self.optimizers, self.accelerator, step, generator
                    )
            except NotFinite as error:
                raise self._diverged(f"{error} at step {step}") from error
            self._count(step, metrics)
        if self.ema is not None:
            self.ema.update()
        self.state.step = step + 1

    def _count(self, step: int, metrics: dict[str, float]) -> None:
        self._check_metrics(metrics, step)
        for name, value in metrics.items():
            self.state.sums[name] = self.state.sums.get(name, 0.0) + value
        self.state.count += 1

    def _check_metrics(self, metrics: dict[str, float], step: int, kind: str = "") -> None:
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise self._diverged(f"The {kind}{name if 'loss' in name else f'metric {name}'} is {value} at step {step}")

    def _diverged(self, what: str) -> ReaudioError:
        """The error for values that are not finite, with settings that may differ when the run is resumed."""
        last, rate = latest_checkpoint(self.checkpoints), self.config.learning_rate
        begins = "from the start" if last is None else f"from {last.name}, or from an earlier one with --resume-from"
        return ReaudioError(
            f"{what}: repeat the command with --set loop.learning_rate={rate / 2:g} (it was {rate:g}) or a longer loop.warmup; it "
            f"continues {begins}."
        )

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
                self._save()
            self.accelerator.wait_for_everyone()

    def _save(self) -> None:
        try:
            save_checkpoint(self.checkpoints, self.state, self.task, self.optimizers, self.ema)
        except NotFinite as error:
            raise self._diverged(str(error)) from error

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
        self._check_metrics(sums, self.state.step, "validation ")
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
