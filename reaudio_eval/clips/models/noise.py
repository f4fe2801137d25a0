"""Pink noise as long and as loud as the real clip (lower reference)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from reaudio_eval.clips.models import ClipRequest, ModelPlugin
from reaudio_model.common.audio import decode, wav_bytes
from reaudio_model.common.errors import AudioError
from reaudio_model.common.files import atomic_write
from reaudio_model.common.resample import Samples
from reaudio_model.common.seeds import clip_seed

SAMPLE_RATE = 16_000
# Without a reference that can be read (or where it is silent).
SECONDS = 10.0
RMS = 0.1  # -20 dB full scale
LOWEST_HZ = 20.0
MAX_PEAK = 0.99
JOBS = 4


class Noise(ModelPlugin):
    """The lower reference."""

    kind = "noise"

    def clips(self, request: ClipRequest) -> dict[str, Path]:
        """A clip of noise for every prompt in ``request.output``, 16-bit WAV at 16 kHz; a file already right is left alone.

        Raises:
            ReaudioError: the folder cannot be written.
        """
        clip_ids = [p.clip_id for p in request.prompts]
        with ThreadPoolExecutor(max_workers=JOBS) as pool:
            return dict(zip(clip_ids, pool.map(partial(_make, request), clip_ids), strict=True))


PLUGIN = Noise()


def _make(request: ClipRequest, clip_id: str) -> Path:
    # Made anew each time, because another seed or another reference may have been used when the file was written.
    n_samples, rms = _measure(request.dataset.references.get(clip_id))
    noise = pink_noise(n_samples, rms, np.random.default_rng(clip_seed(request.seed, clip_id)))
    data = wav_bytes(noise, SAMPLE_RATE)
    path = request.output / f"{clip_id}.wav"
    if not (path.is_file() and path.read_bytes() == data):
        atomic_write(path, data)
    return path


def _measure(reference: Path | None) -> tuple[int, float]:
    """Number of samples and level of the noise that stands for a real clip."""
    try:
        audio = None if reference is None else decode(reference)
    except AudioError:
        audio = None  # listed in the audit of the references
    if audio is None:
        return round(SECONDS * SAMPLE_RATE), RMS
    n_samples = max(1, round(len(audio.samples) * SAMPLE_RATE / audio.sample_rate))
    rms = float(np.sqrt(np.mean(np.square(audio.samples, dtype=np.float64))))
    return n_samples, rms or RMS


def pink_noise(n_samples: int, rms: float, rng: np.random.Generator) -> Samples:
    """float32 (n_samples,) at 16 kHz: Gaussian noise, its power falling as 1 / frequency above 20 Hz, with the given root
    mean square unless its peak would then pass 0.99."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE), LOWEST_HZ))
    noise = np.fft.irfft(spectrum, n_samples)
    scale = min(rms / np.sqrt(np.mean(noise**2)), MAX_PEAK / np.abs(noise).max())
    return np.asarray(noise * scale, dtype=np.float32)
