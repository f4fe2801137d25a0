"""CLAP's front end: log-mel spectrograms of fixed length."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from reaudio_model.codec.mel import normalise_waveform
from reaudio_model.common.resample import Samples
from reaudio_model.common.settings import from_mapping

MIN_POWER = 1e-10
CONFIG_KEY = "front_end"  # in a ClapConfig, if the front end differs from LAION's


@dataclass(frozen=True)
class ClapFrontEnd:
    """Settings of a CLAP front end; the defaults are LAION's.

    That is ``ClapFeatureExtractor`` with frequency_min 50 and frequency_max 14000; the class default of 0 Hz changes embeddings
    (cosine 0.986 to 0.995).

    Attributes:
        sample_rate: Hz. n_samples: of a clip. n_fft, hop: samples. n_mels: bands between f_min and f_max, Hz.
        normalise: to mean 0 and peak 0.5 first.
    """

    sample_rate: int = 48_000
    n_samples: int = 480_000
    n_fft: int = 1024
    hop: int = 480
    n_mels: int = 64
    f_min: float = 50.0
    f_max: float = 14_000.0
    normalise: bool = False

    def fit(self, waveform: Samples) -> Samples:
        """A clip at fixed length: its head (never a random crop), or whole repeats and zeros ("repeatpad").

        Args:
            waveform: float32 (n >= 1,), mono, [-1, 1], at ``sample_rate``.

        Returns:
            float32 (n_samples,).
        """
        head = waveform[: self.n_samples]
        if self.normalise:
            head = normalise_waveform(torch.from_numpy(np.ascontiguousarray(head))).numpy()
        repeated = np.tile(head, self.n_samples // len(head))
        return np.pad(repeated, (0, self.n_samples - len(repeated)))

    def to_config(self) -> dict[str, Any]:
        """The value of ``CONFIG_KEY`` in a ``ClapConfig``."""
        return asdict(self)


def front_end_of(config: Any) -> ClapFrontEnd:
    """The front end of a ``ClapConfig``: its own, or LAION's.

    Raises:
        ReaudioError: one with unknown keys or values of another type.
    """
    own = getattr(config, CONFIG_KEY, None)
    return LAION if own is None else from_mapping(ClapFrontEnd, own, f"{CONFIG_KEY} in a CLAP's config.json")


LAION = ClapFrontEnd()


class LogMel(nn.Module):
    """Log-mel in decibels with Slaney mel bands, fp32, batched; agrees with transformers' extractor to 1e-3 dB on noise."""

    window: Tensor
    filters: Tensor

    def __init__(self, front_end: ClapFrontEnd = LAION) -> None:
        super().__init__()
        self.front_end = front_end
        filters = mel_filter_bank(
            front_end.n_fft // 2 + 1, front_end.n_mels, front_end.f_min, front_end.f_max,
            sampling_rate=front_end.sample_rate, norm="slaney", mel_scale="slaney",
        )  # fmt: skip
        self.register_buffer("window", torch.hann_window(front_end.n_fft, periodic=True))
        self.register_buffer("filters", torch.from_numpy(filters).float())

    def forward(self, waveforms: Tensor) -> Tensor:
        """float32 (batch, n_samples) -> (batch, 1, 1 + n_samples // hop, n_mels): (batch, 1, 1001, 64) with LAION's constants."""
        end = self.front_end
        spectrum = torch.stft(waveforms, end.n_fft, hop_length=end.hop, window=self.window, center=True, return_complex=True)
        power = (spectrum.real**2 + spectrum.imag**2).transpose(1, 2)
        return 10.0 * torch.log10(torch.clamp(power @ self.filters, min=MIN_POWER))[:, None]
