"""Whether an audio file was read whole.

The container is parsed from its bytes alone, and compared with the samples that were decoded. Bytes are never trusted: every field
may hold anything.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from reaudio_model.common.containers import chunked, flac, mpeg, ogg
from reaudio_model.common.containers.source import Source, after_id3

CHECKS = {
    "WAV": chunked.riff,
    "WAVEX": chunked.riff,
    "RF64": chunked.riff,
    "W64": chunked.w64,
    "AIFF": chunked.aiff,
    "CAF": chunked.caf,
    "AU": chunked.au,
    "FLAC": flac.flac,
    "OGG": ogg.ogg,
    "MP3": mpeg.mpeg,
}

# Decoders stop too early where these find no length.
COMPLETED = {"WAV": chunked.riff_with_length, "WAVEX": chunked.riff_with_length, "MP3": mpeg.with_length}


def with_length(data: bytes, container: str) -> bytes:
    """The file with a length in its header where one is absent and needed; otherwise ``data`` itself. Never raises."""
    complete = COMPLETED.get(container)
    try:
        return data if complete is None else complete(data)
    except (struct.error, IndexError):
        return data


def truncation(data: bytes, container: str, samples: npt.NDArray[np.float32], sample_rate: int) -> str | None:
    """Why a file is not whole, in words; None where nothing is known to be lost. Never raises.

    A length that a streamed file leaves open is no reason, and neither are tags and padding beside the samples.

    Args:
        data: of the file.
        container: libsndfile's name: WAV, AIFF, MP3, ... (others are not examined).
        samples: float32 (n, channels), all that was decoded.
        sample_rate: Hz.
    """
    check = CHECKS.get(container)
    if check is None:
        return None
    try:
        return check(Source(data, after_id3(data), samples, sample_rate))
    except (struct.error, IndexError):  # a field lies beyond the end
        return "it ends in the middle of a header"
