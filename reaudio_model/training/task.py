"""Interface of a trainable part, and its optimizer step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import Generator, Tensor, nn
    from torch.optim import Optimizer

Batch = dict[str, "Tensor"]


class NotFinite(ReaudioError):
    """A loss or gradient that is NaN or infinite: the training has diverged."""


class Task(Protocol):
    """One part of the model under training: its networks, its losses, its optimizer steps.

    The loop (:func:`reaudio_model.training.loop.fit`) owns everything else: devices, data, warm-up, EMA, checkpoints, logs.
    A task takes all random numbers from the ``generator`` it is given.
    """

    def modules(self) -> dict[str, nn.Module]:
        """Every network the task uses, by name, trained or frozen.

        The loop moves them to the device, in place. Those with a parameter that requires a gradient are put into training
        mode and saved with a checkpoint; the others are put into evaluation mode and left out.
        """

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        """The optimizers over the trained parameters, always in the same order; called once, after modules were moved.

        Args:
            learning_rate: the peak; the loop adds warm-up and decay.
        """

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        """One step: forward passes under ``accelerator.autocast()``, then :func:`descend` for each optimizer.

        Args:
            batch: tensors on ``accelerator.device``, first dimension the clips of this process.
            optimizers: those of :meth:`optimizers`, prepared by the accelerator.
            accelerator: of the run.
            step: from 0; a repeated step after a resume has the same number.
            generator: on the CPU, seeded by (run seed, step, process): the only source of randomness. Draw on the CPU and move,
                so that a run does not depend on the device.

        Returns:
            Losses and other metrics for the log, by name ("loss" first).
        """

    def validation_step(self, batch: Batch) -> dict[str, float]:
        """Metrics of a batch, each a mean over its clips; called in evaluation mode, without gradients and with the EMA
        weights in place. The same batch gives the same metrics. "loss" decides which checkpoint is the best."""

    def ema_module(self) -> nn.Module | None:
        """The module whose moving average is kept and used after training, or None."""


def descend(loss: Tensor, optimizer: Optimizer, accelerator: Accelerator, *, max_norm: float | None = None) -> None:
    """Backward pass into the parameters of ``optimizer`` alone, mean over processes, clipping, step, gradients cleared.

    Gradients are averaged here and not by DistributedDataParallel, whose hooks see ``forward`` only: a VAE is called through
    ``encode`` and ``decode``, a discriminator twice. Parameters of other networks (the discriminator under the generator's
    loss) receive no gradient. With gradient accumulation the last four happen at the last micro-batch only.

    Args:
        loss: scalar, finite or not (fp16 loss scaling skips a step that overflows).
        optimizer: prepared by the accelerator.
        accelerator: of the run.
        max_norm: of the gradient of all its parameters together; None clips nothing.

    Raises:
        NotFinite: the gradient is NaN or infinite, in every process alike; the parameters are unchanged. In float16 the loss
            scaler skips such a step instead.
    """
    import torch

    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    accelerator.backward(loss, inputs=parameters)
    if accelerator.sync_gradients:
        if accelerator.num_processes > 1:
            for parameter in parameters:  # a parameter unused here may have been used in another process
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = accelerator.reduce(gradient, reduction="mean")
        if max_norm is not None:
            accelerator.unscale_gradients(optimizer)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if accelerator.scaler is None and not torch.isfinite(norm):
            raise NotFinite(f"The gradient is {norm.item()}")
        if max_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm)
    optimizer.step()
    optimizer.zero_grad()
