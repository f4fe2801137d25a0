"""Training the vocoder: HiFi-GAN.

arXiv 2010.05646, section 2.4; github.com/jik876/hifi-gan, train.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers import SpeechT5HifiGan

from reaudio_model.codec.mel import log_mel
from reaudio_model.config import MelConfig
from reaudio_model.training.discriminators import DiscriminatorOutput, WaveformDiscriminator
from reaudio_model.training.task import Batch, descend

if TYPE_CHECKING:
    from accelerate import Accelerator

# Samples of a training segment: 51 whole frames, from which the generator makes exactly these 8192 samples.
SEGMENT = 8192


@dataclass(frozen=True)
class VocoderLoss:
    """Weights of the vocoder's losses, relative to the adversarial one (1).

    Attributes:
        mel_weight: of the L1 between log-mel spectrograms.
        feature_weight: of feature matching.
        discriminator_start: first step with the discriminators; 0 in HiFi-GAN.
    """

    mel_weight: float = 45.0
    feature_weight: float = 2.0
    discriminator_start: int = 0


class VocoderTask:
    """A :class:`reaudio_model.training.task.Task`: generator with weight norm, eight discriminators, AdamW (0.8, 0.99) for each.

    Batches: "waveform" float32 (B, samples), segments of :data:`SEGMENT`. HiFi-GAN: learning rate 2e-4 times 0.999 after each
    epoch, batches of 16. The discriminators step first.

    The vocoder has weight norm during training; :func:`reaudio_model.codec.codec.remove_weight_norm` folds it into plain weights,
    and :func:`reaudio_model.codec.codec_checkpoints.load_vocoder` reads checkpoints with it.

    Args:
        vocoder: trained in place; weight norm is applied to it.
        mel: its front end.
        loss: the weights.
        discriminator: None is one of the published size.
    """

    def __init__(
        self,
        vocoder: SpeechT5HifiGan,
        mel: MelConfig | None = None,
        *,
        loss: VocoderLoss | None = None,
        discriminator: WaveformDiscriminator | None = None,
    ) -> None:
        self.vocoder = vocoder
        self.mel = mel or MelConfig()
        self.loss = loss or VocoderLoss()
        self.discriminator = discriminator or WaveformDiscriminator()
        vocoder.apply_weight_norm()

    def modules(self) -> dict[str, nn.Module]:
        return {"vocoder": self.vocoder, "discriminator": self.discriminator}

    def optimizers(self, learning_rate: float) -> list[Optimizer]:
        return [AdamW(module.parameters(), lr=learning_rate, betas=(0.8, 0.99)) for module in self.modules().values()]

    def training_step(
        self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
    ) -> dict[str, float]:
        """See the protocol; deterministic. The metrics other than "loss" and "mel" are 0 before the discriminators start."""
        vocoder_optimizer, discriminator_optimizer = optimizers
        with accelerator.autocast():
            real, fake = self._generate(batch["waveform"])
        mel = F.l1_loss(log_mel(fake, self.mel), log_mel(real, self.mel))
        loss = self.loss.mel_weight * mel
        metrics = {"mel": mel.item(), "adversarial": 0.0, "features": 0.0, "discriminator": 0.0}
        if step >= self.loss.discriminator_start:
            with accelerator.autocast():
                of_real, of_fake = self.discriminator(real), self.discriminator(fake.detach())
            discrimination = discriminator_loss(of_real, of_fake)
            descend(discrimination, discriminator_optimizer, accelerator)
            with accelerator.autocast():
                with torch.no_grad():
                    of_real = self.discriminator(real)
                of_fake = self.discriminator(fake)
            adversarial, features = adversarial_loss(of_fake), feature_loss(of_real, of_fake)
            loss = loss + adversarial + self.loss.feature_weight * features
            metrics |= {
                "adversarial": adversarial.item(),
                "features": features.item(),
                "discriminator": discrimination.item(),
            }
        descend(loss, vocoder_optimizer, accelerator)
        return {"loss": loss.item(), **metrics}

    def validation_step(self, batch: Batch) -> dict[str, float]:
        """L1 between log-mel spectrograms, as "loss"; of whole clips or of segments."""
        real, fake = self._generate(batch["waveform"])
        return {"loss": F.l1_loss(log_mel(fake, self.mel), log_mel(real, self.mel)).item()}

    def ema_module(self) -> nn.Module | None:
        """None: HiFi-GAN has no average."""
        return None

    def _generate(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        """The waveforms and the vocoder's reconstructions, float32, cut to the same length."""
        fake: Tensor = self.vocoder(log_mel(waveform, self.mel)).float()
        n = min(waveform.shape[1], fake.shape[1])
        return waveform[:, :n], fake[:, :n]


def discriminator_loss(real: list[DiscriminatorOutput], fake: list[DiscriminatorOutput]) -> Tensor:
    """Least squares, real towards 1 and generated towards 0, summed over discriminators (equation 1)."""
    return torch.stack(
        [(1 - r.logits.float()).square().mean() + f.logits.float().square().mean() for r, f in zip(real, fake, strict=True)]
    ).sum()


def adversarial_loss(fake: list[DiscriminatorOutput]) -> Tensor:
    """Least squares, generated towards 1, summed over discriminators (equation 2)."""
    return torch.stack([(1 - f.logits.float()).square().mean() for f in fake]).sum()


def feature_loss(real: list[DiscriminatorOutput], fake: list[DiscriminatorOutput]) -> Tensor:
    """L1 between the activations for real and generated, a mean in each layer, summed over layers (equation 4)."""
    pairs = zip((x for r in real for x in r.features), (x for f in fake for x in f.features), strict=True)
    return torch.stack([F.l1_loss(f.float(), r.float()) for r, f in pairs]).sum()
