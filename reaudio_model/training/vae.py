"""Training the VAE.

L1 and KL, later with a patch discriminator: VQGAN's recipe (arXiv 2012.09841), as in AudioLDM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Generator, Tensor, nn
from torch.optim import Adam, Optimizer

from reaudio_model.codec.mel import log_mel
from reaudio_model.config import MelConfig
from reaudio_model.training.discriminators import PatchDiscriminator
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator

MEL_VALUES = 1024 * 64  # of a clip, over which AudioLDM's L1 is a sum


@dataclass(frozen=True)
class VaeLoss:
    """Weights of the VAE's losses, all of which are means, so that they do not depend on the length of the clips.

    Attributes:
        kl_weight: of the KL divergence (mean over the latent, nats), relative to the L1 (mean over the log-mel). AudioLDM's
            ``kl_weight: 1000`` multiplies the same mean, but its L1 is a sum over 1024 x 64 values: the equivalent default here is
            0.0153. Larger values give smoother latents and blurrier clips.
        discriminator_start: first step with the discriminator.
        decoder_only: freeze the encoder, and with it the latents that a denoiser was trained on.
        discriminator_weight: of the adversarial loss, in addition to the adaptive weight, which equalises the norms of its and
            the L1's gradient at the last layer.
        max_adaptive_weight: of the adaptive weight. AudioLDM's 1e4 limits the gradient of an L1 that is a sum over 1024 x 64 values:
            the equivalent default here is 0.153. Larger values give the discriminator more influence when its gradient is small.
    """

    kl_weight: float = 1000 / MEL_VALUES
    discriminator_start: int = 50_000
    discriminator_weight: float = 0.5
    max_adaptive_weight: float = 1e4 / MEL_VALUES
    decoder_only: bool = False


class Coded(NamedTuple):
    """reconstruction: (B, 1, frames, n_mels); l1: scalar, mean over values; kl: scalar, mean over the latent, nats."""

    reconstruction: Tensor
    l1: Tensor
    kl: Tensor


class VaeTask:
    """A :class:`reaudio_model.training.task.Task`: the VAE and its discriminator, Adam (0.5, 0.9) for each.

    Batches: "waveform" float32 (B, samples), normalised; or "mel" float32 (B, frames, n_mels). The discriminator steps first.

    The recipe's perceptual loss, LPIPS on an image network (VGG), is omitted: it needs torchvision and weights that cannot be
    distributed, and treats spectrograms as photographs. ``perceptual`` accepts any loss instead.

    Args:
        vae: trained in place.
        mel: front end of "waveform" batches.
        loss: the weights.
        discriminator: None is one of the published size.
        perceptual: (reconstruction, target), both (B, 1, frames, n_mels) -> scalar, added to the L1.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        mel: MelConfig | None = None,
        *,
        loss: VaeLoss | None = None,
        discriminator: PatchDiscriminator | None = None,
        perceptual: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.vae = vae
        self.mel = mel or MelConfig()
        self.loss = loss or VaeLoss()
        self.discriminator = discriminator or PatchDiscriminator()
        self.perceptual = perceptual

    def modules(self) -> dict[str, nn.Module]:
        return {"vae": self.vae, "discriminator": self.discriminator}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [Adam(module.parameters(), lr=learning_rate, betas=(0.5, 0.9)) for module in self.modules().values()]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        """See the protocol. "adversarial" and "discriminator" are 0 before the discriminator starts."""
        vae_optimizer, discriminator_optimizer = optimizers
        target = self._target(batch)
        with accelerator.autocast():
            coded = self._code(target, generator)
        metrics = {"l1": coded.l1.item(), "kl": coded.kl.item(), "adversarial": 0.0, "discriminator": 0.0}
        loss = reconstruction_loss = self._reconstruction_loss(coded, target)
        if step >= self.loss.discriminator_start:
            with accelerator.autocast():
                real, fake = self.discriminator(target), self.discriminator(coded.reconstruction.detach())
            discriminator_loss = hinge_loss(real.float(), fake.float())
            descend(discriminator_loss, discriminator_optimizer, accelerator)
            with accelerator.autocast():
                adversarial = -self.discriminator(coded.reconstruction).float().mean()
            last_layer = self.vae.decoder.conv_out.weight
            weight = adaptive_weight(reconstruction_loss, adversarial, last_layer, self.loss.max_adaptive_weight)
            loss = loss + self.loss.discriminator_weight * weight * adversarial
            metrics |= {"adversarial": adversarial.item(), "discriminator": discriminator_loss.item()}
        loss = loss + self.loss.kl_weight * coded.kl
        descend(loss, vae_optimizer, accelerator)
        return {"loss": loss.item(), **metrics}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        """L1, KL and their weighted sum, with the posterior's mean as latent, without the discriminator."""
        target = self._target(batch)
        coded = self._code(target, None)
        loss = self._reconstruction_loss(coded, target) + self.loss.kl_weight * coded.kl
        return {"loss": loss.item(), "l1": coded.l1.item(), "kl": coded.kl.item()}

    def ema_module(self) -> nn.Module | None:
        """None: only the diffusion model is averaged."""
        return None

    def _target(self, batch: Batch) -> Tensor:
        """Log-mel (B, 1, frames, n_mels), frames a multiple of what the VAE divides them by; the last few may be dropped."""
        mel = batch["mel"] if "mel" in batch else log_mel(batch["waveform"], self.mel)
        ratio = 2 ** (len(self.vae.config.block_out_channels) - 1)
        return mel[:, None, : mel.shape[1] // ratio * ratio]

    def _code(self, target: Tensor, generator: Generator | None) -> Coded:
        posterior = self.vae.encode(target).latent_dist
        latent = posterior.mode() if generator is None else posterior.sample(generator)
        reconstruction = self.vae.decode(latent).sample.float()
        mean, variance, log_variance = posterior.mean.float(), posterior.var.float(), posterior.logvar.float()
        kl = 0.5 * (mean**2 + variance - 1 - log_variance).mean()
        return Coded(reconstruction, F.l1_loss(reconstruction, target), kl)

    def _reconstruction_loss(self, coded: Coded, target: Tensor) -> Tensor:
        return coded.l1 if self.perceptual is None else coded.l1 + self.perceptual(coded.reconstruction, target)


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's: mean of (1 - real)+ and (1 + fake)+, each a mean over all logits (arXiv 1705.02894)."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last_layer: Tensor, most: float) -> Tensor:
    """Ratio of gradient norms at the last layer, of reconstruction and adversarial loss, at most ``most``.

    arXiv 2012.09841, equation 7. Not differentiable; the graphs of both losses are kept.
    """
    gradients = [torch.autograd.grad(loss, last_layer, retain_graph=True)[0] for loss in (reconstruction, adversarial)]
    weight = gradients[0].norm() / (gradients[1].norm() + 1e-4)
    return torch.clamp(weight, max=most)
