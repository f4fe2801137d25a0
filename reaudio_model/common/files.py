"""Paths, atomic writes, strict JSON and hashes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import Any

import platformdirs

from reaudio_model.common.errors import ReaudioError

StrPath = str | os.PathLike[str]
# .tmp-<machine>-<process>-<random>-<final name>
_TEMPORARY = re.compile(r"\.tmp-(?P<machine>[0-9a-f]{8})-(?P<process>[0-9]+)-[0-9a-f]{12}-.+", re.DOTALL)
_swept: set[Path] = set()  # by this process


def as_path(path: StrPath) -> Path:
    """``path`` as a Path, with ``~`` expanded.

    Raises:
        ReaudioError: no path, the home folder is not known, or a name that is not UTF-8, which no table or record can hold.
    """
    if not isinstance(path, str | os.PathLike):
        raise ReaudioError(f"A path must be text or a Path, not {path!r}.")
    check_text(os.fspath(path))
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ReaudioError(
            f"{path}: there is no such user, or the home folder is not known; give the whole path."
        ) from error


def check_text(text: str) -> None:
    """Raise ReaudioError for text that was not UTF-8 on the command line or in the file system."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ReaudioError(f"{text!r} is not UTF-8: rename the file or folder, or give other text.") from error


def open_regular(path: Path) -> BufferedReader:
    """A file for reading, unless it is a pipe, a device or anything else that need not end.

    Raises:
        OSError: such a thing, or a file that cannot be opened.
    """
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # opening a folder fails by itself
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.open("rb")


def has_file(path: Path) -> bool:
    """Whether a file is there and may be reached; ``Path.is_file`` raises below a folder that may not be entered."""
    try:
        return path.is_file()
    except OSError:
        return False


def has_folder(path: Path) -> bool:
    """Whether a folder is there and may be reached."""
    try:
        return path.is_dir()
    except OSError:
        return False


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
    elif error.errno == errno.ENAMETOOLONG:
        advice = "the name is too long for this file system; choose shorter names or another --output"
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        advice = "too many files are open; raise the limit (`ulimit -n`) or lower --jobs"
    else:
        advice = f"{error.strerror or error}; choose another place with --output (or --cache-dir for the cache)"
    return ReaudioError(f"Cannot write {path}: {advice}.")


def make_folder(path: Path) -> None:
    """Create a folder, if it is not there.

    Raises:
        ReaudioError: it cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_write_error(error, path) from error


def temporary_path(path: Path) -> Path:
    """A hidden path beside ``path``, with the same suffix, that names this process: :func:`sweep_temporary` finds it.

    What earlier processes left in the folder is swept when this process asks for the first path there.
    """
    folder = path.parent.absolute()
    if folder not in _swept:
        _swept.add(folder)
        sweep_temporary(folder)
    return path.with_name(f".tmp-{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}-{path.name}")


def sweep_temporary(folder: Path) -> list[Path]:
    """Delete the temporary files and folders that ended processes of this machine left in ``folder`` itself.

    Returns:
        What was there. What cannot be deleted stays, without an error.
    """
    try:
        found = [(path, match) for path in folder.iterdir() if (match := _TEMPORARY.fullmatch(path.name))]
    except OSError:
        return []
    left = [path for path, match in found if match["machine"] == _machine() and not _is_running(int(match["process"]))]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    return left


@cache
def _machine() -> str:
    """Eight hex digits naming this machine (or container), whose process numbers say nothing of another's."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # of another user
        return True
    return True


@contextmanager
def folder_lock(folder: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Let one process at a time into the block for an existing folder; a killed process leaves no lock and no file.

    Where the file system has no locks, nothing waits.

    Args:
        folder: that the processes write to.
        waiting: called before this process waits for another.

    Raises:
        ReaudioError: ``folder`` cannot be opened.
    """
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise explain_write_error(error, folder) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` (same suffix, hidden) that replaces it if the block succeeds.

    Raises:
        ReaudioError: the folder is not writable or the disk is full; ``path`` is then unchanged.
    """
    temporary = temporary_path(path)
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
    temporary = temporary_path(path)
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
    """UTF-8 JSON, in the given key order, two-space indent; NaN is an error (undefined numbers are null).

    Text that is not Unicode (of file names in another encoding) makes everything but ASCII an escape.
    """
    try:
        return (json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def canonical_sha256(value: Any) -> str:
    """SHA-256 (hex) of a JSON-able value, independent of the order of keys."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
