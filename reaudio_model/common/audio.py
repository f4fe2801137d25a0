"""Audio files: finding, decoding, encoding."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from reaudio_model.common.containers import truncation, with_length
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.files import check_text, open_regular
from reaudio_model.common.limits import MAX_SECONDS
from reaudio_model.common.naming import name_key
from reaudio_model.common.resample import Samples

# Includes formats that libsndfile cannot read, so that such a clip is reported as unreadable, not as missing.
READABLE_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
UNREADABLE_SUFFIXES = (".m4a", ".aac", ".wma", ".webm", ".mp4")
WRITTEN = {".wav": "WAV", ".flac": "FLAC"}
AUDIO_SUFFIXES = frozenset(READABLE_SUFFIXES + UNREADABLE_SUFFIXES)
LOOK_AHEAD = 2  # decoded clips waiting per worker

MAX_RATE = 768_000  # Hz, the highest that audio is recorded at
MAX_CHANNELS = 64
MAX_LEVEL = 2.0**31  # integers that were written as float without scaling are still read
SAMPLES_PER_SECOND = 400_000  # of all channels, for the limit on memory: stereo at 192 kHz
TAG_BYTES = 64 * 2**20  # pictures and other tags beside the samples
BLOCK_SAMPLES = 2**20


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """What a file holds.

    Attributes:
        samples: float32 (n >= 1, channels), finite, full scale 1 (lossy formats may exceed it), at most ``MAX_LEVEL``.
        sample_rate: Hz.
        sha256: of the bytes that were decoded, hex; "" for samples that come from no file.
        truncated: why the file is not whole (see :mod:`reaudio_model.common.containers`), or None.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    sha256: str = ""
    truncated: str | None = None


def find_clips(folder: Path) -> dict[str, Path]:
    """The audio files directly in ``folder``: stem, as names are compared (``naming.name_key``), -> path, sorted.

    Hidden files and sub-folders are ignored.

    Raises:
        ReaudioError: no such folder, not a folder, no audio in it, two files with the same stem, or a name that is not UTF-8.
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
        check_text(str(path))
        stem = name_key(path.stem)
        if stem in clips:
            raise ReaudioError(_same_clip(clips[stem], path))
        clips[stem] = path
    if not clips:
        known = ", ".join(READABLE_SUFFIXES)
        raise ReaudioError(f"The folder {folder} contains no audio files ({known}; sub-folders are not searched).")
    return clips


def _same_clip(one: Path, other: Path) -> str:
    # names that differ only in their form of Unicode look alike
    names = [path.name if one.stem == other.stem else ascii(path.name) for path in (one, other)]
    return f"{names[0]} and {names[1]} in {other.parent} name the same clip: remove one."


def content_sha256(path: Path, max_seconds: float | None = None) -> str:
    """SHA-256 (hex) of the file's bytes.

    Args:
        path: the file.
        max_seconds: as for :func:`decode`, which refuses files of the same sizes.

    Raises:
        AudioError: the file cannot be opened, is no regular file, or larger than ``max_seconds`` of any audio are.
    """
    try:
        with open_regular(path) as file:
            _check_size(path, os.fstat(file.fileno()).st_size, *_limits(max_seconds))
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AudioError(f"{shown(path)} cannot be opened: {error.strerror}.") from error


def decode(path: Path, *, max_seconds: float | None = None, head_seconds: float | None = None) -> DecodedAudio:
    """All channels of a file in any format of libsndfile (wav, flac, ogg, opus, mp3, ...), read once.

    Args:
        path: the file; its bytes are hashed and decoded from the same copy.
        max_seconds: longer files are refused, and memory is bounded by it, whatever the file declares. None is
            ``MAX_SECONDS``, for commands without the option --max-seconds: no message names it.
        head_seconds: decode only the beginning, for which no length is refused; ``truncated`` is then None.

    Raises:
        AudioError: missing, of unknown format, damaged, too long, without samples, with NaN, infinite or huge samples, with
            more than ``MAX_CHANNELS`` channels or a rate above ``MAX_RATE``.
    """
    limit, remedy = _limits(max_seconds)
    data = _read(path, limit, remedy)
    with _one_error(path):
        if head_seconds is None:
            samples, sample_rate, container = _decode(data, path, limit, remedy)
        else:
            samples, sample_rate, container = _decode(data, path, head_seconds, None)
    _check_samples(samples, path)
    truncated = None if head_seconds is not None else truncation(data, container, samples, sample_rate)
    return DecodedAudio(samples, sample_rate, hashlib.sha256(data).hexdigest(), truncated)


@contextmanager
def _one_error(path: Path) -> Iterator[None]:
    """Whatever a decoder raises costs this clip, not the run: it becomes an AudioError."""
    try:
        yield
    except AudioError:
        raise
    except Exception as error:
        advice = "convert it to wav or flac" if path.suffix.lower() in UNREADABLE_SUFFIXES else "it is damaged or not audio"
        raise AudioError(f"{shown(path)} cannot be decoded: {advice}.") from error


def declared_seconds(path: Path) -> float | None:
    """Length by the file's header alone; None where it declares none or cannot be read."""
    try:
        data = _read(path, MAX_SECONDS, "cut it")
        with _one_error(path), _open(data) as file:
            seconds: float = file.frames / file.samplerate
    except AudioError:
        return None
    return seconds if seconds <= MAX_SECONDS else None


def _limits(max_seconds: float | None) -> tuple[float, str]:
    """The longest audio that is read, in seconds, and what to do with a longer one."""
    if max_seconds is None:
        return MAX_SECONDS, "cut it"
    return max_seconds, "cut it, or give a larger --max-seconds"


def _read(path: Path, max_seconds: float, remedy: str) -> bytes:
    """A file's bytes, unless they are more than ``max_seconds`` of any audio take."""
    try:
        with open_regular(path) as file:
            _check_size(path, os.fstat(file.fileno()).st_size, max_seconds, remedy)
            return file.read()
    except OSError as error:
        raise AudioError(f"{shown(path)} cannot be opened: {error.strerror}.") from error


def _check_size(path: Path, n_bytes: int, max_seconds: float, remedy: str) -> None:
    limit = round(max_seconds * SAMPLES_PER_SECOND * 8) + TAG_BYTES
    if n_bytes > limit:
        raise AudioError(f"{shown(path)} is larger than {limit / 1e6:,.0f} MB: {remedy}.")


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # untyped
    """Read from front to back: without positions, which libsndfile gets wrong where the length is unknown."""

    def rewind(self) -> None:
        """As ``soundfile.read`` does before it reads: it changes an MP3's samples by 1e-7."""
        if super().seekable():
            self.seek(0)

    def seekable(self) -> bool:
        return False


def _open(data: bytes) -> _Sequential:
    file = _Sequential(io.BytesIO(data))
    counted = with_length(data, file.format)
    if counted is data:
        return file
    file.close()
    return _Sequential(io.BytesIO(counted))


def _decode(
    data: bytes, path: Path, seconds: float, remedy_for_longer: str | None
) -> tuple[npt.NDArray[np.float32], int, str]:
    """Samples of the first ``seconds``, their rate and the container's name; nothing is allocated from a declared length.

    A longer file is refused with a remedy; without one the rest is left unread.
    """
    with _open(data) as file:
        rate, channels, declared, container = file.samplerate, file.channels, file.frames, file.format
        _check_format(path, rate, channels)
        most = max(1, min(round(seconds * rate), round(seconds * SAMPLES_PER_SECOND) // channels))
        wanted = most if remedy_for_longer is None else most + 1
        blocks: list[npt.NDArray[np.float32]] = []
        file.rewind()
        n_read, size = 0, max(1, min(declared, wanted, BLOCK_SAMPLES // channels))
        while n_read < min(wanted, declared):
            block = file.read(min(size, wanted - n_read), dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block)
            n_read += len(block)
    if n_read > most:
        about = f"{channels} channels at {rate} Hz"
        raise AudioError(f"{shown(path)} is longer than {most / rate:,.0f} s ({about}): {remedy_for_longer}.")
    return blocks[0] if len(blocks) == 1 else np.concatenate([np.zeros((0, channels), np.float32), *blocks]), rate, container


def _check_format(path: Path, rate: int, channels: int) -> None:
    if not 0 < rate <= MAX_RATE:
        raise AudioError(f"{shown(path)} declares a sampling rate of {rate} Hz (most: {MAX_RATE}): write its header anew.")
    if not 0 < channels <= MAX_CHANNELS:
        raise AudioError(f"{shown(path)} declares {channels} channels (most: {MAX_CHANNELS}): mix it to fewer.")


def _check_samples(samples: npt.NDArray[np.float32], path: Path) -> None:
    if samples.size == 0:
        raise AudioError(f"{shown(path)} has no samples.")
    low, high = float(samples.min()), float(samples.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise AudioError(f"{shown(path)} has NaN or infinite samples.")
    if max(-low, high) > MAX_LEVEL:
        raise AudioError(f"{shown(path)} has samples up to {max(-low, high):.3g} (full scale is 1): scale it.")


def decode_many(paths: Iterable[Path], jobs: int, max_seconds: float | None = None) -> Iterator[DecodedAudio | AudioError]:
    """Decode files in ``jobs`` threads; results come in the order of ``paths``, errors as values.

    ``max_seconds``: see :func:`decode`. At most ``jobs * LOOK_AHEAD`` decoded clips wait at any time, for any length of ``paths``.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="decode")
    waiting: deque[Future[DecodedAudio | AudioError]] = deque()
    try:
        for path in paths:
            waiting.append(pool.submit(_try_decode, path, max_seconds))
            if len(waiting) >= max(1, jobs) * LOOK_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _try_decode(path: Path, max_seconds: float | None) -> DecodedAudio | AudioError:
    try:
        return decode(path, max_seconds=max_seconds)
    except AudioError as error:
        return error


def shown(path: Path) -> str:
    """A path as text that can be printed and stored: bytes of its name that are not UTF-8 as ``\\x..``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def wav_bytes(samples: Samples, sample_rate: int, name: str = "The clip") -> bytes:
    """A 16-bit WAV file as bytes; samples float32 (n,) or (n, channels), values beyond [-1, 1] are clipped.

    Raises:
        AudioError: NaN or infinite samples; ``name`` is in the message.
    """
    return encode(samples, sample_rate, "WAV", "PCM_16", name=name)


def audio_bytes(samples: Samples, sample_rate: int, suffix: str, name: str = "The clip") -> bytes:
    """A 16-bit WAV or FLAC file as bytes, by its suffix; samples as for :func:`wav_bytes`.

    Raises:
        AudioError: another suffix, or samples that are NaN or infinite; ``name`` is in the message.
    """
    container = WRITTEN.get(suffix.lower())
    if container is None:
        raise AudioError(f"Files {suffix} are not written: use {' or '.join(WRITTEN)}.")
    return encode(samples, sample_rate, container, "PCM_16", name=name)


def encode(
    samples: Samples,
    sample_rate: int,
    container: str,
    subtype: str,
    *,
    constant_rate: float | None = None,
    name: str = "The clip",
) -> bytes:
    """A file in any format of libsndfile as bytes.

    Args:
        samples: float32 (n,) or (n, channels).
        sample_rate: Hz.
        container: libsndfile's name of the format.
        subtype: libsndfile's name of the encoding.
        constant_rate: libsndfile's compression level, from 0 (best) to 1, for a constant bit rate.
        name: of the clip in the message.

    Raises:
        AudioError: NaN or infinite samples.
    """
    if not np.isfinite(samples).all():
        raise AudioError(f"{name} has NaN or infinite samples and was not written: what made it does not work.")
    buffer = io.BytesIO()
    rate = {} if constant_rate is None else {"compression_level": constant_rate, "bitrate_mode": "CONSTANT"}
    soundfile.write(buffer, samples, sample_rate, format=container, subtype=subtype, **rate)
    return buffer.getvalue()
