"""The log-mel front end of VAE and vocoder, and the level of waveforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.audio_utils import mel_filter_bank

from reaudio_model.config import MelConfig

PEAK = 0.5  # of a normalised waveform
SILENCE = 1e-5  # largest deviation from the mean (-100 dBFS) that is not amplified: below it is rounding, not sound
MEL_FLOOR = 1e-5  # magnitudes are clamped here before the logarithm; log(1e-5) = -11.5 is the value of silence


def normalise_waveform(waveform: Tensor) -> Tensor:
    """``(w - mean) / max|w - mean| * 0.5``, each clip on its own, as in AudioLDM's training (its dataset.py, normalize_wav).

    Args:
        waveform: float (..., samples).

    Returns:
        The same shape, mean 0, in [-0.5, 0.5]; a clip without sound (at most 1e-5 from its mean) stays as quiet as it is.
    """
    centred = waveform - waveform.mean(dim=-1, keepdim=True)
    peak = centred.abs().amax(dim=-1, keepdim=True)
    return torch.where(peak > SILENCE, centred / peak.clamp(min=SILENCE) * PEAK, centred)


class LogMel(nn.Module):
    """Natural logarithm of a mel spectrogram of magnitudes; no parameters, gradients flow.

    Frames of ``n_fft`` samples every ``hop_length``, after (n_fft - hop_length) / 2 reflected samples on either side, so that n
    samples give n // hop_length frames; Hann window; magnitude (not power); Slaney's mel scale and area normalisation;
    ``log(max(x, 1e-5))``. These are the constants of HiFi-GAN and of AudioLDM (arXiv 2301.12503, section 4.1; its config
    audioldm_original.yaml). Agrees with librosa (``stft`` and ``filters.mel`` on float64 samples) to 1e-5. Computed in float64 on
    every device that has it: beside a loud tone a float32 window alone is 3e-5 off in quiet bins, and half precision has no FFT.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, config: MelConfig) -> None:
        super().__init__()
        self.config = config
        filters = mel_filter_bank(
            num_frequency_bins=config.n_fft // 2 + 1,
            num_mel_filters=config.n_mels,
            min_frequency=config.fmin,
            max_frequency=config.fmax,
            sampling_rate=config.sample_rate,
            norm="slaney",
            mel_scale="slaney",
        )
        self.register_buffer("window", torch.hann_window(config.win_length, dtype=torch.float64), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Waveforms -> log-mel frames.

        Args:
            waveform: float (B, samples), mono, in [-1, 1], at ``config.sample_rate``; more than (n_fft - hop_length) / 2 samples.

        Returns:
            float32 (B, samples // hop_length, n_mels), at least log(1e-5).

        Raises:
            ValueError: too short to be reflected.
        """
        hop = self.config.hop_length
        edge = (self.config.n_fft - hop) // 2
        if waveform.shape[-1] <= edge:
            raise ValueError(f"a log-mel spectrogram needs more than {edge} samples, not {waveform.shape[-1]}")
        precision = self.filters.dtype
        with torch.autocast(waveform.device.type, enabled=False):
            padded = nn.functional.pad(waveform.to(precision)[:, None], (edge, edge), mode="reflect")[:, 0]
            spectrum = torch.stft(
                padded, self.config.n_fft, hop, self.config.win_length, self.window, center=False, return_complex=True
            )
            mel = spectrum.abs().transpose(1, 2) @ self.filters
            return mel.clamp(min=MEL_FLOOR).log().float()
