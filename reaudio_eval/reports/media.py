"""Players of clips: MP3 and spectrogram."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image

from reaudio_eval.clips.encoding import Decoded, Floats, decode, mp3
from reaudio_model.common.audio import shown
from reaudio_model.common.errors import AudioError
from reaudio_model.common.files import atomic_write

MediaMode = Literal["inline", "folder", "none"]

ENCODING = "2"  # part of the file names: raise when anything below changes
INLINE_PLAYERS = 200
WIDTH, HEIGHT = 320, 96  # pixels of a spectrogram
N_FFT = 1024
RANGE_DB = 75.0
QUIETEST_PEAK_DB = -60.0  # a silent clip stays dark instead of showing its rounding noise


class Media(NamedTuple):
    """What a player needs. ``audio`` and ``image`` are data URIs or relative paths, or None with the reason in ``note``."""

    audio: str | None
    image: str | None
    note: str = ""


def media_for(
    paths: Sequence[Path], output: Path, mode: MediaMode, jobs: int, progress: Callable[[int], None]
) -> tuple[dict[Path, Media], list[Path]]:
    """Encode clips, in threads (decoding and encoding release the GIL).

    Args:
        paths: the clips, in page order; the first ``INLINE_PLAYERS`` go into the page in mode "inline", the rest into files.
        output: folder of the page; files go to ``output/media`` under a hash of their source and are reused.
        mode: "none" gives no media at all.
        progress: called with the number of clips done.

    Returns:
        What each path became, and the files written or reused.
    """
    if mode == "none":
        return {}, []
    unique = list(dict.fromkeys(paths))
    n_inline = INLINE_PLAYERS if mode == "inline" else 0
    folder = output / "media"

    def one(numbered: tuple[int, Path]) -> tuple[Media, list[Path]]:
        place, path = numbered
        try:
            decoded = decode(path)
        except AudioError as error:
            # a page does not tell the folders of the machine it was made on
            return Media(None, None, f"This clip cannot be played: {str(error).replace(shown(path), path.name)}"), []
        return (_inline(decoded), []) if place < n_inline else _in_folder(decoded, folder)

    players: dict[Path, Media] = {}
    files: dict[Path, None] = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for path, (media, written) in zip(unique, pool.map(one, enumerate(unique)), strict=True):
            players[path] = media
            files.update(dict.fromkeys(written))
            progress(len(players))
    return players, list(files)


def _inline(decoded: Decoded) -> Media:
    audio = data_uri("audio/mpeg", mp3(decoded.audio, decoded.rate))
    return Media(audio, data_uri("image/webp", spectrogram(decoded.audio, decoded.rate)), decoded.note)


def data_uri(kind: str, data: bytes) -> str:
    """``data`` of the media type ``kind`` as a URI that needs no file."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _in_folder(decoded: Decoded, folder: Path) -> tuple[Media, list[Path]]:
    stem = hashlib.sha256((ENCODING + decoded.sha256).encode()).hexdigest()[:24]
    audio, image = folder / f"{stem}.mp3", folder / f"{stem}.webp"
    if not (audio.is_file() and image.is_file()):
        atomic_write(audio, mp3(decoded.audio, decoded.rate))
        atomic_write(image, spectrogram(decoded.audio, decoded.rate))
    return Media(f"media/{audio.name}", f"media/{image.name}", decoded.note), [audio, image]


def spectrogram(audio: Floats, rate: int) -> bytes:
    """Log-mel spectrogram as WebP, ``WIDTH`` x ``HEIGHT``: time to the right, low frequencies at the bottom, bright at the
    loudest point and dark ``RANGE_DB`` below it."""
    level = 10 * np.log10(np.maximum(_mel_power(audio, rate), 1e-20))
    top = max(float(level.max()), QUIETEST_PEAK_DB)
    shade = np.clip((level - top) / RANGE_DB + 1, 0, 1)[::-1]
    pixels = (mpl.colormaps["magma"](shade)[..., :3] * 255).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=55, method=4)
    return buffer.getvalue()


def _mel_power(audio: Floats, rate: int) -> npt.NDArray[np.float64]:
    """Float64 (HEIGHT, WIDTH): power in mel bands, 0 dB for a full-scale sine; ``WIDTH`` frames whatever the length."""
    padded = np.pad(audio, (N_FFT // 2, N_FFT))
    starts = np.linspace(0, len(audio), WIDTH).astype(np.intp)
    window = np.hanning(N_FFT)
    frames = padded[starts[:, None] + np.arange(N_FFT)] * window
    power = np.abs(np.fft.rfft(frames, axis=1) / (window.sum() / 2)) ** 2
    bands: npt.NDArray[np.float64] = _mel_bands(rate) @ power.T
    return bands


def _mel_bands(rate: int) -> npt.NDArray[np.float64]:
    """Float64 (HEIGHT, N_FFT // 2 + 1): triangles of height 1, equally spaced on the mel scale (2595 log10(1 + f / 700))."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, highest, HEIGHT + 2) / 2595) - 1)
    bins = np.arange(N_FFT // 2 + 1) * rate / N_FFT
    # A triangle narrower than a bin would be empty: every side spans at least one bin.
    left, right = np.maximum(np.diff(edges)[:-1], rate / N_FFT), np.maximum(np.diff(edges)[1:], rate / N_FFT)
    centre = edges[1:-1, None]
    rising, falling = 1 - (centre - bins) / left[:, None], 1 - (bins - centre) / right[:, None]
    return np.clip(np.minimum(rising, falling), 0, None)
