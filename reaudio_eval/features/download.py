"""Downloading published checkpoints, with verification."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from reaudio_eval.features.embedders import CheckpointFile
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import atomic_path, explain_write_error, folder_lock

_CHUNK = 1 << 20
_TIMEOUT_S = 30.0
_NETWORK_ERRORS = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


def about(file: CheckpointFile) -> str:
    """Size and licence for messages, e.g. "324 MB, CC BY 4.0"."""
    size = f"{file.n_bytes / 1e9:.1f} GB" if file.n_bytes >= 1e9 else f"{file.n_bytes / 1e6:.0f} MB"
    return f"{size}, {file.licence}" if file.n_bytes else file.licence


def verify(path: Path, file: CheckpointFile, sha256: str) -> None:
    """Raise a CheckpointError unless ``sha256``, that of ``path``, is the published one."""
    if not sha256.startswith(file.sha256):
        raise CheckpointError(
            f"{path} is not the published {file.filename}: its SHA-256 is {sha256[:16]}..., published is "
            f"{file.sha256[:16]}...; fetch it again from {file.url}, or name it with --checkpoint to use it as it is."
        )


def download(file: CheckpointFile, folder: Path) -> Path:
    """Download a published checkpoint into ``folder``, verified before it gets its name. Progress goes to stderr.

    Raises:
        CheckpointError: no network, or the bytes are not the published ones.
        ReaudioError: no room, or the folder cannot be written.
    """
    target = folder / file.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with folder_lock(folder):
            if not target.is_file():  # else another process was faster
                with atomic_path(target) as partial:
                    verify(target, file, _transfer(file, partial))
    except OSError as error:
        raise explain_write_error(error, target) from error
    return target


def _transfer(file: CheckpointFile, partial: Path) -> str:
    """Copy ``file.url`` to ``partial`` with a progress bar; the SHA-256 of what arrived."""
    digest = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(file.url, timeout=_TIMEOUT_S) as response,  # noqa: S310 (the URL is a constant of a spec)
            partial.open("wb") as out,
            _progress(file, response.headers.get("Content-Length")) as advance,
        ):
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
            out.flush()
            os.fsync(out.fileno())
    except _NETWORK_ERRORS as error:
        raise CheckpointError(
            f"{file.filename} cannot be downloaded ({error}): fetch {file.url} by hand and pass --checkpoint NAME=PATH."
        ) from error
    return digest.hexdigest()


@contextmanager
def _progress(file: CheckpointFile, length: str | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; yields what to call with the number of bytes that arrived."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(file.filename, total=int(length) if length else file.n_bytes or None)
        yield lambda n_bytes: progress.advance(task, n_bytes)


def hub_snapshot(hub_id: str, patterns: list[str], *, allow_download: bool) -> Path:
    """The local folder of a Hugging Face repository; the network is asked only with ``allow_download``.

    Raises:
        CheckpointError: not there.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(hub_id, allow_patterns=patterns, local_files_only=not allow_download))
    except (OSError, ValueError) as error:  # every error of the hub's client is an OSError; a malformed id a ValueError
        remedy = "check the name and the network" if allow_download else "give --allow-download, or give a folder"
        raise CheckpointError(f"{hub_id!r} is neither a file nor in the local Hugging Face cache: {remedy}.") from error
