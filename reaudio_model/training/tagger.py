"""Training the tagger: multi-label binary cross-entropy (PANNs, arXiv 1912.10211)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from reaudio_model.recurrent_tagger import RecurrentTagger
from reaudio_model.tagger import Tagger
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator


class TaggerTask:
    """A :class:`reaudio_model.training.task.Task`.

    Batches: "waveform" float (B, n) at 16 kHz and "labels" float (B, C), 1 where a class is heard.
    """

    def __init__(self, tagger: Tagger | RecurrentTagger) -> None:
        self.tagger = tagger

    def modules(self) -> dict[str, nn.Module]:
        return {"tagger": self.tagger}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [Adam(self.tagger.parameters(), lr=learning_rate)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        with accelerator.autocast():
            logits = self.tagger(batch["waveform"]).logits
        loss = F.binary_cross_entropy_with_logits(logits.float(), batch["labels"])
        descend(loss, optimizers[0], accelerator)
        return {"loss": loss.item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        logits: Tensor = self.tagger(batch["waveform"]).logits
        labels = batch["labels"]
        top = labels.gather(1, logits.argmax(dim=1, keepdim=True))
        loss = F.binary_cross_entropy_with_logits(logits, labels)
        return {"loss": loss.item(), "top1": top.mean().item()}

    def ema_module(self) -> nn.Module | None:
        return None
