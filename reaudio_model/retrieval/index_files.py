"""Files of a retrieval index and of retrieved neighbours.

An index is a folder with ``pairs.parquet``, ``embeddings.safetensors`` (audio and text, float32 or float16) and ``manifest.json`` with
the hashes of the others. The manifest is written last: without it, or if a hash differs, the index is not loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import (
    StrPath,
    as_path,
    atomic_path,
    atomic_write,
    canonical_sha256,
    explain_write_error,
    json_bytes,
)
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.weights import sha256_file
from reaudio_model.retrieval.records import Neighbour, Pair

SCHEMA_VERSION = 1
FIELDS = ("encoder_sha256", "n", "dim", "audio_root", "left_out", "files")
MANIFEST, PAIRS, EMBEDDINGS = "manifest.json", "pairs.parquet", "embeddings.safetensors"
AUDIO_SHA256 = "audio_sha256"  # column; indexes of version 0.1 lack it
DIGEST = "sha256"  # of the manifest's other fields, in it
StoredAs = Literal["float32", "float16"]
QUERIES = b"queries"  # metadata of a neighbours table: all query ids, including those without neighbours


class IndexContent(NamedTuple):
    """Contents of an index; see ``RetrievalIndex``."""

    pairs: tuple[Pair, ...]
    audio: npt.NDArray[np.float32]
    text: npt.NDArray[np.float32]
    encoder_sha256: str
    left_out: tuple[str, ...]
    inputs: dict[str, str]
    sha256: dict[str, str]


def write_index(folder: Path, content: IndexContent, dtype: StoredAs = "float32") -> None:
    """Write an index, replacing an existing one.

    Args:
        folder: for the files.
        content: to write.
        dtype: of the stored vectors.

    Raises:
        ReaudioError: the folder cannot be written.
    """
    from safetensors.numpy import save_file

    root = _audio_root(content.pairs)
    try:
        (folder / MANIFEST).unlink(missing_ok=True)
    except OSError as error:
        raise explain_write_error(error, folder) from error
    digests = [content.sha256.get(pair.clip_id) for pair in content.pairs]
    _write_table(folder / PAIRS, {**_pair_columns(content.pairs, root), AUDIO_SHA256: digests})
    with atomic_path(folder / EMBEDDINGS) as temporary:
        save_file(
            {"audio": content.audio.astype(dtype, copy=False), "text": content.text.astype(dtype, copy=False)}, temporary
        )
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "encoder_sha256": content.encoder_sha256,
        "n": len(content.pairs),
        "dim": int(content.audio.shape[1]),
        "audio_root": str(root) if root else None,
        "left_out": list(content.left_out),
        "inputs": content.inputs,
        "files": {name: sha256_file(folder / name) for name in (PAIRS, EMBEDDINGS)},
    }
    atomic_write(folder / MANIFEST, json_bytes(manifest | {DIGEST: canonical_sha256(manifest)}))


def read_index(folder: Path, audio_root: Path | None = None) -> IndexContent:
    """See ``RetrievalIndex.load``.

    Raises:
        ReaudioError: no index, an incomplete or altered one, or one of another version.
    """
    from safetensors.numpy import load_file

    manifest = read_manifest(folder)
    for name, sha256 in manifest["files"].items():
        if not (folder / name).is_file() or sha256_file(folder / name) != sha256:
            raise _damaged(folder, name)
    embeddings = load_file(folder / EMBEDDINGS)
    root = audio_root or (Path(manifest["audio_root"]) if manifest["audio_root"] else None)
    table = _read_table(folder / PAIRS)
    return IndexContent(
        tuple(_pairs(table, root)),
        embeddings["audio"].astype(np.float32, copy=False),
        embeddings["text"].astype(np.float32, copy=False),
        manifest["encoder_sha256"],
        tuple(manifest["left_out"]),
        manifest.get("inputs", {}),
        _audio_digests(table),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an index: schema_version, encoder_sha256, n, dim, audio_root, left_out, files, and inputs if known.

    Raises:
        ReaudioError: no index, an incomplete one, or one of another version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ReaudioError(
            f"{folder} contains no retrieval index ({MANIFEST} is missing): build it with `reaudio-model index build`."
        )
    manifest = read_json_object(path, "the manifest of a retrieval index", remedy="build the index again")
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ReaudioError(
            f"The retrieval index {folder} has version {version}, this program reads {SCHEMA_VERSION}: build it again."
        )
    digest = manifest.pop(DIGEST, None)  # indexes of version 0.1 have none
    if any(name not in manifest for name in FIELDS) or digest not in (None, canonical_sha256(manifest)):
        raise _damaged(folder, MANIFEST)
    if not isinstance(manifest["files"], dict) or set(manifest["files"]) != {PAIRS, EMBEDDINGS}:
        raise _damaged(folder, MANIFEST)
    return manifest


def _damaged(folder: Path, name: str) -> ReaudioError:
    return ReaudioError(f"The retrieval index {folder} is damaged ({name} was altered): build it again.")


def save_neighbours(path: StrPath, retrieved: Mapping[str, Sequence[Neighbour]]) -> None:
    """Write the neighbours of each query as rows, in order of queries and ranks.

    Columns: clip_id (of the query), rank (from 0), similarity, and of the neighbour neighbour_id, caption, source_id, split
    and audio (its file, or null).

    Raises:
        ReaudioError: the file cannot be written.
    """
    rows = [(clip_id, found) for clip_id, neighbours in retrieved.items() for found in neighbours]
    pairs = _pair_columns([found.pair for _, found in rows], root=None)
    columns = {
        "clip_id": [clip_id for clip_id, _ in rows],
        "rank": np.array([found.rank for _, found in rows], dtype=np.int32),
        "similarity": np.array([found.similarity for _, found in rows], dtype=np.float32),
        "neighbour_id": pairs.pop("clip_id"),
        **pairs,
    }
    _write_table(as_path(path), columns, {QUERIES: json.dumps(list(retrieved)).encode()})


def load_neighbours(path: StrPath) -> dict[str, list[Neighbour]]:
    """Query clip_id -> its neighbours by rank, from a file of :func:`save_neighbours`.

    Raises:
        ReaudioError: missing, or not such a table.
    """
    table = _read_table(as_path(path))
    try:
        retrieved: dict[str, list[Neighbour]] = {clip_id: [] for clip_id in json.loads(table.schema.metadata[QUERIES])}
        clip_ids, ranks, similarities = (table[name].to_pylist() for name in ("clip_id", "rank", "similarity"))
        pairs = _pairs(table.drop_columns("clip_id").rename_columns({"neighbour_id": "clip_id"}), root=None)
    except (KeyError, TypeError, ValueError) as error:
        raise ReaudioError(f"{path} is not a table of retrieved neighbours: retrieve again.") from error
    for clip_id, pair, rank, similarity in zip(clip_ids, pairs, ranks, similarities, strict=True):
        retrieved[clip_id].append(Neighbour(pair, rank, similarity))
    return retrieved


def _audio_root(pairs: Sequence[Pair]) -> Path | None:
    """The common folder of all audio files, so that they can be moved together."""
    folders = {str(pair.audio.resolve().parent) for pair in pairs if pair.audio is not None}
    return Path(os.path.commonpath(folders)) if folders else None


def _pair_columns(pairs: Sequence[Pair], root: Path | None) -> dict[str, Any]:
    columns = {name: [getattr(pair, name) for pair in pairs] for name in ("clip_id", "caption", "source_id", "split")}
    return {**columns, "audio": [_stored_path(pair.audio, root) for pair in pairs]}


def _stored_path(audio: Path | None, root: Path | None) -> str | None:
    if audio is None:
        return None
    return str(audio) if root is None else audio.resolve().relative_to(root).as_posix()


def _pairs(table: Any, root: Path | None) -> list[Pair]:
    columns = (table[name].to_pylist() for name in ("clip_id", "caption", "audio", "source_id", "split"))
    return [
        Pair(clip_id, caption, None if audio is None else (root or Path()) / audio, source_id, split)
        for clip_id, caption, audio, source_id, split in zip(*columns, strict=True)
    ]


def _audio_digests(table: Any) -> dict[str, str]:
    """clip_id -> SHA-256 of the audio that was embedded, of the pairs where it is known."""
    if AUDIO_SHA256 not in table.column_names:
        return {}
    columns = (table[name].to_pylist() for name in ("clip_id", AUDIO_SHA256))
    return {clip_id: sha256 for clip_id, sha256 in zip(*columns, strict=True) if sha256}


def _write_table(path: Path, columns: Mapping[str, Any], metadata: dict[bytes, bytes] | None = None) -> None:
    import pyarrow
    from pyarrow import parquet

    arrays = {
        name: values if isinstance(values, np.ndarray) else pyarrow.array(values, pyarrow.string())
        for name, values in columns.items()
    }
    with atomic_path(path) as temporary:
        parquet.write_table(pyarrow.table(arrays).replace_schema_metadata(metadata), temporary, compression="zstd")


def _read_table(path: Path) -> Any:
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_table(path)
    except FileNotFoundError as error:
        raise ReaudioError(f"{path} does not exist.") from error
    except (pyarrow.ArrowException, OSError) as error:
        raise ReaudioError(f"{path} is not a readable Parquet file.") from error
