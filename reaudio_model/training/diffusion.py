"""Training the denoiser (arXiv 2309.08051, eq. 4)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import AdamW, Optimizer

from reaudio_model.common.errors import ReaudioError
from reaudio_model.conditioning.conditioner import drop
from reaudio_model.denoiser.sampling import TRAIN_TIMESTEPS, make_scheduler
from reaudio_model.denoiser.unet import RetrievalUNet
from reaudio_model.retrieval.records import Conditioning
from reaudio_model.training.graphs import GraphedDenoiser
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator

VALIDATION_SEED = 0


@dataclass(frozen=True)
class Dropout:
    """Dropout probabilities of the conditioning, drawn independently for each clip.

    The paper uses only ``everything`` and trains a model for each k and each kind of retrieval. The others allow one model for every row
    of its ablation, and a separate guidance scale for retrieval.

    Attributes:
        everything: of text and retrieved pairs together, for classifier-free guidance.
        audio, captions: of retrieved audio or captions.
        text: of the text vector only, so that the model learns to use retrieved pairs.
        random_k: keep the first 0 to k retrieved pairs, each number equally likely.
    """

    everything: float = 0.1
    audio: float = 0.1
    captions: float = 0.1
    text: float = 0.0
    random_k: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0.0 <= getattr(self, field.name) <= 1.0:
                raise ReaudioError(f"dropout: {field.name} must be between 0 and 1, not {getattr(self, field.name)}.")


class DiffusionTask:
    """A :class:`reaudio_model.training.task.Task`: mean squared error of the predicted noise, timesteps uniform.

    Batches: "latents" float (B, channels, time, frequency), scaled, and the fields of a
    :class:`reaudio_model.retrieval.records.Conditioning` with k slots: "text", and with retrieval "audio", "audio_mask", "captions",
    "captions_mask"; floats of any precision.

    Args:
        unet: the denoiser; with ``enable_gradient_checkpointing()`` if memory is limited.
        null: of one row and as many slots, :meth:`reaudio_model.conditioning.conditioner.Conditioner.null`.
        k: slots.
        dropout: of the conditioning.
        prediction: target of the network: "epsilon", as in the paper, or "v_prediction" (Salimans and Ho 2022).
        weight_decay: of AdamW.
        max_norm: of the gradient; None, as in the paper's framework, disables clipping.
        cuda_graph: on a GPU, training steps replay a captured graph (:class:`reaudio_model.training.graphs.GraphedDenoiser`).
    """

    def __init__(
        self,
        unet: RetrievalUNet,
        null: Conditioning,
        k: int,
        *,
        dropout: Dropout | None = None,
        prediction: Literal["epsilon", "v_prediction"] = "epsilon",
        weight_decay: float = 0.01,
        max_norm: float | None = None,
        cuda_graph: bool = False,
    ) -> None:
        self.unet, self.null, self.k = unet, null, k
        self.dropout = dropout or Dropout()
        self.weight_decay, self.max_norm = weight_decay, max_norm
        self.scheduler = make_scheduler("ddim", prediction)
        self._graphed = GraphedDenoiser(unet) if cuda_graph else None

    def modules(self) -> dict[str, nn.Module]:
        return {"unet": self.unet}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        on_gpu = self.unet.device.type == "cuda"
        return [AdamW(self.unet.parameters(), lr=learning_rate, weight_decay=self.weight_decay, fused=on_gpu or None)]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        conditioning = self.withhold(_conditioning(batch), generator)
        timesteps = torch.randint(TRAIN_TIMESTEPS, (len(conditioning),), generator=generator)
        with accelerator.autocast():
            loss = self.denoising_loss(batch["latents"], conditioning, timesteps, generator)
        descend(loss, optimizers[0], accelerator, max_norm=self.max_norm)
        return {"loss": loss.item()}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        """ "loss" with full conditioning and, for a model with retrieval, "loss_without_retrieval" on the same noise."""
        conditioning = _conditioning(batch)
        conditions = {"loss": conditioning}
        if conditioning.audio is not None:
            conditions["loss_without_retrieval"] = replace(conditioning, **_masked(conditioning))
        # evenly spaced: the loss varies more between timesteps than between models
        timesteps = (torch.arange(len(conditioning)) + 0.5) * TRAIN_TIMESTEPS / len(conditioning)
        return {
            name: self.denoising_loss(
                batch["latents"], each, timesteps.long(), Generator().manual_seed(VALIDATION_SEED)
            ).item()
            for name, each in conditions.items()
        }

    def ema_module(self) -> nn.Module | None:
        return self.unet

    def withhold(self, conditioning: Conditioning, generator: Generator) -> Conditioning:
        """Training-time dropout, see :class:`Dropout`."""
        n, device = len(conditioning), conditioning.text.device
        null = self.null.to(device, torch.float32).rows([0] * n)

        def chosen(probability: float) -> Tensor:
            return (torch.rand(n, generator=generator) < probability).to(device)

        everything, audio, captions, text = (
            chosen(p) for p in (self.dropout.everything, self.dropout.audio, self.dropout.captions, self.dropout.text)
        )
        k = max(self.k, 1) if conditioning.audio is not None else 1  # T5 tokens of a prompt fill one slot
        kept = torch.randint(k + 1, (n,), generator=generator).to(device)
        random_k = self.dropout.random_k and conditioning.audio is not None
        conditioning = replace(conditioning, text=torch.where(text[:, None], null.text, conditioning.text))
        return drop(
            conditioning,
            null,
            k=k,
            drop_all=everything,
            drop_audio=audio,
            drop_captions=captions,
            k_kept=kept if random_k else torch.full_like(kept, k),
        )

    def denoising_loss(self, latents: Tensor, conditioning: Conditioning, timesteps: Tensor, generator: Generator) -> Tensor:
        """Mean squared error of the prediction over batch and elements.

        Args:
            latents: float (B, channels, time, frequency), scaled.
            conditioning: of the same B clips.
            timesteps: int (B,), in [0, 1000), on the CPU.
            generator: of the noise, on the CPU.
        """
        noise = torch.randn(latents.shape, generator=generator).to(latents.device)
        timesteps = timesteps.to(latents.device)
        clean = latents.float()
        noisy = self.scheduler.add_noise(clean, noise, timesteps)
        target = noise
        if self.scheduler.config.prediction_type == "v_prediction":
            target = self.scheduler.get_velocity(clean, noise, timesteps)
        graphed = self._graphed if noisy.is_cuda and torch.is_grad_enabled() else None
        network = graphed or self.unet
        return F.mse_loss(network(noisy, timesteps, conditioning).float(), target)


def _conditioning(batch: Batch) -> Conditioning:
    fields = {name: value for name, value in batch.items() if name != "latents"}
    return Conditioning(**fields).to(dtype=torch.float32)


def _masked(conditioning: Conditioning) -> dict[str, Tensor]:
    """Masks without retrieved pairs."""
    return {name: torch.zeros_like(mask) for name, mask in conditioning.fields().items() if name.endswith("mask")}
