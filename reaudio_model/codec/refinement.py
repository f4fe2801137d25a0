"""Refinement of a vocoder's waveform towards its log-mel.

A time-varying equaliser, applied repeatedly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from reaudio_model.codec.mel import MEL_FLOOR, mel_constants
from reaudio_model.config import MelConfig

MAX_GAIN = 30.0  # of a band in one iteration


def match_mel(waveform: Tensor, mel: Tensor, config: MelConfig, iterations: int) -> Tensor:
    """Correct a waveform so that its log-mel approaches ``mel``, keeping the phases.

    In each iteration every band of every frame is scaled by the ratio of target and actual magnitude, followed by overlap-add (the
    consistency step of Griffin and Lim 1984, with the phases of the current waveform and bands instead of bins).

    Args:
        waveform: float (B, samples), ``mel`` frames times the hop long.
        mel: float (B, frames, n_mels), natural logarithm, as from :func:`reaudio_model.codec.mel.log_mel`.
        config: the front end.
        iterations: 0 returns the waveform unchanged.

    Returns:
        float32 (B, samples), in [-1, 1].
    """
    window, filters = (constant.to(torch.float32) for constant in mel_constants(config, waveform.device))
    weights = filters / filters.sum(dim=1, keepdim=True).clamp(min=1e-12)  # of each band in the gain of a bin
    silent = filters.sum(dim=1) <= 0
    target = mel.float().exp()
    # log_mel's frames are centred half a hop after torch.stft's, hence one more frame at each end
    half = config.hop_length // 2
    target = torch.nn.functional.pad(target.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
    n = waveform.shape[1]
    sound = waveform.float()
    for _ in range(iterations):
        padded = torch.nn.functional.pad(sound, (half, half))
        spectrum = torch.stft(padded, config.n_fft, config.hop_length, config.win_length, window, return_complex=True)
        bands = spectrum.abs().transpose(1, 2) @ filters
        ratio = (target / bands.clamp(min=MEL_FLOOR)).clamp(1 / MAX_GAIN, MAX_GAIN)
        gain = (ratio @ weights.T).transpose(1, 2)
        gain = torch.where(silent[:, None], torch.ones_like(gain), gain)
        whole = torch.istft(spectrum * gain, config.n_fft, config.hop_length, config.win_length, window, length=n + 2 * half)
        sound = whole[:, half : half + n]
    return sound.clamp(-1.0, 1.0) if iterations else waveform
