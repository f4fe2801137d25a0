"""MPEG audio: frames, and the Xing, Info or VBRI header that counts them."""

from __future__ import annotations

import struct
from typing import NamedTuple

from reaudio_model.common.containers.checksums import crc_lowest_first
from reaudio_model.common.containers.source import Source, after_id3, after_tags

# kbit/s of MPEG-1 layers 1, 2, 3 and of MPEG-2 layers 1, 2 and 3 (ISO 11172-3, 13818-3)
BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # by version bits
DECODER_DELAY = 529  # samples, removed where no header says more
XING_FLAGS = 15  # all that are defined
LAME_BYTES = 36  # of LAME's extension, its checksum last
SEARCHED = 1 << 16  # bytes before the first frame


class Frame(NamedTuple):
    """size: bytes; samples: of each channel; rate: Hz; kilobits: per second; side: bytes of side information."""

    size: int
    samples: int
    rate: int
    kilobits: int
    side: int


class Counted(NamedTuple):
    """frames: declared, 0 if unknown; cut: samples that a decoder removes at both ends; is_damaged: its checksum is wrong."""

    frames: int
    cut: int
    is_damaged: bool = False


class Walk(NamedTuple):
    """start: of the first frame; frames: with the header's own, in order; headers: what Xing and VBRI headers declare, in order;
    end: where the last whole frame ends; reason: why the walk ended before the data."""

    start: int
    frames: list[Frame]
    headers: list[Counted]
    reason: str | None


def mpeg(source: Source) -> str | None:
    """Frames that are cut, damaged, fewer or more than the header counts, or not decoded."""
    found = walk(source.data, source.start)
    if found is None:
        return None  # free format
    if found.reason:
        return found.reason
    if len(found.headers) > 1:
        return f"it holds {len(found.headers)} files, one after the other"
    if any(header.is_damaged for header in found.headers):
        return "the header that counts its frames is damaged"
    n_frames = len(found.frames) - len(found.headers)
    if found.headers and found.headers[0].frames:
        declared = found.headers[0].frames
        if abs(declared - n_frames) > 1:  # some encoders count their header
            return f"it declares {declared:,} frames, but {n_frames:,} are there"
    cut = (found.headers[0].cut if found.headers else 0) or DECODER_DELAY
    return source.fewer_than(n_frames * found.frames[0].samples - cut)


def walk(data: bytes, start: int) -> Walk | None:
    """The frames of a file; None if their lengths are not declared or none is found."""
    at = _first(data, start)
    if at is None:
        return None
    first, frames, headers, reason = at, list[Frame](), list[Counted](), None
    while at < len(data):
        frame = _frame(data, at)
        if frame is None:
            reason = _interruption(data, at)
            break
        if at + frame.size > len(data):
            reason = "it ends in the middle of a frame"
            break
        header = _header(data[at : at + frame.size], frame)
        if header is not None:
            headers.append(header)
        frames.append(frame)
        at += frame.size
    return Walk(first, frames, headers, reason)


def _first(data: bytes, start: int) -> int | None:
    """The first of two frames in a row, or of one that reaches to the end."""
    at = start
    while 0 <= (at := data.find(b"\xff", at)) < start + SEARCHED:
        frame = _frame(data, at)
        if frame is not None and (at + frame.size >= len(data) or _frame(data, at + frame.size) is not None):
            return at
        at += 1
    return None


def _interruption(data: bytes, at: int) -> str | None:
    """Why no frame begins here, unless tags or zeros end the file."""
    after = after_tags(data, at)
    if not data[after:].strip(b"\0"):
        return None
    if after > at and _frame(data, after) is not None:
        return "another file follows its samples"
    return f"what follows byte {at:,} is damaged"


def _frame(data: bytes, at: int) -> Frame | None:
    """The frame whose header is at ``at``; None if there is none, or without a length."""
    head = int.from_bytes(data[at : at + 4], "big")
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    rate_index, bit_index, padding, mono = head >> 10 & 3, head >> 12 & 15, head >> 9 & 1, (head >> 6 & 3) == 3
    if at + 4 > len(data) or head >> 21 != 0x7FF or version == 1 or layer == 4 or rate_index == 3 or bit_index in (0, 15):
        return None
    rate, kilobits = RATES[version][rate_index], BIT_RATES[1 if version == 3 else 2, layer][bit_index - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    size = (samples // 8 // slot * kilobits * 1000 // rate + padding) * slot
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return Frame(size, samples, rate, kilobits, side)


def _header(frame: bytes, facts: Frame) -> Counted | None:
    """What a Xing, Info (with LAME's extension) or VBRI header declares."""
    if frame.startswith(b"VBRI", 36) and len(frame) >= 54:
        return Counted(struct.unpack_from(">I", frame, 50)[0], 0)
    at = 4 + facts.side
    if not frame.startswith((b"Xing", b"Info"), at) or len(frame) < at + 12:
        return None
    flags, count = struct.unpack_from(">II", frame, at + 4)
    if flags > XING_FLAGS:
        return Counted(0, 0, is_damaged=True)
    lame = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    if len(frame) < lame + LAME_BYTES:
        return Counted(count if flags & 1 else 0, 0)
    delays = int.from_bytes(frame[lame + 21 : lame + 24], "big")
    checksum = int.from_bytes(frame[lame + LAME_BYTES - 2 : lame + LAME_BYTES], "big")
    # other encoders compute it in other ways
    is_damaged = frame.startswith(b"LAME", lame) and crc_lowest_first(frame[: lame + LAME_BYTES - 2], 16, 0x8005) != checksum
    return Counted(count if flags & 1 else 0, (delays >> 12) + (delays & 0xFFF), is_damaged)


def with_length(data: bytes) -> bytes:
    """A file of variable bit rate that has no header, with one: a decoder that estimates the length stops too early.

    Returns:
        ``data`` itself where nothing is missing.
    """
    found = walk(data, after_id3(data))
    if found is None or found.headers or len({frame.kilobits for frame in found.frames}) < 2:
        return data
    return data[: found.start] + _xing(data[found.start : found.start + 4], len(found.frames)) + data[found.start :]


def _xing(head: bytes, n_frames: int) -> bytes:
    """A frame of silence with a Xing header, of the kind of ``head``."""
    for index in range(1, 15):
        bits = bytes([head[0], head[1] | 1, index << 4 | head[2] & 0x0C, head[3]])
        frame = _frame(bits, 0)
        if frame is not None and frame.size >= 4 + frame.side + 12:
            content = bits + bytes(frame.side) + b"Xing" + struct.pack(">II", 1, n_frames)
            return content + bytes(frame.size - len(content))
    return b""
