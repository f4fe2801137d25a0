"""Cyclic redundancy checks of audio containers."""

from __future__ import annotations

import zlib
from functools import cache

BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc(data: bytes, width: int, polynomial: int) -> int:
    """A CRC of ``width`` bits that starts at 0, highest bit first."""
    table = _table(width, polynomial)
    value, shift, mask = 0, width - 8, (1 << width) - 1
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> shift ^ byte]
    return value


def crc_lowest_first(data: bytes, width: int, polynomial: int) -> int:
    """As :func:`crc`, lowest bit first."""
    return _backwards(crc(data.translate(BACKWARDS), width, polynomial), width)


def crc32_highest_first(data: bytes) -> int:
    """The CRC-32 of Ogg: that of zlib with the highest bit first, without inversion."""
    return _backwards(zlib.crc32(data.translate(BACKWARDS), 0xFFFF_FFFF) ^ 0xFFFF_FFFF, 32)


def _backwards(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


@cache
def _table(width: int, polynomial: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << width - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value >> width - 1 & 1 else 0)) & (1 << width) - 1
        table.append(value)
    return table
