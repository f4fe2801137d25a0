"""FLAC (RFC 9639): declared samples, checksum, last frame."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from reaudio_model.common.containers.checksums import crc
from reaudio_model.common.containers.source import Source

FLOAT_BITS = 24  # integers that float32 holds exactly
MARKER = b"fLaC\x00\x00\x00\x22"  # start of a file, with the header of its first block
LONGEST_FRAME = 1 << 18  # bytes searched for the last frame


def flac(source: Source) -> str | None:
    """STREAMINFO's samples and MD5 against what was decoded; where both are absent, whether the last frame is whole."""
    info = source.data.find(MARKER, source.start) + len(MARKER)
    packed = int.from_bytes(source.data[info + 10 : info + 18], "big")
    bits, declared = (packed >> 36 & 31) + 1, packed & (1 << 36) - 1
    md5 = source.data[info + 18 : info + 34]
    if info < len(MARKER) or len(md5) < 16:
        return "it ends in the middle of a header"
    if MARKER in source.data[info:]:
        return "another file follows its samples"
    reason = source.fewer_than(declared, tolerance=0) if declared else None
    if reason is None and any(md5) and bits <= FLOAT_BITS and _md5(source.samples, bits) != md5:
        return "its samples differ from the checksum in its header"
    if reason is None and not declared and not any(md5) and not _ends_with_a_frame(source.data):
        return "it ends in the middle of a frame"
    return reason


def _md5(samples: npt.NDArray[np.float32], bits: int) -> bytes:
    scaled, width = samples * np.float32(1 << bits - 1), -(-bits // 8)
    if width == 2:
        packed = scaled.astype("<i2").view(np.uint8)
    else:
        packed = np.ascontiguousarray(scaled.astype("<i4")[..., None].view(np.uint8)[..., :width])
    return hashlib.md5(packed.data, usedforsecurity=False).digest()


def _ends_with_a_frame(data: bytes) -> bool:
    """Whether the CRC-16 of a frame that starts somewhere before the end is right at the end."""
    data = data.rstrip(b"\0") + b"\0\0" if data.endswith(b"\0" * 16) else data
    low, at = max(0, len(data) - LONGEST_FRAME), len(data)
    while (at := data.rfind(b"\xff", low, at)) >= 0:
        if data[at + 1 : at + 2] in (b"\xf8", b"\xf9") and _is_header(data[at : at + 16]):
            return crc(data[at:], 16, 0x8005) == 0
    return False


def _is_header(head: bytes) -> bool:
    """Whether one of the lengths that a frame's header has ends with its CRC-8."""
    return any(crc(head[:n], 8, 0x07) == 0 for n in range(6, len(head) + 1))
