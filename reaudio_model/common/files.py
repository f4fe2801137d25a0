"""Paths, atomic writes, strict JSON and hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

from reaudio_model.common.errors import ReaudioError

StrPath = str | os.PathLike[str]


def as_path(path: StrPath) -> Path:
    """``path`` as a Path, with ``~`` expanded."""
    return Path(path).expanduser()


def default_cache_dir() -> Path:
    """``REAUDIO_CACHE``, or the user's cache folder (``~/.cache/reaudio-eval`` on Linux)."""
    return as_path(os.environ.get("REAUDIO_CACHE") or platformdirs.user_cache_dir("reaudio-eval"))


def folder_name(name: str) -> str:
    """``name`` as a folder name: letters, digits, "-", "_" and "." are kept, other characters become "_"."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "_"


def explain_write_error(error: OSError, path: Path) -> ReaudioError:
    """The error for a failed write: what, where, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "the disk is full; free some space and repeat the command, finished work is kept"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "the folder is not writable; choose another one with --output (or --cache-dir for the cache)"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY):
        advice = "there is a file where a folder is needed, or the reverse; choose another --output"
    else:
        advice = error.strerror or str(error)
    return ReaudioError(f"Cannot write {path}: {advice}.")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix, hidden) that replaces it if the block succeeds.

    Raises:
        ReaudioError: the folder is not writable or the disk is full; ``path`` is then unchanged.
    """
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise explain_write_error(error, path) from error
    finally:
        # If the folder could not be created, there is nothing to remove.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A temporary folder beside ``path`` that is renamed to it if the block succeeds; ``replace`` allows an existing one.

    Raises:
        ReaudioError: not writable, the disk is full, or ``path`` exists and ``replace`` is False.
    """
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if replace and path.exists():
            shutil.rmtree(path)
        temporary.rename(path)
    except OSError as error:
        raise explain_write_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically (see :func:`atomic_path`)."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def json_bytes(value: Any) -> bytes:
    """UTF-8 JSON, in the given key order, two-space indent; NaN is an error (undefined numbers are null)."""
    return (json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def canonical_sha256(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value, independent of the order of keys."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
