"""Clips decoded for playing and encoded as MP3."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

Floats = npt.NDArray[np.float32]
MAX_SECONDS = 30.0
# MPEG-2 rates are kept, others become the nearest of them. The values are libsndfile's compression levels for a
# constant 24 kbit/s at 16 kHz (10 s: 30 KB, 40 KB in base64) and 32 kbit/s above.
MP3_COMPRESSION = {16_000: 0.9, 22_050: 0.85, 24_000: 0.85}


class Decoded(NamedTuple):
    """audio: float32 (samples,), finite, mono, [-1, 1], at ``rate`` Hz; note: what was changed, or ""."""

    audio: Floats
    rate: int
    note: str


def decode(source: bytes) -> Decoded:
    """A file's first ``MAX_SECONDS``, mixed to mono at a rate that MP3 has.

    Raises:
        soundfile.SoundFileError: not an audio file.
        ValueError: no samples in it.
    """
    with soundfile.SoundFile(io.BytesIO(source)) as file:
        rate, total = file.samplerate, file.frames
        audio = file.read(int(MAX_SECONDS * rate), dtype="float32", always_2d=True).mean(axis=1)
    if not len(audio):
        raise ValueError("it has no samples")
    notes = []
    if total > MAX_SECONDS * rate:
        notes.append(f"The first {MAX_SECONDS:g} s of {total / rate:,.0f} s.")
    if not np.isfinite(audio).all():
        notes.append("Samples that are not finite are played as silence.")
        audio = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0)
    if rate not in MP3_COMPRESSION:
        target = min(MP3_COMPRESSION) if rate < max(MP3_COMPRESSION) else max(MP3_COMPRESSION)
        audio, rate = soxr.resample(audio, rate, target), target
    return Decoded(np.clip(audio, -1, 1).astype(np.float32), rate, " ".join(notes))


def mp3(audio: Floats, rate: int, compression: float | None = None) -> bytes:
    """MPEG layer III, mono, constant bit rate; ``compression`` is libsndfile's level, from 0 (best), by default ``MP3_COMPRESSION``."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        audio,
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=MP3_COMPRESSION[rate] if compression is None else compression,
        bitrate_mode="CONSTANT",
    )
    return buffer.getvalue()
