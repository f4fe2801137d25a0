"""Training a tagger.

Binary cross-entropy of each label (PANNs, arXiv 1912.10211), or cross-entropy over the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from reaudio_model.encoders.recurrent_tagger import RecurrentTagger
from reaudio_model.encoders.tagger import Tagger
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator

TaggerLoss = Literal["sigmoid", "softmax"]


class TaggerTask:
    """A :class:`reaudio_model.training.task.Task`.

    Batches: "waveform" float (B, n) at 16 kHz and "labels" float (B, C), 1 if the class is in the clip.

    Args:
        tagger: trained in place.
        loss: "sigmoid": binary cross-entropy of each class; "softmax": cross-entropy with the labels of a clip sharing its
            probability, which ranks classes equally well after far fewer steps, but does not give calibrated sigmoids.
    """

    def __init__(self, tagger: Tagger | RecurrentTagger, loss: TaggerLoss = "sigmoid") -> None:
        self.tagger, self.loss = tagger, loss

    def modules(self) -> dict[str, nn.Module]:
        return {"tagger": self.tagger}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [Adam(self.tagger.parameters(), lr=learning_rate)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        with accelerator.autocast():
            logits = self.tagger(batch["waveform"]).logits
        loss = self._loss(logits.float(), batch["labels"])
        descend(loss, optimizers[0], accelerator)
        return {"loss": loss.item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        logits: Tensor = self.tagger(batch["waveform"]).logits
        labels = batch["labels"]
        top = labels.gather(1, logits.argmax(dim=1, keepdim=True))
        loss = self._loss(logits, labels)
        return {"loss": loss.item(), "top1": top.mean().item()}

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.loss == "softmax":
            return F.cross_entropy(logits, labels / labels.sum(dim=1, keepdim=True).clamp(min=1.0))
        return F.binary_cross_entropy_with_logits(logits, labels)

    def ema_module(self) -> nn.Module | None:
        return None
