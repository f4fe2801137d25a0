"""Audio files: finding, decoding, and the exact path from a file to the samples an embedder hears."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile

from reaudio_eval.errors import AudioError, ReaudioError
from reaudio_eval.protocols import WaveformRule
from reaudio_eval.resample import Samples, resample

# Containers libsndfile cannot read are listed too: such a clip is reported as unreadable, not as missing.
READABLE_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
UNREADABLE_SUFFIXES = (".m4a", ".aac", ".wma", ".webm", ".mp4")
AUDIO_SUFFIXES = frozenset(READABLE_SUFFIXES + UNREADABLE_SUFFIXES)
LOOK_AHEAD = 2  # decoded clips waiting per worker


class DecodedAudio(NamedTuple):
    """samples: float32 (n >= 1, channels), finite, full scale 1 (lossy formats may exceed it); sample_rate: Hz."""

    samples: npt.NDArray[np.float32]
    sample_rate: int


def find_clips(folder: Path) -> dict[str, Path]:
    """The audio files directly in ``folder``: stem -> path, sorted. Hidden files and sub-folders are left alone.

    Raises:
        ReaudioError: no such folder, not a folder, no audio in it, or two files with the same stem.
    """
    if not folder.exists():
        raise ReaudioError(f"The folder {folder} does not exist.")
    if not folder.is_dir():
        raise ReaudioError(f"{folder} is a file; give the folder that holds the clips.")
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
        raise ReaudioError(f"The folder {folder} holds no audio files ({known}; sub-folders are not searched).")
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
        raise AudioError(f"{path} holds no samples.")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path} holds NaN or infinite samples.")
    return DecodedAudio(samples, int(sample_rate))


def decode_many(paths: Iterable[Path], jobs: int) -> Iterator[DecodedAudio | AudioError]:
    """Decode files in ``jobs`` threads; results come in the order of ``paths``, errors as values.

    At most ``jobs * LOOK_AHEAD`` decoded clips wait at any time, whatever the length of ``paths``.
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


def apply_rule(decoded: DecodedAudio, rule: WaveformRule, sample_rate: int) -> Samples:
    """The waveform an embedder hears: the steps of ``rule`` in its order.

    Args:
        decoded: from :func:`decode`; not changed.
        rule: the protocol's rule for the embedder.
        sample_rate: the embedder's, Hz; reached after ``rule.rates``.

    Returns:
        float32 (samples,), mono, at ``sample_rate``, contiguous.
    """
    samples = decoded.samples[:, 0] if rule.mono == "first" else decoded.samples.mean(axis=1)
    if rule.remove_dc:
        samples = samples - np.float32(samples.mean(dtype=np.float64))
    rate = decoded.sample_rate
    for target in (*rule.rates, sample_rate):
        samples, rate = resample(samples, rate, target, rule.resampler), target
        if rate == rule.pad_rate:
            samples = _pad(samples, rule.min_samples)
    if rule.peak_db is not None:
        samples = _scale_peak(samples, rule.peak_db)
    if rule.int16:
        samples = np.clip(np.rint(samples * 32768), -32768, 32767) / np.float32(32768)
    if rule.max_seconds is not None:
        samples = samples[: round(rule.max_seconds * sample_rate)]
    if rule.pad_rate is None:
        samples = _pad(samples, rule.min_samples)
    return np.ascontiguousarray(samples, dtype=np.float32)


def waveforms(decoded: DecodedAudio, targets: Sequence[tuple[WaveformRule, int]]) -> list[Samples]:
    """One decoded clip under several (rule, sample rate) pairs; equal pairs are computed once and share an array."""
    made = {target: apply_rule(decoded, *target) for target in dict.fromkeys(targets)}
    return [made[target] for target in targets]


def _pad(samples: Samples, min_samples: int) -> Samples:
    return np.pad(samples, (0, max(0, min_samples - len(samples))))


def _scale_peak(samples: Samples, peak_db: float) -> Samples:
    peak = float(np.abs(samples).max())
    return samples * np.float32(10 ** (peak_db / 20) / peak) if peak > 0 else samples


def wav_bytes(samples: Samples, sample_rate: int) -> bytes:
    """A 16-bit WAV file as bytes; samples float32 (n,) or (n, channels), values beyond [-1, 1] are clipped."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()
