"""Training CLAP by contrastive loss (arXiv 2211.06687, eq. 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import AdamW, Optimizer

from reaudio_model.encoders.clap_front_end import LogMel, front_end_of
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import ClapModel

MAX_LOG_SCALE = math.log(100.0)  # CLIP's limit: a lower temperature makes training unstable
BETAS = (0.9, 0.99)
MAX_GRADIENT = 1.0


class ClapTask:
    """A :class:`reaudio_model.training.task.Task`.

    ``ClapModel(..., return_loss=True)`` is not used: it transposes the second term back (its
    ``contrastive_loss(logits_per_audio.t())``), so that both terms rank audio for a text. Negatives come from all processes.

    Batches: "waveform" float (B, n), of the front end (``ClapFrontEnd.fit``), "input_ids" and "attention_mask"
    int (B, L), of the text encoder's tokenizer.
    """

    def __init__(self, network: ClapModel) -> None:
        self.network = network
        self.log_mel = LogMel(front_end_of(network.config))

    def modules(self) -> dict[str, nn.Module]:
        return {"clap": self.network, "log_mel": self.log_mel}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [AdamW(self.network.parameters(), lr=learning_rate, betas=BETAS, weight_decay=0.0)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        with accelerator.autocast():
            text, audio = self._embed(batch)
        loss = contrastive_loss(gather_rows(text, accelerator), gather_rows(audio, accelerator), self._scales())
        descend(loss, optimizers[0], accelerator, max_norm=MAX_GRADIENT)
        return {"loss": loss.item(), "scale": self._scales()[0].item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        """ "loss", and "recall": the proportion of texts whose own audio is the nearest of the batch."""
        text, audio = self._embed(batch)
        nearest = (text @ audio.T).argmax(dim=1)
        hits = (nearest == torch.arange(len(text), device=text.device)).float()
        return {"loss": contrastive_loss(text, audio, self._scales()).item(), "recall": hits.mean().item()}

    def ema_module(self) -> nn.Module | None:
        return None

    def _embed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Unit-norm text and audio, float32 (B, dim)."""
        with torch.autocast(batch["waveform"].device.type, enabled=False):
            log_mel = self.log_mel(batch["waveform"])
        audio = self.network.get_audio_features(input_features=log_mel).pooler_output
        text = self.network.get_text_features(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).pooler_output
        return text.float(), audio.float()

    def _scales(self) -> tuple[Tensor, Tensor]:
        """The learned inverse temperatures of text -> audio and audio -> text."""
        text, audio = self.network.logit_scale_t, self.network.logit_scale_a
        return text.clamp(max=MAX_LOG_SCALE).exp(), audio.clamp(max=MAX_LOG_SCALE).exp()


def contrastive_loss(text: Tensor, audio: Tensor, scales: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cross-entropy of finding the audio of each text, and the text of each audio, among all of the batch.

    Args:
        text, audio: unit norm, float (B, dim); row i of one belongs to row i of the other.
        scales: inverse temperatures, text -> audio and audio -> text.
    """
    target = torch.arange(len(text), device=text.device)
    to_audio = F.cross_entropy(scales[0] * text @ audio.T, target)
    to_text = F.cross_entropy(scales[1] * audio @ text.T, target)
    return (to_audio + to_text) / 2


def gather_rows(rows: Tensor, accelerator: Accelerator) -> Tensor:
    """The rows of all processes, in the order of their rank; a gradient flows into this process's own.

    That gradient is multiplied by the number of processes: the loop averages over processes, but the gradient of the whole batch is
    the sum of their contributions.

    Args:
        rows: float (B, dim), of the same B in every process.

    Returns:
        (processes * B, dim); ``rows`` itself in a single process.
    """
    world = accelerator.num_processes
    if world == 1:
        return rows
    own = rows.view_as(rows)
    own.register_hook(lambda gradient: gradient * world)  # type: ignore[no-untyped-call]
    every = list(accelerator.gather(rows.detach()).chunk(world))
    every[accelerator.process_index] = own
    return torch.cat(every)
