"""Clips decoded for playing and encoded as MP3."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soxr

from reaudio_model.common import audio as audio_files

Floats = npt.NDArray[np.float32]
MAX_SECONDS = 30.0
# MPEG-2 rates are kept, others become the nearest of them. The values are libsndfile's compression levels for a
# constant 24 kbit/s at 16 kHz (10 s: 30 KB, 40 KB in base64) and 32 kbit/s above.
MP3_COMPRESSION = {16_000: 0.9, 22_050: 0.85, 24_000: 0.85}


class Decoded(NamedTuple):
    """audio: float32 (samples,), mono, [-1, 1], at ``rate`` Hz; note: what was changed, or ""; sha256: of the file's bytes."""

    audio: Floats
    rate: int
    note: str
    sha256: str


def decode(path: Path) -> Decoded:
    """A file's first ``MAX_SECONDS``, mixed to mono at a rate that MP3 has.

    Raises:
        AudioError: see :func:`reaudio_model.common.audio.decode`.
    """
    head = audio_files.decode(path, head_seconds=MAX_SECONDS + 1)
    rate, n_played = head.sample_rate, round(MAX_SECONDS * head.sample_rate)
    note = f"The first {MAX_SECONDS:g} s." if len(head.samples) > n_played else ""
    audio = head.samples[:n_played].mean(axis=1)
    if rate not in MP3_COMPRESSION:
        target = min(MP3_COMPRESSION) if rate < max(MP3_COMPRESSION) else max(MP3_COMPRESSION)
        audio, rate = soxr.resample(audio, rate, target), target
    return Decoded(np.clip(audio, -1, 1).astype(np.float32), rate, note, head.sha256)


def mp3(audio: Floats, rate: int, compression: float | None = None) -> bytes:
    """MPEG layer III, mono, constant bit rate; ``compression`` is libsndfile's level, from 0 (best), by default ``MP3_COMPRESSION``."""
    level = MP3_COMPRESSION[rate] if compression is None else compression
    return audio_files.encode(audio, rate, "MP3", "MPEG_LAYER_III", constant_rate=level)
