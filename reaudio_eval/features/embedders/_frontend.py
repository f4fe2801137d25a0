"""Mel filters of several front ends, and the front end of EfficientAT and PaSST."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SAMPLE_RATE = 32_000
N_FFT, WINDOW, HOP = 1024, 800, 320
N_MELS, F_MIN, F_MAX = 128, 0.0, 15_000.0
PREEMPHASIS = 0.97


def mel_filters(n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float) -> Tensor:
    """Triangular filters whose slopes are straight on the mel scale 1127 ln(1 + f / 700), peak 1.

    The filters of HTK, of Kaldi (``get_mel_banks`` without warping) and of VGGish (``mel_features.py``); librosa's and
    torchaudio's "htk" filters differ, their slopes are straight in Hz.

    Args:
        n_mels: number of filters.
        n_fft: length of the transform in samples.
        sample_rate, f_min, f_max: Hz.

    Returns:
        float32 (n_fft // 2 + 1, n_mels).
    """
    bins = _mel(np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1))[:, None]
    edges = np.linspace(_mel(f_min), _mel(f_max), n_mels + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - lower) / (centre - lower), (upper - bins) / (upper - centre)
    return torch.from_numpy(np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32))


def _mel(hz: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hz, dtype=np.float64) / 700.0)


class LogMel(nn.Module):
    """Waveforms -> normalised log-mel: ``AugmentMelSTFT`` of EfficientAT and hear21passt in evaluation mode."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=False))
        self.register_buffer("filters", mel_filters(N_MELS, N_FFT, SAMPLE_RATE, F_MIN, F_MAX))

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32 (batch, samples) -> (batch, 128, n_frames)."""
        emphasised = waveforms[:, 1:] - PREEMPHASIS * waveforms[:, :-1]
        spectrum = torch.stft(
            emphasised, N_FFT, hop_length=HOP, win_length=WINDOW, window=self.window, center=True, return_complex=True
        )
        power = spectrum.real**2 + spectrum.imag**2
        return (torch.log(self.filters.T @ power + 1e-5) + 4.5) / 5.0
