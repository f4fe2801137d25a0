"""A file's bytes beside what was decoded from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

LOST_SECONDS = 0.05  # shorter losses are what encoders cut and pad


class Source(NamedTuple):
    """data: of the file; start: of the container, after tags; samples: float32 (n, channels), decoded; rate: Hz."""

    data: bytes
    start: int
    samples: npt.NDArray[np.float32]
    rate: int

    @property
    def n_frames(self) -> int:
        return len(self.samples)

    def fewer_than(self, declared: float, tolerance: float = LOST_SECONDS) -> str | None:
        """The reason if more than ``tolerance`` seconds of ``declared`` frames (at ``rate``) were not decoded."""
        if self.n_frames + tolerance * self.rate >= declared:
            return None
        return f"it declares {declared / self.rate:,.2f} s, but {self.n_frames / self.rate:,.2f} s could be read"


def is_padding(data: bytes, at: int) -> bool:
    """Whether nothing but tags and zeros follows."""
    return not data[after_tags(data, at) :].strip(b"\0")


def after_id3(data: bytes) -> int:
    """Where ID3v2 tags at the beginning end; 0 without one."""
    at = 0
    while data.startswith(b"ID3", at) and at + 10 <= len(data):
        at = _id3_end(data, at)
    return at


def after_tags(data: bytes, at: int) -> int:
    """Where tags of any kind (ID3v1, ID3v2, APE, Lyrics3) that begin at ``at`` end; ``at`` without one."""
    while at < len(data):
        if data.startswith(b"ID3", at) and at + 10 <= len(data):
            at = _id3_end(data, at)
        elif data.startswith(b"TAG", at):
            at += 128
        elif data.startswith(b"APETAGEX", at) and at + 32 <= len(data):
            at += 32 + int.from_bytes(data[at + 12 : at + 16], "little")
        elif data.startswith(b"LYRICSBEGIN", at) and (end := data.find(b"LYRICS200", at)) > 0:
            at = end + len(b"LYRICS200")
        else:
            break
    return at


def _id3_end(data: bytes, at: int) -> int:
    size = 0
    for byte in data[at + 6 : at + 10]:
        size = size << 7 | byte & 0x7F
    return at + 10 + size + (10 if data[at + 5] & 0x10 else 0)
