"""Discriminators of the VAE and the vocoder.

PatchGAN on log-mel; multi-period and multi-scale on waveforms.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

PERIODS = (2, 3, 5, 7, 11)
N_SCALES = 3
SLOPE = 0.1  # of the vocoder's leaky ReLUs


class PatchDiscriminator(nn.Sequential):
    """PatchGAN of pix2pix (arXiv 1611.07004) as in VQGAN and latent diffusion: a logit for every patch, high for real.

    log-mel, float (B, 1, frames, n_mels) -> logits (B, 1, time, frequency): (B, 1, 126, 6) for 1024 x 64. 2.8 M parameters.

    Args:
        width: channels after the first convolution; doubled by each of the next ones, up to eight times.
        layers: convolutions of stride 2.
    """

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        channels = [width * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i in range(layers):
            stride = 2 if i < layers - 1 else 1
            parts += [
                nn.Conv2d(channels[i], channels[i + 1], 4, stride, 1, bias=False),
                nn.BatchNorm2d(channels[i + 1]),
                nn.LeakyReLU(0.2),
            ]
        super().__init__(*parts, nn.Conv2d(channels[-1], 1, 4, 1, 1))
        for module in self:
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)


class DiscriminatorOutput(NamedTuple):
    """Output of a discriminator. logits: float (B, n), 1 for real; features: the activations of its layers."""

    logits: Tensor
    features: list[Tensor]


class PeriodDiscriminator(nn.Module):
    """2-d convolutions over every ``period``-th sample:  over the waveform folded to (n / period, period).

    HiFi-GAN, arXiv 2010.05646, section 2.3 and appendix A.2 (there width 32).
    """

    def __init__(self, period: int, width: int = 32) -> None:
        super().__init__()
        self.period = period
        channels = [1, width, 4 * width, 16 * width, 32 * width, 32 * width]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(channels[i], channels[i + 1], (5, 1), (3 if i < 4 else 1, 1), padding=(2, 0)))
            for i in range(5)
        )
        self.output = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), 1, padding=(1, 0)))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """waveform: float (B, n)."""
        padded = F.pad(waveform[:, None], (0, -waveform.shape[-1] % self.period), mode="reflect")
        return _discriminate(self.layers, self.output, padded.reshape(len(padded), 1, -1, self.period))


class ScaleDiscriminator(nn.Module):
    """Grouped 1-d convolutions over the waveform (MelGAN's, arXiv 1910.06711, as in HiFi-GAN; there width 128).

    Args:
        width: a multiple of 16.
        spectral: spectral norm (HiFi-GAN's full rate) or weight norm (its averaged waveforms).
    """

    def __init__(self, width: int = 128, *, spectral: bool = False) -> None:
        super().__init__()
        norm = spectral_norm if spectral else weight_norm
        w = width
        self.layers = nn.ModuleList(
            norm(nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups))
            for inputs, outputs, kernel, stride, groups in (
                (1, w, 15, 1, 1),
                (w, w, 41, 2, 4),
                (w, 2 * w, 41, 2, 16),
                (2 * w, 4 * w, 41, 4, 16),
                (4 * w, 8 * w, 41, 4, 16),
                (8 * w, 8 * w, 41, 1, 16),
                (8 * w, 8 * w, 5, 1, 1),
            )
        )
        self.output = norm(nn.Conv1d(8 * w, 1, 3, 1, padding=1))

    def forward(self, waveform: Tensor) -> DiscriminatorOutput:
        """waveform: float (B, n)."""
        return _discriminate(self.layers, self.output, waveform[:, None])


class WaveformDiscriminator(nn.Module):
    """HiFi-GAN's eight discriminators: five periods and three scales, each at half the rate of the previous. 70.7 M parameters.

    Args:
        period_width: of the period discriminators.
        scale_width: of the scale discriminators, a multiple of 16.
    """

    def __init__(self, period_width: int = 32, scale_width: int = 128) -> None:
        super().__init__()
        self.periods = nn.ModuleList(PeriodDiscriminator(period, period_width) for period in PERIODS)
        self.scales = nn.ModuleList(ScaleDiscriminator(scale_width, spectral=i == 0) for i in range(N_SCALES))

    def forward(self, waveform: Tensor) -> list[DiscriminatorOutput]:
        """waveform: float (B, n)."""
        outputs = [period(waveform) for period in self.periods]
        for i, scale in enumerate(self.scales):
            if i:
                waveform = F.avg_pool1d(waveform[:, None], 4, 2, padding=2)[:, 0]
            outputs.append(scale(waveform))
        return outputs


def _discriminate(layers: nn.ModuleList, output: nn.Module, signal: Tensor) -> DiscriminatorOutput:
    features = []
    for layer in layers:
        signal = F.leaky_relu(layer(signal), SLOPE)
        features.append(signal)
    features.append(output(signal))
    return DiscriminatorOutput(features[-1].flatten(1), features)
