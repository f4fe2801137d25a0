"""Stored files that carry the digest of their content."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reaudio_model.common.files import canonical_sha256, json_bytes
from reaudio_model.common.json_files import parse_json

UNSEALED = "0" * 64  # in place of the digest while it is computed
SEAL = {"sha256": UNSEALED}  # metadata to save a safetensors file with before :func:`seal_safetensors`
_FIELD = b'"sha256":"'
_CHUNK = 2**24
MAX_HEADER = 100 * 2**20  # the limit of safetensors itself


def sealed_safetensors(data: bytes) -> bytes:
    """The bytes of a safetensors file saved with the metadata ``SEAL``, with its digest in them.

    Raises:
        ValueError: it was saved without ``SEAL``.
    """
    header = data[: _header_end(data[:8])]
    place = _place(header)
    digest = hashlib.sha256(data)
    return data[:place] + digest.hexdigest().encode() + data[place + 64 :]


def seal_safetensors(path: Path) -> None:
    """Write the digest of a safetensors file, saved with the metadata ``SEAL``, into it.

    Raises:
        ValueError: it was saved without ``SEAL``.
        OSError: it cannot be read or written.
    """
    with path.open("r+b") as file:
        header = file.read(_header_end(file.read(8)) - 8)
        place = 8 + _place(header)
        file.seek(0)
        digest = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        file.seek(place)
        file.write(digest.hexdigest().encode())


def check_sealed(data: bytes) -> bool:
    """Whether the bytes of a safetensors file are those whose digest it carries; False without a digest."""
    try:
        place = _place(data[: _header_end(data[:8])])
    except ValueError:
        return False
    digest = hashlib.sha256(data[:place])
    digest.update(UNSEALED.encode())
    digest.update(memoryview(data)[place + 64 :])
    return digest.hexdigest().encode() == data[place : place + 64]


def check_safetensors(path: Path) -> bool:
    """As :func:`check_sealed`, for a file of any size; False if it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            header = start + file.read(_header_end(start) - 8)
            place = _place(header)
            digest = hashlib.sha256(header[:place] + UNSEALED.encode() + header[place + 64 :])
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except (OSError, ValueError):
        return False
    return digest.hexdigest().encode() == header[place : place + 64]


def _header_end(start: bytes) -> int:
    if len(start) < 8:
        raise ValueError("shorter than a safetensors file")
    size: int = struct.unpack("<Q", start)[0]
    if size > MAX_HEADER:
        raise ValueError("the header is too large")
    return 8 + size


def _place(header: bytes) -> int:
    """Where the digest stands in the header."""
    found = header.find(_FIELD)
    place = found + len(_FIELD)
    if found < 0 or len(header) < place + 64:
        raise ValueError("saved without a digest")
    return place


def sealed_json(value: Any) -> bytes:
    """A JSON file of ``value`` and its digest; :func:`open_sealed_json` reads it."""
    return json_bytes({"sha256": canonical_sha256(value), "value": value})


def open_sealed_json(data: bytes) -> Any | None:
    """The value of a file of :func:`sealed_json`; None if it is damaged or has no digest."""
    try:
        content = parse_json(data)
        if canonical_sha256(content["value"]) != content["sha256"]:
            return None
    except (ValueError, LookupError, TypeError):
        return None
    return content["value"]


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Name -> SHA-256 (hex) of files of a folder.

    Raises:
        OSError: one of them cannot be read.
    """
    return {name: file_sha256(folder / name) for name in names}


def altered_files(folder: Path, digests: dict[str, str]) -> list[str]:
    """Which files of a folder are missing, unreadable or not those of ``digests`` (name -> SHA-256)."""

    def is_same(name: str, expected: str) -> bool:
        try:
            return file_sha256(folder / name) == expected
        except OSError:
            return False

    return [name for name, expected in digests.items() if not is_same(name, expected)]
