"""Audio files: finding, decoding, encoding."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.resample import Samples

# Includes formats that libsndfile cannot read, so that such a clip is reported as unreadable, not as missing.
READABLE_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
UNREADABLE_SUFFIXES = (".m4a", ".aac", ".wma", ".webm", ".mp4")
AUDIO_SUFFIXES = frozenset(READABLE_SUFFIXES + UNREADABLE_SUFFIXES)
LOOK_AHEAD = 2  # decoded clips waiting per worker


class DecodedAudio(NamedTuple):
    """samples: float32 (n >= 1, channels), finite, full scale 1 (lossy formats may exceed it); sample_rate: Hz."""

    samples: npt.NDArray[np.float32]
    sample_rate: int


def find_clips(folder: Path) -> dict[str, Path]:
    """The audio files directly in ``folder``: stem -> path, sorted. Hidden files and sub-folders are ignored.

    Raises:
        ReaudioError: no such folder, not a folder, no audio in it, or two files with the same stem.
    """
    if not folder.exists():
        raise ReaudioError(f"The folder {folder} does not exist.")
    if not folder.is_dir():
        raise ReaudioError(f"{folder} is a file; give the folder of the clips.")
    try:
        files = sorted(folder.iterdir())
    except PermissionError as error:
        raise ReaudioError(f"The folder {folder} cannot be read: permission denied.") from error
    clips: dict[str, Path] = {}
    for path in files:
        if path.name.startswith(".") or path.suffix.lower() not in AUDIO_SUFFIXES or not path.is_file():
            continue
        if path.stem in clips:
            raise ReaudioError(f"{clips[path.stem].name} and {path.name} in {folder} name the same clip: remove one.")
        clips[path.stem] = path
    if not clips:
        known = ", ".join(READABLE_SUFFIXES)
        raise ReaudioError(f"The folder {folder} contains no audio files ({known}; sub-folders are not searched).")
    return clips


def content_sha256(path: Path) -> str:
    """SHA-256 (hex) of the file's bytes.

    Raises:
        AudioError: the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{path} cannot be opened: {error.strerror}.") from error


def decode(path: Path) -> DecodedAudio:
    """All channels of a file in any format of libsndfile (wav, flac, ogg, opus, mp3, ...).

    Raises:
        AudioError: missing, of unknown format, damaged, without samples, or with NaN or infinite samples.
    """
    try:
        with path.open("rb") as file:
            samples, sample_rate = soundfile.read(file, dtype="float32", always_2d=True)
    except OSError as error:
        raise AudioError(f"{path} cannot be opened: {error.strerror}.") from error
    except (soundfile.SoundFileError, MemoryError) as error:
        advice = "convert it to wav or flac" if path.suffix.lower() in UNREADABLE_SUFFIXES else "it is damaged or not audio"
        raise AudioError(f"{path} cannot be decoded: {advice}.") from error
    if samples.size == 0:
        raise AudioError(f"{path} has no samples.")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path} has NaN or infinite samples.")
    return DecodedAudio(samples, int(sample_rate))


def decode_many(paths: Iterable[Path], jobs: int) -> Iterator[DecodedAudio | AudioError]:
    """Decode files in ``jobs`` threads; results come in the order of ``paths``, errors as values.

    At most ``jobs * LOOK_AHEAD`` decoded clips wait at any time, for any length of ``paths``.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="decode")
    waiting: deque[Future[DecodedAudio | AudioError]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(_try_decode, path))
            if len(waiting) >= max(1, jobs) * LOOK_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _try_decode(path: Path) -> DecodedAudio | AudioError:
    try:
        return decode(path)
    except AudioError as error:
        return error


def wav_bytes(samples: Samples, sample_rate: int) -> bytes:
    """A 16-bit WAV file as bytes; samples float32 (n,) or (n, channels), values beyond [-1, 1] are clipped."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
