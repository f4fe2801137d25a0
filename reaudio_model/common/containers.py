"""Whether an audio file holds all that its container declares."""

from __future__ import annotations


def truncation(data: bytes, n_frames: int, sample_rate: int) -> str | None:
    """Why a file is not whole, in words, or None; never raises.

    Args:
        data: of the file.
        n_frames: samples of each channel that were decoded.
        sample_rate: Hz.
    """
    return None
