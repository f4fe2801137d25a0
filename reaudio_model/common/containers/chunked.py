"""Containers of chunks: WAV, RF64, W64, AIFF, CAF; and AU."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from reaudio_model.common.containers.source import LOST_SECONDS, Source, after_id3, is_padding

# Streams are written with 0, the largest value or (sox) nearly half of it, because their length is not known beforehand.
UNKNOWN_FROM = 0x7FFF_0000
MAX_CHUNKS = 10_000
NO_SAMPLES: str | None = "no chunk of samples follows its header"
FORMS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff", b"riff")
LINEAR_WAV = (1, 3, 0xFFFE)  # PCM, float, extensible
LINEAR_AIFC = (b"NONE", b"twos", b"sowt", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64")
AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # of a sample, by encoding


class Layout(NamedTuple):
    """name: bytes of a chunk's name; size: struct format of its size; counted: bytes of the header that the size includes."""

    name: int
    size: str
    counted: int = 0
    align: int = 2


RIFF, RIFX, AIFF = Layout(4, "<I"), Layout(4, ">I"), Layout(4, ">I")
CAF, W64 = Layout(4, ">q", align=1), Layout(16, "<q", counted=24, align=8)


class Chunk(NamedTuple):
    """name; start: of its content; size: declared; after: where the next begins."""

    name: bytes
    start: int
    size: int
    after: int


def _chunks(data: bytes, at: int, layout: Layout) -> Iterator[Chunk]:
    header = layout.name + struct.calcsize(layout.size)
    for _ in range(MAX_CHUNKS):
        if at + header > len(data):
            return
        name = data[at : at + layout.name]
        (size,) = struct.unpack_from(layout.size, data, at + layout.name)
        size = max(size - layout.counted, -1)
        after = at + header + max(size, 0)
        after += -after % layout.align
        yield Chunk(name, at + header, size, after)
        at = after


def riff(source: Source) -> str | None:
    """RIFF, RIFX, RF64 and BW64 with ``WAVE``: ``ds64``, ``fmt `` and ``data`` (RFC 2361, EBU Tech 3306)."""
    data, start = source.data, source.start
    layout = RIFX if data.startswith(b"RIFX", start) else RIFF
    order, wide, frame = layout.size[0], None, None
    for chunk in _chunks(data, start + 12, layout):
        if chunk.name == b"ds64":
            wide = struct.unpack_from("<Q", data, chunk.start + 8)[0]
        elif chunk.name == b"fmt ":
            tag, channels, rate, speed, frame, bits = struct.unpack_from(order + "HHIIHH", data, chunk.start)
            if tag not in LINEAR_WAV:
                frame = None
            elif speed != rate * frame or frame != channels * -(-bits // 8):
                return (
                    f"its header contradicts itself ({channels} channels of {bits} bits are not {frame} bytes at {rate} Hz)"
                )
        elif chunk.name == b"data":
            size = wide if wide is not None and chunk.size == 0xFFFF_FFFF else chunk.size
            return _samples(source, chunk.start, size, frame, layout)
    return NO_SAMPLES


def w64(source: Source) -> str | None:
    """Sony Wave64: 128-bit names, 64-bit sizes."""
    frame = None
    for chunk in _chunks(source.data, source.start + 40, W64):
        if chunk.name.startswith(b"fmt "):
            tag, frame = (struct.unpack_from("<H", source.data, chunk.start + at)[0] for at in (0, 12))
            frame = frame if tag in LINEAR_WAV else None
        elif chunk.name.startswith(b"data"):
            return _samples(source, chunk.start, chunk.size, frame, W64)
    return NO_SAMPLES


def aiff(source: Source) -> str | None:
    """AIFF and AIFC: ``COMM`` declares the frames, ``SSND`` holds them."""
    declared, frame, reason = 0, None, NO_SAMPLES
    kind = source.data[source.start + 8 : source.start + 12]
    for chunk in _chunks(source.data, source.start + 12, AIFF):
        if chunk.name == b"COMM":
            channels, declared, bits = struct.unpack_from(">HIH", source.data, chunk.start)
            packed = kind == b"AIFC" and source.data[chunk.start + 18 : chunk.start + 22] not in LINEAR_AIFC
            frame = None if packed else channels * -(-bits // 8)
            declared = 0 if packed else declared  # packets, not frames
        elif chunk.name == b"SSND":
            offset = struct.unpack_from(">I", source.data, chunk.start)[0]
            reason = _samples(source, chunk.start + 8 + offset, max(chunk.size - 8 - offset, 0), frame, AIFF)
    return reason or (source.fewer_than(declared) if declared < UNKNOWN_FROM else None)


def caf(source: Source) -> str | None:
    """Apple Core Audio: a size of -1 reaches to the end; ``pakt`` declares frames of compressed samples."""
    declared, frame, reason = 0, None, NO_SAMPLES
    for chunk in _chunks(source.data, source.start + 8, CAF):
        if chunk.name == b"desc":
            kind, _, packet, per_packet = struct.unpack_from(">4sIII", source.data, chunk.start + 8)
            frame = packet if kind == b"lpcm" and per_packet == 1 else None
        elif chunk.name == b"pakt":
            declared = struct.unpack_from(">q", source.data, chunk.start + 8)[0]
        elif chunk.name == b"data":
            reason = _samples(source, chunk.start + 4, chunk.size - 4 if chunk.size > 0 else 0, frame, CAF)
            if chunk.size < 0:
                break
    return reason or source.fewer_than(declared)


def au(source: Source) -> str | None:
    """Sun: one header with the size of the samples, which nothing follows."""
    order = ">" if source.data.startswith(b".snd", source.start) else "<"
    offset, size, encoding, _, channels = struct.unpack_from(order + "5I", source.data, source.start + 4)
    frame = AU_BYTES[encoding] * channels if encoding in AU_BYTES else None
    return _samples(source, source.start + offset, size, frame, None)


def _samples(source: Source, start: int, size: int, frame: int | None, layout: Layout | None) -> str | None:
    """Compare the declared ``size`` of the samples at ``start`` with the file and with what was decoded.

    Args:
        source: the file.
        start: of the samples.
        size: bytes; 0 or ``UNKNOWN_FROM`` and more where it was not known.
        frame: bytes of one frame, None for compressed samples.
        layout: of the chunks that may follow.
    """
    there = max(len(source.data) - start, 0)
    known = 0 < size < UNKNOWN_FROM
    if known and size - there >= (frame or 8):
        return f"it declares {size:,} bytes of samples, but {there:,} are there"
    if frame:
        missing = source.fewer_than((min(size, there) if known else there) // frame)
        if known and missing:
            return missing
    if not known:
        rest = there % frame if frame else 0
        is_pad = rest == 1 and there % 2 == 0 and frame is not None and frame % 2
        return f"it ends in the middle of a sample ({rest} of {frame} bytes)" if rest and not is_pad else None
    bytes_per_second = size / source.n_frames * source.rate if source.n_frames else 1.0
    return _leftover(source, start + size, layout, bytes_per_second * LOST_SECONDS)


def _leftover(source: Source, end: int, layout: Layout | None, tolerated: float) -> str | None:
    """The reason if something other than chunks, tags and padding follows the samples."""
    ends = [end] if layout is None else [end + -end % layout.align, end]  # some writers do not pad
    tails = [_after_chunks(source.data, at, layout) for at in ends]
    if any(tail is None for tail in tails):
        return None
    at = max(tail for tail in tails if tail is not None)
    if source.data.startswith(FORMS, at) or source.data.startswith(b".snd", at):
        return "another file follows its samples"
    n_left = len(source.data) - at
    return f"{n_left:,} bytes that belong to no chunk follow its samples" if n_left > tolerated else None


def _after_chunks(data: bytes, at: int, layout: Layout | None) -> int | None:
    """Where the chunks end and something else begins; None if nothing else does."""
    for chunk in _chunks(data, at, layout) if layout is not None else ():
        if chunk.name.startswith(FORMS) or not all(32 <= byte < 127 for byte in chunk.name[:4]):
            break
        if chunk.start + max(chunk.size, 0) > len(data):
            break
        at = chunk.after
    return None if is_padding(data, at) else at


def riff_with_length(data: bytes) -> bytes:
    """A WAV whose writer left the size of the samples at 0, with that size; otherwise ``data`` itself."""
    start = after_id3(data)
    layout = RIFX if data.startswith(b"RIFX", start) else RIFF
    for chunk in _chunks(data, start + 12, layout):
        if chunk.name == b"data":
            n_bytes = len(data) - chunk.start
            if chunk.size or not 0 < n_bytes < UNKNOWN_FROM or _after_chunks(data, chunk.start, layout) is None:
                return data
            return data[: chunk.start - 4] + struct.pack(layout.size, n_bytes) + data[chunk.start :]
    return data
