"""Ogg (RFC 3533): pages of a Vorbis, Opus or FLAC stream."""

from __future__ import annotations

import itertools
import struct
from typing import NamedTuple

from reaudio_model.common.containers.checksums import crc32_highest_first
from reaudio_model.common.containers.source import Source, is_padding

CODECS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
FIRST, LAST = 2, 4  # bits of a page's type
OPUS_RATE = 48_000  # of its positions, whatever the sampling rate


class Page(NamedTuple):
    """kind: bits; position: of its last sample, -1 for none; serial: of its stream; number: in the stream; codec: or b""."""

    kind: int
    position: int
    serial: int
    number: int
    codec: bytes


def ogg(source: Source) -> str | None:
    """Pages that are damaged, missing, or of a further stream; a stream without its last page; positions against samples."""
    pages: list[Page] = []
    at = source.start
    while at < len(source.data) and not (pages and is_padding(source.data, at)):
        if not source.data.startswith(b"OggS", at):
            return f"what follows byte {at:,} is damaged"
        header = source.data[at : at + 27]
        kind, position, serial, number, _, segments = struct.unpack_from("<BqIIIB", header, 5)
        body = at + 27 + segments
        end = body + sum(source.data[at + 27 : body])
        if end > len(source.data):
            return "it ends in the middle of a page"
        if not _is_intact(source.data[at:end]):
            return f"the page at byte {at:,} is damaged"
        codec = next((c for c in CODECS if source.data.startswith(c, body)), b"") if kind & FIRST else b""
        pages.append(Page(kind, position, serial, number, codec))
        at = end
    return _streams(source, pages)


def _streams(source: Source, pages: list[Page]) -> str | None:
    audio = [page for page in pages if page.codec]
    if len(audio) != 1:
        return f"it holds {len(audio)} streams of audio, of which one was read"
    stream = [page for page in pages if page.serial == audio[0].serial]
    lost = sum(b.number != a.number + 1 for a, b in itertools.pairwise(stream))
    if lost:
        return f"pages are missing in {lost} places"
    if not stream[-1].kind & LAST:
        return "its last page is missing"
    positions = [page.position for page in stream if page.position > 0]
    rate = OPUS_RATE if audio[0].codec == b"OpusHead" else source.rate
    # a recording may start at any position: the first page's own samples are not counted
    span = positions[-1] - positions[0] if positions else 0
    return source.fewer_than(span * source.rate / rate)


def _is_intact(page: bytes) -> bool:
    return crc32_highest_first(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")
