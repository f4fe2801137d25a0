"""Log-mel front end and waveform normalisation."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from reaudio_model.config import MelConfig

PEAK = 0.5  # of a normalised waveform
SILENCE = 1e-5  # largest deviation from the mean (-100 dBFS) that is not amplified: rounding error, not sound
MEL_FLOOR = 1e-5  # magnitudes are clamped here before the logarithm; log(1e-5) = -11.5 is the value of silence


def normalise_waveform(waveform: Tensor) -> Tensor:
    """``(w - mean) / max|w - mean| * 0.5``, for each clip, as in AudioLDM's training (its dataset.py, normalize_wav).

    Args:
        waveform: float (..., samples).

    Returns:
        The same shape, mean 0, in [-0.5, 0.5]; a silent clip (at most 1e-5 from its mean) is not amplified.
    """
    centred = waveform - waveform.mean(dim=-1, keepdim=True)
    peak = centred.abs().amax(dim=-1, keepdim=True)
    return torch.where(peak > SILENCE, centred / peak.clamp(min=SILENCE) * PEAK, centred)


def log_mel(waveform: Tensor, config: MelConfig) -> Tensor:
    """Natural logarithm of the mel spectrogram of magnitudes.

    Frames of ``n_fft`` samples every ``hop_length``, after (n_fft - hop_length) / 2 reflected samples on either side, so that n
    samples give n // hop_length frames; Hann window; magnitude (not power); Slaney's mel scale and area normalisation;
    ``log(max(x, 1e-5))``. The constants are those of AudioLDM (its config audioldm_original.yaml), the scheme is HiFi-GAN's.

    Agrees with librosa (``stft`` and ``filters.mel`` on float64 samples) to 1e-5. Computed in float64, also under autocast: next to a
    loud tone a float32 window alone causes errors of 3e-5 in quiet bins. On MPS, which has no float64, computed in float32.

    Args:
        waveform: float (B, samples), mono, in [-1, 1], at ``config.sample_rate``; more than (n_fft - hop_length) / 2 samples.
        config: the constants.

    Returns:
        float32 (B, samples // hop_length, n_mels), at least log(1e-5). Differentiable.

    Raises:
        ValueError: too short for reflection padding.
    """
    edge = (config.n_fft - config.hop_length) // 2
    if waveform.shape[-1] <= edge:
        raise ValueError(f"a log-mel spectrogram needs more than {edge} samples, not {waveform.shape[-1]}")
    window, filters = mel_constants(config, waveform.device)
    with torch.autocast(waveform.device.type, enabled=False):
        padded = torch.nn.functional.pad(waveform.to(window.dtype)[:, None], (edge, edge), mode="reflect")[:, 0]
        spectrum = torch.stft(
            padded, config.n_fft, config.hop_length, config.win_length, window, center=False, return_complex=True
        )
        return (spectrum.abs().transpose(1, 2) @ filters).clamp(min=MEL_FLOOR).log().float()


@lru_cache(maxsize=8)
def mel_constants(config: MelConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """Window (win_length,) and mel filters (n_fft / 2 + 1, n_mels)."""
    filters = mel_filter_bank(
        num_frequency_bins=config.n_fft // 2 + 1,
        num_mel_filters=config.n_mels,
        min_frequency=config.fmin,
        max_frequency=config.fmax,
        sampling_rate=config.sample_rate,
        norm="slaney",
        mel_scale="slaney",
    )
    dtype = torch.float32 if device.type == "mps" else torch.float64
    with torch.inference_mode(False):  # a tensor made in inference mode could not be kept for training
        window = torch.hann_window(config.win_length, dtype=dtype, device=device)
        return window, torch.from_numpy(filters).to(device, dtype)
