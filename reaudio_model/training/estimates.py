"""Disk and memory that a training run will need, estimated from its sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.weights import weights_file
from reaudio_model.config import ModelConfig, reads_text, retrieves
from reaudio_model.training.checkpoint import KEPT

if TYPE_CHECKING:
    from torch import nn

    from reaudio_model.training.config import TrainConfig

FLOAT, HALF = 4, 2  # bytes
MOMENTS = 2  # of Adam, for each parameter
METHOD = (
    "disk: checkpoints (weights, their average and Adam's two moments in float32; the last two and the best) and cached latents, "
    "features and index (float16 and float32); memory: weights, gradients, moments and average in float32, and frozen networks, "
    "without activations, which grow with the batch"
)


class Estimate(NamedTuple):
    """Bytes; None where the size of a network is not known without loading it.

    Attributes:
        parameters: trained ones, discriminators included.
        checkpoints, cache: on disk.
        memory: of a training process, without activations.
    """

    parameters: int | None
    checkpoints: int | None
    cache: int
    memory: int | None


def estimate(config: TrainConfig, n_training: int, n_validation: int) -> Estimate:
    """Without loading or building weights (on torch's meta device)."""
    sizes = config.model.sizes()
    trained = _trained_parameters(config, sizes)
    averaged = config.part == "diffusion"
    cache = _cache(sizes, n_training, n_validation) if config.part == "diffusion" else 0
    if trained is None:
        return Estimate(None, None, cache, None)
    kept = KEPT + bool(config.data.validation)
    saved = trained * FLOAT * (1 + MOMENTS + averaged)
    frozen = _frozen_parameters(config, sizes) if config.part == "diffusion" else 0
    return Estimate(trained, kept * saved, cache, trained * FLOAT * (2 + MOMENTS + averaged) + frozen * FLOAT)


def _trained_parameters(config: TrainConfig, sizes: ModelConfig) -> int | None:
    import torch

    from reaudio_model.codec.codec import build_vae, build_vocoder
    from reaudio_model.denoiser.unet import build_unet
    from reaudio_model.encoders.audio_mae import build_audio_mae
    from reaudio_model.training.discriminators import PatchDiscriminator, WaveformDiscriminator

    width = config.discriminator_width
    with torch.device("meta"):
        match config.part:
            case "diffusion":
                return _count(build_unet(sizes))
            case "vae":
                other = PatchDiscriminator() if width is None else PatchDiscriminator(width)
                return _count(build_vae(sizes.codec)) + _count(other)
            case "vocoder":
                judges = WaveformDiscriminator() if width is None else WaveformDiscriminator(width, width)
                return _count(build_vocoder(sizes.codec)) + _count(judges)
            case "audio-mae":
                return _count(build_audio_mae(sizes.condition))
            case "clap":
                return _stored_parameters(config.parts.clap)
            case "t5":
                return _stored_parameters(None if config.parts.t5 is None else Path(config.parts.t5))
            case _:
                return None


def _frozen_parameters(config: TrainConfig, sizes: ModelConfig) -> int:
    """VAE, and the encoders whose files can be measured."""
    import torch

    from reaudio_model.codec.codec import build_vae
    from reaudio_model.encoders.audio_mae import build_audio_mae

    with torch.device("meta"):
        known = _count(build_vae(sizes.codec))
        known += _count(build_audio_mae(sizes.condition)) if retrieves(sizes.retrieval) else 0
    t5 = Path(config.parts.t5) if config.parts.t5 is not None and reads_text(sizes.retrieval) else None
    return known + sum(_stored_parameters(path) or 0 for path in (config.parts.clap, t5))


def _stored_parameters(path: Path | None) -> int | None:
    """Of a checkpoint in float32, by the size of its file."""
    if path is None:
        return None
    try:
        return weights_file(path).stat().st_size // FLOAT
    except (ReaudioError, OSError):
        return None


def _cache(sizes: ModelConfig, n_training: int, n_validation: int) -> int:
    channels, time, frequency = sizes.codec.latent_shape
    latents = (n_training + n_validation) * 2 * channels * time * frequency * HALF  # mean and deviation
    if not retrieves(sizes.retrieval):
        return latents
    condition = sizes.condition
    tokens = condition.mae_tokens * condition.mae_dim * HALF
    if reads_text(sizes.retrieval):
        tokens += condition.t5_length * (condition.t5_dim * HALF + 1)
    return latents + n_training * (tokens + 2 * condition.clap_dim * FLOAT)


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
