"""The codec: VAE (diffusers) and HiFi-GAN (transformers).

A clip of 10.24 s is 163 840 samples, 1024 x 64 log-mel values and a latent of 8 x 256 x 16 (arXiv 2309.08051, section 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from diffusers import AutoencoderKL
from torch import Generator, Tensor, nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from reaudio_model.codec.mel import log_mel
from reaudio_model.codec.refinement import match_mel
from reaudio_model.common.errors import ReaudioError
from reaudio_model.config import CodecConfig, MelConfig

MIN_SECONDS = 0.1
MAX_SECONDS = 30.0  # three times the length of training clips; the cost of attention is quadratic
DILATIONS = (1, 3, 5)  # of every residual block of the vocoder


def build_vae(config: CodecConfig) -> AutoencoderKL:
    """The VAE with random weights; 55.4 M parameters at full size.

    Equals AudioLDM's encoder and decoder (ch 128, ch_mult 1-2-4, 2 blocks, one attention in the middle) to 5e-6.
    """
    levels = len(config.vae_channels)
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=config.vae_channels,
        layers_per_block=config.vae_layers,
        latent_channels=config.latent_channels,
        norm_num_groups=config.vae_norm_groups,
        sample_size=config.n_frames,
        scaling_factor=config.scaling_factor,
    )


def build_vocoder(config: CodecConfig) -> SpeechT5HifiGan:
    """The HiFi-GAN generator (arXiv 2010.05646) with random weights, without weight norm; 55.3 M parameters at full size.

    Equals AudioLDM's generator exactly. Initialised as in torch, which is in effect HiFi-GAN's initialisation (weight norm replaces
    its N(0, 0.01)). transformers draws all weights from N(0, 0.01), for which the output has an amplitude of 1e-5: below the floor
    of the log-mel, where the mel loss has no gradient.
    """
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=config.mel.n_mels,
            sampling_rate=config.mel.sample_rate,
            upsample_initial_channel=config.vocoder_channels,
            upsample_rates=list(config.vocoder_rates),
            upsample_kernel_sizes=list(config.vocoder_kernels),
            resblock_kernel_sizes=list(config.vocoder_resblock_kernels),
            resblock_dilation_sizes=[list(DILATIONS) for _ in config.vocoder_resblock_kernels],
            normalize_before=False,
        )
    )
    for module in vocoder.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            module.reset_parameters()
    return vocoder


def remove_weight_norm(vocoder: SpeechT5HifiGan) -> None:
    """Fold the weight norm of training into plain weights, in place; a vocoder without weight norm is not changed.

    transformers' own method removes only the older form of weight norm, not the one that it applies.
    """
    for module in vocoder.modules():
        if nn.utils.parametrize.is_parametrized(module, "weight"):
            nn.utils.parametrize.remove_parametrizations(module, "weight")


def latent_scale(vae: AutoencoderKL, batches: Iterable[Tensor]) -> float:
    """1 / standard deviation of the latents that the VAE draws for some clips: the ``scaling_factor`` of latent diffusion
    (arXiv 2112.10752, appendix G; AudioLDM takes the first training batch).

    The variance is that of the mixture of posteriors, E[mean^2 + var] - E[mean]^2, so nothing is sampled. Set the value with
     ``vae.register_to_config(scaling_factor=...)``.

    Args:
        vae: on any device.
        batches: log-mel, float (B, frames, n_mels), frames a multiple of the VAE's ratio.

    Raises:
        ReaudioError: no batches.
    """
    first = second = n = 0.0
    with torch.inference_mode():
        for mel in batches:
            posterior = vae.encode(mel[:, None].to(vae.device, vae.dtype)).latent_dist
            mean, variance = posterior.mean.double(), posterior.var.double()
            first += float(mean.sum())
            second += float((mean**2 + variance).sum())
            n += mean.numel()
    if not n:
        raise ReaudioError("The scale of the latents needs at least one clip.")
    return 1 / math.sqrt(second / n - (first / n) ** 2)


class Codec:
    """VAE and vocoder: waveforms to scaled latents and back.

    Clips of a batch are independent. Networks may be in float32 or half precision, on any device; inputs are moved to them, and
    log-mel and waveforms are returned in float32. Gradients are kept.
    """

    def __init__(
        self, vae: AutoencoderKL, vocoder: SpeechT5HifiGan, mel: MelConfig | None = None, refinement: int = 0
    ) -> None:
        """
        Args:
            vae: its ``config.scaling_factor`` multiplies latents.
            vocoder: of the same ``mel``.
            mel: the front end; None is AudioLDM's.
            refinement: iterations of :func:`reaudio_model.codec.refinement.match_mel` after the vocoder.
        """
        self.vae = vae
        self.vocoder = vocoder
        self.mel = mel or MelConfig()
        self.refinement = refinement

    @property
    def ratio(self) -> int:
        """Log-mel frames (and bins) in a step of the latent: 4."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    def latent_frames(self, seconds: float, unet_downsampling: int = 1) -> int:
        """Time steps of the latent that covers a duration; 256 for 10.24 s.

        Args:
            seconds: in [MIN_SECONDS, MAX_SECONDS]; rounded to whole samples.
            unet_downsampling: total downsampling of time in the denoiser (8 with four levels); the steps are rounded up to a
                multiple of it, and :meth:`to_waveform` removes the excess.

        Raises:
            ReaudioError: duration out of range.
        """
        if not MIN_SECONDS <= seconds <= MAX_SECONDS:  # also refuses NaN
            raise ReaudioError(f"The duration must be between {MIN_SECONDS:g} and {MAX_SECONDS:g} seconds, not {seconds:g}.")
        samples_per_step = self.mel.hop_length * self.ratio * unet_downsampling
        return math.ceil(round(seconds * self.mel.sample_rate) / samples_per_step) * unet_downsampling

    def encode(self, waveform: Tensor, generator: Generator | list[Generator] | None = None) -> Tensor:
        """Waveforms -> scaled latents.

        Args:
            waveform: float (B, samples), mono, normalised with :func:`reaudio_model.codec.mel.normalise_waveform`; padded with silence to
                whole latent steps (640 samples).
            generator: one for the batch or one for each clip, to sample from the posterior; None uses its mean.

        Returns:
            (B, channels, time, frequency) in the VAE's dtype: (B, 8, 256, 16) for 163 840 samples.
        """
        step = self.mel.hop_length * self.ratio
        padded = nn.functional.pad(waveform, (0, -waveform.shape[-1] % step))
        return self.encode_mel(log_mel(padded.to(self.vae.device), self.mel), generator)

    def encode_mel(self, mel: Tensor, generator: Generator | list[Generator] | None = None) -> Tensor:
        """Log-mel (B, frames, n_mels), frames a multiple of :attr:`ratio`, -> scaled latents, as :meth:`encode`."""
        posterior = self.vae.encode(mel[:, None].to(self.vae.device, self.vae.dtype)).latent_dist
        latent: Tensor = posterior.mode() if generator is None else posterior.sample(generator)
        return latent * float(self.vae.config.scaling_factor)

    def decode(self, latent: Tensor) -> Tensor:
        """Scaled latents (B, channels, time, frequency) -> log-mel, float32 (B, time * ratio, n_mels)."""
        unscaled = latent.to(self.vae.device, self.vae.dtype) / self.vae.config.scaling_factor
        mel: Tensor = self.vae.decode(unscaled).sample[:, 0]
        return mel.float()

    def vocode(self, mel: Tensor, n_samples: int) -> Tensor:
        """Log-mel -> waveforms of an exact length.

        Args:
            mel: float (B, frames, n_mels).
            n_samples: at most frames * hop_length; further samples of the vocoder (32 at its edge, and padding) are removed.

        Returns:
            float32 (B, n_samples), in [-1, 1].

        Raises:
            ValueError: more samples than the frames cover.
        """
        covered = mel.shape[1] * self.mel.hop_length
        if n_samples > covered:
            raise ValueError(f"{mel.shape[1]} frames cover {covered} samples, not {n_samples}")
        waveform: Tensor = self.vocoder(mel.to(self.vocoder.device, self.vocoder.dtype))
        whole = waveform[:, :covered].float()
        return match_mel(whole, mel[:, : whole.shape[1] // self.mel.hop_length], self.mel, self.refinement)[:, :n_samples]

    def to_waveform(self, latent: Tensor, n_samples: int) -> Tensor:
        """Scaled latents -> waveforms, float32 (B, n_samples); :meth:`decode`, then :meth:`vocode`."""
        return self.vocode(self.decode(latent), n_samples)
