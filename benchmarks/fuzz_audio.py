"""Damaged audio files, read as the evaluation reads them.

    python benchmarks/fuzz_audio.py [--inputs 2000] [--seed N]

Every input is a second of noise in one of the formats, changed by its seed: bytes flipped, inserted, left out or cut off, or two files
joined. It may be decoded, refused (AudioError) or flagged as truncated. A fault is a crash, a hang, or a read that is silently
shortened: more than 0.05 s of the samples are missing without an error or a flag. Undetectable is a cut exactly between two frames of an
MP3 that declares no length: it is a whole, shorter file.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from fuzzing import Limits, Outcome, main

from reaudio_model.common.audio import decode
from reaudio_model.common.containers.mpeg import walk
from reaudio_model.common.containers.source import LOST_SECONDS
from reaudio_model.common.errors import AudioError

RATE = 16_000
# name -> suffix, format and encoding of libsndfile, channels, further settings
FORMATS: dict[str, tuple[str, str, str, int, dict[str, object]]] = {
    "wav": (".wav", "WAV", "PCM_16", 1, {}),
    "wav stereo float": (".wav", "WAVEX", "FLOAT", 2, {}),
    "wav adpcm": (".wav", "WAV", "IMA_ADPCM", 1, {}),
    "rf64": (".rf64", "RF64", "PCM_24", 2, {}),
    "w64": (".w64", "W64", "PCM_16", 2, {}),
    "aiff": (".aiff", "AIFF", "PCM_16", 2, {}),
    "au": (".au", "AU", "PCM_16", 1, {}),
    "caf": (".caf", "CAF", "PCM_16", 2, {}),
    "caf alac": (".caf", "CAF", "ALAC_16", 1, {}),
    "flac": (".flac", "FLAC", "PCM_16", 2, {}),
    "flac, length unknown": (".flac", "FLAC", "PCM_16", 1, {}),
    "ogg vorbis": (".ogg", "OGG", "VORBIS", 2, {}),
    "opus": (".opus", "OGG", "OPUS", 1, {}),
    "mp3": (".mp3", "MP3", "MPEG_LAYER_III", 2, {"bitrate_mode": "CONSTANT", "compression_level": 0.8}),
    "mp3 variable": (".mp3", "MP3", "MPEG_LAYER_III", 1, {"bitrate_mode": "VARIABLE", "compression_level": 0.5}),
    "mp3 without header": (".mp3", "MP3", "MPEG_LAYER_III", 1, {"bitrate_mode": "VARIABLE", "compression_level": 0.5}),
}


@cache
def original(name: str) -> bytes:
    """The file that is changed; the first half is loud, so that a variable bit rate varies."""
    _, container, encoding, channels, settings = FORMATS[name]
    noise = np.random.default_rng(len(name)).uniform(-0.5, 0.5, (RATE, channels)).astype(np.float32)
    noise[RATE // 2 :] *= 0.01
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, RATE, format=container, subtype=encoding, **settings)
    data = buffer.getvalue()
    if name.startswith("mp3 without"):
        found = walk(data, 0)
        assert found is not None
        return data[found.start + found.frames[0].size :]
    if "unknown" in name:
        return data[:21] + bytes([data[21] & 0xF0]) + bytes(4) + data[26:]
    return data


@cache
def n_samples(name: str) -> int:
    """Of all channels, in the unchanged file."""
    return RATE * FORMATS[name][3]


def mutate(data: bytes, rng: np.random.Generator) -> tuple[bytes, int]:
    """The changed file, and how many times the samples of the original are in it."""
    kind = rng.choice(["flip", "flip head", "insert", "leave out", "cut", "join"])
    at = int(rng.integers(len(data)))
    changed = bytearray(data)
    if kind.startswith("flip"):
        for place in rng.integers(len(data) if kind == "flip" else min(200, len(data)), size=int(rng.integers(1, 9))):
            changed[place] ^= int(rng.integers(1, 256))
    elif kind == "insert":
        changed[at:at] = rng.bytes(int(rng.integers(1, 4000)))
    elif kind == "leave out":
        del changed[at : at + int(rng.integers(1, 4000))]
    elif kind == "cut":
        del changed[at:]
    else:
        changed += data
    return bytes(changed), 2 if kind == "join" else 1


def is_whole_mp3(data: bytes) -> bool:
    """Whether nothing in an MP3 tells its length, and it consists of whole frames."""
    found = walk(data, 0) if data.startswith(b"\xff") else None
    return found is not None and not found.headers and found.reason is None


@cache
def hush() -> None:
    """libmpg123 prints notes, from C."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def check(group: str, seed: int, folder: Path) -> Outcome:
    hush()
    data, times = mutate(original(group), np.random.default_rng(seed))
    path = folder / f"clip{FORMATS[group][0]}"
    path.write_bytes(data)
    try:
        decoded = decode(path)
    except AudioError:
        return Outcome("refused")
    assert np.isfinite(decoded.samples).all()
    assert decoded.sha256 == hashlib.sha256(data).hexdigest()
    if decoded.truncated:
        return Outcome("flagged")
    lost = times * n_samples(group) - decoded.samples.size
    if lost > 0 and is_whole_mp3(data):
        return Outcome("undetectable")
    if lost > LOST_SECONDS * RATE * FORMATS[group][3]:
        return Outcome("silently shortened", f"{decoded.samples.size} of {times * n_samples(group)} samples")
    return Outcome("decoded")


if __name__ == "__main__":
    sys.exit(
        main(
            check,
            tuple(FORMATS),
            ("decoded", "refused", "flagged", "undetectable"),
            ("silently shortened",),
            Limits(seconds=10, memory=2 * 2**30),
        )
    )
