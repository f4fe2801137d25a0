"""Steps, rates and intervals of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reaudio_model.common.errors import ReaudioError

MAX_RATE = 1000.0  # no training converges with it, and no optimizer overflows
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
        tf32: matrix products in TF32 on a GPU that has it, as in the authors' framework; convolutions are in TF32 by torch's default. Only
            the training itself: latents and features are computed in full float32.
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
    tf32: bool = False
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
        for name in ("warmup", "cooldown", "validation_clips", "workers"):
            if getattr(self, name) < 0:
                raise ReaudioError(f"{name} must be 0 or more, not {getattr(self, name)}.")
        if not 0 <= self.seed < 2**63:
            raise ReaudioError(f"seed must be between 0 and 2^63 - 1, not {self.seed}.")
        if not 0 < self.learning_rate <= MAX_RATE:
            raise ReaudioError(f"learning_rate must be above 0 and at most {MAX_RATE:g}, not {self.learning_rate}.")
        if not 0 < self.epoch_decay <= 1:
            raise ReaudioError(f"epoch_decay must be above 0 and at most 1, not {self.epoch_decay}.")
        if not 0 <= self.ema_decay < 1:
            raise ReaudioError(f"ema_decay must be 0 or more and below 1, not {self.ema_decay}.")

    def rate_factor(self, step: int, epoch: int) -> float:
        """Factor on the peak learning rate in step ``step`` (from 0)."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        cool = min(1.0, (self.steps - step) / self.cooldown) if self.cooldown else 1.0
        return warm * cool * self.epoch_decay**epoch
