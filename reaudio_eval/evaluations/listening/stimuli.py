"""Clips of a form as data URIs, levelled and encoded.

MP3 at about 100 kbit/s for one channel (four times that of a report) has no audible artefacts compared with those under test; FLAC
is lossless and three times as large. The encoder lowers every MP3 alike by 0.45 dB.
Sample rates that MP3 supports are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from reaudio_eval.clips.encoding import mp3
from reaudio_eval.evaluations.listening.request import AudioFormat
from reaudio_eval.reports.media import data_uri
from reaudio_model.common import audio as audio_files
from reaudio_model.common.audio import decode

Floats = npt.NDArray[np.float32]

LEVEL_DB = -26.0  # RMS re full scale, the active level of ITU-T P.800 material
PEAK = 0.99
SILENT_RMS = 1e-4  # -80 dB full scale: nothing to level
NOISE_SECONDS = 5.0
NOISE_RATE = 16_000
# libsndfile's compression levels: about 100 kbit/s at MPEG-2 rates, 115 at MPEG-1 rates.
MP3_LEVELS = {16_000: 0.4, 22_050: 0.4, 24_000: 0.4, 32_000: 0.7, 44_100: 0.7, 48_000: 0.7}


@dataclass(frozen=True)
class Stimulus:
    """A sound ready for a page.

    Attributes:
        uri: data URI.
        rms: of the samples as played, full scale 1.
        seconds: duration.
        sha256: of the source file's bytes.
        limited: the peak kept it below the wanted level.
        silent: too quiet to be levelled.
    """

    uri: str
    rms: float
    seconds: float
    sha256: str
    limited: bool = False
    silent: bool = False


def prepare(
    paths: Sequence[Path], audio: AudioFormat, normalise: bool, jobs: int, progress: Callable[[int], None]
) -> dict[Path, Stimulus]:
    """Decode, level and encode clips in threads.

    Args:
        paths: source files; each is done once.
        audio: "mp3" or "flac".
        normalise: bring every clip to ``LEVEL_DB`` RMS, or as near as its peak allows.
        jobs: threads.
        progress: called with the number of clips done.

    Raises:
        AudioError: a file cannot be decoded.
    """
    unique = list(dict.fromkeys(paths))

    def one(path: Path) -> Stimulus:
        decoded = decode(path)
        samples = decoded.samples.mean(axis=1)
        return encode(samples, decoded.sample_rate, audio, normalise, decoded.sha256)

    stimuli = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for path, stimulus in zip(unique, pool.map(one, unique), strict=True):
            stimuli[path] = stimulus
            progress(len(stimuli))
    return stimuli


def encode(samples: Floats, rate: int, audio: AudioFormat, normalise: bool, sha256: str = "") -> Stimulus:
    """One mono clip, float32 (n,), as a stimulus."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    silent, limited = rms < SILENT_RMS, False
    if normalise and not silent:
        wanted = 10 ** (LEVEL_DB / 20) / rms
        gain = min(wanted, PEAK / float(np.abs(samples).max()))
        samples, rms, limited = samples * np.float32(gain), rms * gain, gain < wanted
    return Stimulus(_uri(samples, rate, audio), rms, len(samples) / rate, sha256, limited, silent)


def _uri(samples: Floats, rate: int, audio: AudioFormat) -> str:
    samples = np.clip(samples, -1, 1).astype(np.float32)
    if audio == "flac":
        return data_uri("audio/flac", audio_files.encode(samples, rate, "FLAC", "PCM_16"))
    if rate not in MP3_LEVELS:
        target = min((r for r in MP3_LEVELS if r >= rate), default=max(MP3_LEVELS))
        samples, rate = soxr.resample(samples, rate, target), target
    return data_uri("audio/mpeg", mp3(np.clip(samples, -1, 1), rate, MP3_LEVELS[rate]))


def noise(rms: float, audio: AudioFormat, seed: int) -> Stimulus:
    """White noise at a level, ``NOISE_SECONDS`` long, for attention checks."""
    return encode(_noise(rms, seed, pink=False), NOISE_RATE, audio, normalise=False)


def calibration(rms: float, audio: AudioFormat, seed: int) -> Stimulus:
    """Pink noise at the level of the test's clips, for setting the volume."""
    return encode(_noise(rms, seed, pink=True), NOISE_RATE, audio, normalise=False)


def _noise(rms: float, seed: int, pink: bool) -> Floats:
    n = round(NOISE_SECONDS * NOISE_RATE)
    samples = np.random.default_rng([seed, int(pink)]).standard_normal(n)
    if pink:
        spectrum = np.fft.rfft(samples)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[0] = 0
        samples = np.fft.irfft(spectrum, n)
    scaled: Floats = (samples * min(rms / samples.std(), PEAK / np.abs(samples).max())).astype(np.float32)
    return scaled


def median_level(stimuli: Mapping[Path, Stimulus]) -> float:
    """The median RMS of the clips that are not silent; that of ``LEVEL_DB`` if all are."""
    levels = [s.rms for s in stimuli.values() if not s.silent]
    return float(np.median(levels)) if levels else 10 ** (LEVEL_DB / 20)
