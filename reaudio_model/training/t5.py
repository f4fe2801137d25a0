"""Training T5 by span corruption.

Raffel et al. 2020 (arXiv 1910.10683), section 3.1.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.optim import AdamW, Optimizer

from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import T5ForConditionalGeneration

NOISE_DENSITY = 0.15
MEAN_SPAN = 3.0
IGNORED = -100  # label of the library's loss for padding
VALIDATION_SEED = 0


class Denoising(NamedTuple):
    """input_ids, attention_mask: int (B, L); labels: int (B, M), -100 where padded."""

    input_ids: Tensor
    attention_mask: Tensor
    labels: Tensor


class T5Task:
    """A :class:`reaudio_model.training.task.Task`; only the encoder is used afterwards (``T5EncoderModel`` loads its file).

    Batches: "input_ids" and "attention_mask" int (B, L), each text with its end token, then padding.

    Args:
        network: encoder and decoder.
        sentinels: ids of ``<extra_id_0>``, ``<extra_id_1>``, ... in the tokenizer.
    """

    def __init__(self, network: T5ForConditionalGeneration, sentinels: Sequence[int]) -> None:
        self.network = network
        self.sentinels = list(sentinels)

    def modules(self) -> dict[str, nn.Module]:
        return {"t5": self.network}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [AdamW(self.network.parameters(), lr=learning_rate, weight_decay=0.0)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        with accelerator.autocast():
            loss = self.denoising_loss(batch, generator)
        descend(loss, optimizers[0], accelerator, max_norm=1.0)
        return {"loss": loss.item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        return {"loss": self.denoising_loss(batch, Generator().manual_seed(VALIDATION_SEED)).item()}

    def ema_module(self) -> nn.Module | None:
        return None

    def denoising_loss(self, batch: Batch, generator: Generator) -> Tensor:
        """Mean cross-entropy of the decoder's tokens."""
        config = self.network.config
        texts = [ids[mask.bool()].tolist() for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)]
        corrupted = corrupt(texts, self.sentinels, config.eos_token_id, config.pad_token_id, generator)
        device = batch["input_ids"].device
        loss: Tensor = self.network(
            input_ids=corrupted.input_ids.to(device),
            attention_mask=corrupted.attention_mask.to(device),
            labels=corrupted.labels.to(device),
        ).loss
        return loss


def corrupt(texts: Sequence[Sequence[int]], sentinels: Sequence[int], eos: int, pad: int, generator: Generator) -> Denoising:
    """Span corruption: 15 % of the tokens in spans of 3 on average, at least one token of each text.

    ``a dog barks loudly </s>`` may become ``a dog <0> loudly </s>``, with the labels ``<0> barks <1> </s>``.

    Args:
        texts: tokens with the end token; an end token alone is not changed, and is its own label.
        sentinels: ids in order of use; at least two; a text has at most one span less.
        eos, pad: ids.
        generator: on the CPU.
    """
    pairs = [_corrupt_one([t for t in text if t != eos], sentinels, eos, generator) for text in texts]
    inputs = [torch.tensor(source) for source, _ in pairs]
    labels = [torch.tensor(target) for _, target in pairs]
    masks = [torch.ones_like(source) for source in inputs]
    pad_rows = nn.utils.rnn.pad_sequence
    return Denoising(
        pad_rows(inputs, batch_first=True, padding_value=pad),
        pad_rows(masks, batch_first=True),
        pad_rows(labels, batch_first=True, padding_value=IGNORED),
    )


def _corrupt_one(tokens: list[int], sentinels: Sequence[int], eos: int, generator: Generator) -> tuple[list[int], list[int]]:
    if not tokens:
        return [eos], [eos]
    n_noise = max(round(NOISE_DENSITY * len(tokens)), 1)
    n_kept = len(tokens) - n_noise
    n_spans = max(1, min(round(n_noise / MEAN_SPAN), n_kept + 1, len(sentinels) - 1))
    # numbers of kept tokens before, between and after the spans, at least one between them. The published recipe always ends in a
    # span, which would always hide the last word of a short text.
    gaps = _partition(n_kept + 2, n_spans + 1, generator)
    gaps[0], gaps[-1] = gaps[0] - 1, gaps[-1] - 1
    source: list[int] = []
    target: list[int] = []
    rest = tokens
    for kept, noise, sentinel in zip(gaps[:-1], _partition(n_noise, n_spans, generator), sentinels, strict=False):
        source += [*rest[:kept], sentinel]
        target += [sentinel, *rest[kept : kept + noise]]
        rest = rest[kept + noise :]
    return [*source, *rest, eos], [*target, sentinels[n_spans], eos]


def _partition(total: int, parts: int, generator: Generator) -> list[int]:
    """``total`` as a sum of ``parts`` positive numbers, every such sum equally likely."""
    cuts = sorted((torch.randperm(total - 1, generator=generator)[: parts - 1] + 1).tolist())
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]
