"""AudioMAE: waveform to pooled tokens E^ra.

arXiv 2207.06405, and 2309.08051 section 2.2.

The network is transformers' ``ViTModel``; filter bank, layers and pooling are those of AudioLDM's training framework
(AudioLDM-training-finetuning @ 702a638).
"""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import ViTConfig, ViTModel
from transformers.audio_utils import mel_filter_bank

from reaudio_model.codec.mel import normalise_waveform
from reaudio_model.common.resample import Samples, resample
from reaudio_model.config import ConditionConfig

SAMPLE_RATE = 16_000
WINDOW, HOP, N_FFT = 400, 160, 512  # 25 ms, 10 ms
PREEMPHASIS = 0.97
F_MIN = 20.0
FLOOR = 1.192092955078125e-07  # float32's epsilon, as in Kaldi
MEAN, STD = -4.2677393, 4.5689974  # of AudioSet
LAYER_NORM_EPS = 1e-6


def clip_samples(config: ConditionConfig) -> int:
    """Samples of the waveform that fills ``mae_frames`` (163,840 for 1024: 10.24 s)."""
    return config.mae_frames * HOP


def prepare_clip(samples: Samples, sample_rate: int, config: ConditionConfig) -> Samples:
    """Input waveform of AudioMAE: the head of the clip, mean removed, peak normalised to 0.5, padded with zeros.

    The normalisation is that of the framework's loader.

    Args:
        samples: float32 (n >= 1, channels) or (n,), at ``sample_rate`` Hz; channels are averaged.
        sample_rate: Hz.
        config: sizes.

    Returns:
        float32 (clip_samples(config),), at 16 kHz, in [-0.5, 0.5].
    """
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    head = resample(mono, sample_rate, SAMPLE_RATE)[: clip_samples(config)]
    level: Samples = normalise_waveform(torch.from_numpy(head)).numpy()
    return np.pad(level, (0, clip_samples(config) - len(head)))


def fbank(waveforms: Tensor, n_bins: int) -> Tensor:
    """Log mel energies as Kaldi computes them: 128 bins in AudioMAE, Hann, 25/10 ms, no dither, no energy.

    Agrees with ``transformers.ASTFeatureExtractor`` (before its normalisation) to 1e-4. Computed in float64: a float32 transform
    is inexact in bins far below the loudest one.

    Args:
        waveforms: float (batch, n >= 400), 16 kHz.
        n_bins: mel filters from 20 Hz to 8 kHz.

    Returns:
        float32 (batch, 1 + (n - 400) // 160, n_bins).
    """
    frames = waveforms.double().unfold(-1, WINDOW, HOP)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    previous = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64, device=waveforms.device)
    spectrum = torch.fft.rfft((frames - PREEMPHASIS * previous) * window, n=N_FFT)
    power = spectrum.real**2 + spectrum.imag**2
    filters = torch.from_numpy(_mel_filters(n_bins)).to(waveforms.device)
    energies: Tensor = (power @ filters).clamp(min=FLOOR)
    return energies.log().float()


@lru_cache(maxsize=8)
def _mel_filters(n_bins: int) -> npt.NDArray[np.float64]:
    with warnings.catch_warnings():
        # expected for the published 128 filters on 257 frequencies: one of the lowest is empty
        warnings.filterwarnings("ignore", message="At least one mel filter has all zero values")
        filters: npt.NDArray[np.float64] = mel_filter_bank(
            N_FFT // 2 + 1, n_bins, F_MIN, SAMPLE_RATE // 2, sampling_rate=SAMPLE_RATE, mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )  # fmt: skip
    return filters


def audio_mae_input(waveforms: Tensor, config: ConditionConfig) -> Tensor:
    """Input of the ViT: the filter bank of 10.24 s, padded, then normalised.

    10.24 s give 1022 frames; two frames of zeros are added *before* the normalisation, so they become 0.467 and not 0.

    Args:
        waveforms: float32 (batch, clip_samples(config)), 16 kHz (:func:`prepare_clip`).

    Returns:
        float32 (batch, 1, mae_frames, mae_bins); equal to ``ASTFeatureExtractor`` to 1e-4.
    """
    bank = fbank(waveforms - waveforms.mean(dim=-1, keepdim=True), config.mae_bins)[:, : config.mae_frames]
    padded = F.pad(bank, (0, 0, 0, config.mae_frames - bank.shape[1]))
    return ((padded - MEAN) / (2 * STD))[:, None]


def build_audio_mae(config: ConditionConfig) -> ViTModel:
    """The AudioMAE encoder with random weights: ViT-B/16 on 1024 x 128 at full size (85.6 M parameters)."""
    vit = ViTConfig(
        image_size=(config.mae_frames, config.mae_bins),
        patch_size=config.mae_patch,
        num_channels=1,
        hidden_size=config.mae_dim,
        num_hidden_layers=config.mae_layers,
        num_attention_heads=config.mae_heads,
        intermediate_size=config.mae_mlp,
        layer_norm_eps=LAYER_NORM_EPS,
        qkv_bias=True,
    )
    return ViTModel(vit, add_pooling_layer=False)


def audio_mae_tokens(encoder: ViTModel, inputs: Tensor, config: ConditionConfig) -> Tensor:
    """E^ra of each clip: the mean of the last ``mae_mean`` blocks, each after the final norm, pooled.

    Args:
        encoder: of :func:`build_audio_mae`'s architecture.
        inputs: float (batch, 1, mae_frames, mae_bins), of :func:`audio_mae_input`.

    Returns:
        float (batch, mae_tokens, mae_dim), time-major (all frequencies of the first time step first).
    """
    states = encoder(pixel_values=inputs, output_hidden_states=True).hidden_states
    blocks = torch.stack([encoder.layernorm(state) for state in states[-config.mae_mean :]])
    return pool_tokens(blocks.mean(dim=0)[:, 1:], config)


def pool_tokens(patches: Tensor, config: ConditionConfig) -> Tensor:
    """(AvgPool2d + MaxPool2d) / 2 over ``mae_pool`` patches of the time x frequency grid.

    Args:
        patches: float (batch, time * frequency, mae_dim), time-major, without the class token.

    Returns:
        float (batch, mae_tokens, mae_dim), time-major.
    """
    time, frequency = config.mae_frames // config.mae_patch, config.mae_bins // config.mae_patch
    grid = patches.transpose(1, 2).reshape(len(patches), -1, time, frequency)
    pooled = (F.avg_pool2d(grid, config.mae_pool) + F.max_pool2d(grid, config.mae_pool)) / 2
    return pooled.flatten(2).transpose(1, 2)
