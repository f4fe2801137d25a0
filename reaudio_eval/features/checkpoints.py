"""Finding an embedder's checkpoint: given, in the cache, or downloaded."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from reaudio_eval.features.download import about, download, hub_snapshot, verify
from reaudio_eval.features.embedders import CheckpointFile, EmbedderSpec
from reaudio_eval.features.feature_set import NO_CHECKPOINT, Undefined
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import as_path, has_file
from reaudio_model.common.weights import FOLDER_WEIGHTS, sha256_file, weights_file
from reaudio_model.miniature import bundled

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.txt", *FOLDER_WEIGHTS]
HUB_TOKENIZER_FILES = ["*.json", "*.txt"]


def resolve(
    embedder_name: str,
    spec: EmbedderSpec,
    *,
    explicit: str | os.PathLike[str] | None,
    sample_rate: int,
    cache_dir: Path,
    allow_download: bool,
    preferred_filename: str | None = None,
) -> Path | Undefined:
    """The checkpoint of an embedder: the given one, else in ``cache_dir/checkpoints``, else downloaded.

    A given file is not verified. A file found in the cache or downloaded must have the published SHA-256; without one it is never
    downloaded.

    Args:
        embedder_name, spec: for messages, and the published files.
        explicit: ``--checkpoint NAME=PATH``; for embedders with ``spec.folder`` also a folder or a hub id ("org/name").
        sample_rate: Hz; only files for this rate are considered.
        cache_dir: folder that belongs to this package.
        allow_download: whether the network may be used.
        preferred_filename: the published file that the protocol uses; None takes any, the default first.

    Returns:
        The file (or folder), or why there is none and what to do.

    Raises:
        CheckpointError: the named file does not exist, a hash differs, or a download failed.
        ReaudioError: the cache folder cannot be written.
    """
    path: Path | Undefined
    if explicit is not None:
        path = _explicit(embedder_name, spec, as_path(explicit), allow_download)
    elif spec.bundled is not None:
        path = bundled.part(spec.bundled)
    else:
        path = _published(embedder_name, spec, sample_rate, cache_dir / "checkpoints", allow_download, preferred_filename)
    if allow_download and isinstance(path, Path) and path.is_file():
        _download_tokenizer(spec)
    return path


def published_files(spec: EmbedderSpec, sample_rate: int, preferred: str | None) -> list[CheckpointFile]:
    """The published files for a rate in Hz, the default first; only the one called ``preferred``, where that is given."""
    return [c for c in spec.checkpoints if c.sample_rate == sample_rate and preferred in (None, c.filename)]


def published_name(spec: EmbedderSpec, sha256: str) -> str | None:
    """Name of the published file with this SHA-256 (hex), whatever the file at hand is called; None if it is none of them."""
    return next((file.filename for file in spec.checkpoints if file.sha256 and sha256.startswith(file.sha256)), None)


def checkpoint_notes(spec: EmbedderSpec, path: Path, sha256: str, protocol: str, preferred: str | None) -> tuple[str, ...]:
    """What a reader of the scores must know about a checkpoint, a sentence each.

    Args:
        spec: of its embedder.
        path: the file or folder.
        sha256: its SHA-256 (hex).
        protocol: name of the protocol.
        preferred: the published file that the protocol uses, or None.
    """
    known = published_name(spec, sha256)
    notes = []
    claimed = next((file for file in spec.checkpoints if file.filename == path.name and file.sha256), None)
    if claimed is not None and known is None:
        notes.append(
            f"{path.name} differs from the published file of that name: it is damaged or retrained "
            f"(SHA-256 {sha256[:16]}..., published {claimed.sha256[:16]}...)."
        )
    elif claimed is not None and known != claimed.filename:
        notes.append(f"{path.name} is the published {known}, not the file that its name says.")
    used = known or path.name
    if preferred not in (None, used):
        notes.append(
            f"The protocol {protocol} uses {preferred} for {spec.title}, this run uses {used}: "
            "its scores compare only with those of the same checkpoint."
        )
    return tuple(notes)


def _download_tokenizer(spec: EmbedderSpec) -> None:
    """Best effort: a tokenizer in the checkpoint's folder serves as well, and loading reports when there is none."""
    if spec.tokenizer:
        with suppress(CheckpointError):
            hub_snapshot(spec.tokenizer, HUB_TOKENIZER_FILES, allow_download=True)


def _explicit(name: str, spec: EmbedderSpec, path: Path, allow_download: bool) -> Path:
    if path.is_file():
        return path
    if path.is_dir() and spec.folder:
        return _weights_folder(path) if spec.has_text else path
    if path.is_dir():
        raise CheckpointError(f"--checkpoint {name}={path} is a folder; {spec.title} needs a file{_example(spec)}.")
    if spec.folder and not path.suffix and _HUB_ID.fullmatch(str(path)):
        return hub_snapshot(str(path), _HUB_FILES, allow_download=allow_download)
    raise CheckpointError(f"--checkpoint {name}={path}: there is no such file; {spec.title} needs one{_example(spec)}.")


def _weights_folder(path: Path) -> Path:
    """The folder of CLAP's weights: ``path``, or ``clap`` in a saved pipeline. Loading reports where there is none."""
    with suppress(CheckpointError):
        return weights_file(path, part="clap").parent
    return path


def _example(spec: EmbedderSpec) -> str:
    names = " or ".join(file.filename for file in spec.checkpoints[:2])
    return f" such as {names}" if names else ""


def _published(
    name: str, spec: EmbedderSpec, sample_rate: int, folder: Path, allow_download: bool, preferred: str | None
) -> Path | Undefined:
    files = published_files(spec, sample_rate, preferred)
    if not files:
        wanted = f" called {preferred}" if preferred else ""
        return Undefined(f"no published {spec.title} checkpoint{wanted} works at {sample_rate} Hz")
    for file in files:
        path = folder / file.filename
        if has_file(path):
            verify(path, file, sha256_file(path))
            return path
    if allow_download and files[0].sha256:
        return download(files[0], folder)
    how = f", or give --allow-download ({about(files[0])})" if files[0].sha256 else f" (from {files[0].url})"
    return Undefined(f"{NO_CHECKPOINT}: give --checkpoint {name}=PATH, put {files[0].filename} into {folder}{how}")
