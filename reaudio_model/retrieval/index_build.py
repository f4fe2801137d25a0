"""Building an index from tables, and its statistics."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reaudio_model.common.code import computation_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import StrPath, as_path, canonical_sha256, folder_lock, make_folder
from reaudio_model.common.naming import caption_key
from reaudio_model.common.progress import Reporter
from reaudio_model.retrieval.clip_check import named
from reaudio_model.retrieval.embedding import CODE, Embedders, Workers, hash_audio
from reaudio_model.retrieval.index import POOLS, RetrievalIndex
from reaudio_model.retrieval.index_files import MANIFEST
from reaudio_model.retrieval.pairs import PairTable

PARTS = ".parts"


def build_index(
    table: PairTable,
    embedders: Embedders,
    folder: StrPath,
    *,
    batch_size: int = 32,
    strict: bool = False,
    overwrite: bool = False,
    sha256: Mapping[str, str] | None = None,
    progress: Reporter | None = None,
    workers: Workers | None = None,
) -> RetrievalIndex:
    """Embed the pairs of a table, write the index, and return it.

    A finished index of the same clips, captions, CLAP and code is verified and returned; another one is built again, and a note says
    why. Finished batches are kept in ``folder/.parts`` until the index is written, so that an interrupted call resumes.

    Args:
        table: see ``pairs.read_pairs``.
        embedders: see ``embedding.clap_embedders``.
        folder: of the index.
        batch_size: pairs embedded at a time.
        strict: raise for clips that are missing or unreadable; otherwise ``RetrievalIndex.left_out`` lists them.
        overwrite: build it again in any case.
        sha256: clip_id -> of the bytes of its audio; None computes them.
        progress: reporter of progress and notes; None shows nothing.
        workers: embed on Ray; None embeds here.

    Raises:
        ReaudioError: with ``strict`` a missing or unreadable clip; see ``RetrievalIndex.build`` and ``save``.
    """
    folder, progress = as_path(folder), progress or Reporter(quiet=True)
    if strict and table.missing:
        raise _refused(table.missing)
    known = hash_audio(table.pairs) if sha256 is None else sha256
    inputs = index_inputs(table, known, embedders.sha256)
    make_folder(folder)
    with folder_lock(folder, lambda: progress.note(f"Another process builds the index {folder}: waiting for it.")):
        found = None if overwrite else _finished(folder, inputs, progress)
        if found is not None and not (strict and found.left_out):
            return _with_places(found, table, known, folder)
        built = RetrievalIndex.build(
            table.pairs,
            embedders,
            batch_size=batch_size,
            parts=folder / PARTS,
            sha256=known,
            progress=progress,
            workers=workers,
        )
        if strict and built.left_out:
            raise _refused(built.left_out)
        index = replace(built, left_out=(*table.missing, *built.left_out), inputs=inputs)
        index.save(folder)
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        return index


def index_inputs(table: PairTable, sha256: Mapping[str, str], encoder_sha256: str) -> dict[str, str]:
    """Digests of what an index is built from, by what a user would call it."""
    return {
        "clips or captions": canonical_sha256([(p.clip_id, p.caption, p.source_id, p.split) for p in table.pairs]),
        "audio": canonical_sha256([sha256[pair.clip_id] for pair in table.pairs]),
        "missing clips": canonical_sha256(table.missing),
        "CLAP": encoder_sha256,
        "code or packages": computation_sha256(*CODE),
    }


def _finished(folder: Path, inputs: dict[str, str], progress: Reporter) -> RetrievalIndex | None:
    """The index in ``folder``, verified, if it was built from ``inputs``; a note says what was found."""
    if not (folder / MANIFEST).exists():
        return None
    try:
        index = RetrievalIndex.load(folder)
    except ReaudioError as error:
        progress.note(str(error).replace("build it again.", "it is built again."))
        return None
    differing = [name for name, digest in inputs.items() if index.inputs.get(name) != digest]
    if differing:
        why = f"{', '.join(differing)} differ" if index.inputs else "an earlier version did not record its clips"
        progress.note(f"The index {folder} is built again: {why}")
        return None
    progress.note(
        f"The index {folder} is already built, and verified: {len(index)} pairs of the same clips, captions and CLAP"
    )
    return index


def _with_places(index: RetrievalIndex, table: PairTable, sha256: Mapping[str, str], folder: Path) -> RetrievalIndex:
    """The index with the audio paths of ``table`` and the digests, written if they changed."""
    audio = {pair.clip_id: pair.audio for pair in table.pairs}
    pairs = tuple(pair._replace(audio=audio[pair.clip_id]) for pair in index.pairs)
    moved = any(
        old.audio is None or new.audio is None or old.audio.resolve() != new.audio.resolve()
        for old, new in zip(index.pairs, pairs, strict=True)
    )
    unknown = any(pair.clip_id not in index.sha256 for pair in pairs)
    index = replace(index, pairs=pairs, sha256=sha256)
    if moved or unknown:
        index.save(folder)
    return index


def _refused(clip_ids: Sequence[str]) -> ReaudioError:
    return ReaudioError(
        f"The audio of {len(clip_ids)} clips is missing or cannot be read ({named(clip_ids)}): repair it, or leave out --strict."
    )


def index_stats(index: RetrievalIndex) -> dict[str, Any]:
    """Statistics of an index, JSON-able.

    Returns:
        n, dim, encoder_sha256; splits: name ("" unknown) -> pairs; pools: name -> pairs; n_sources: distinct recordings;
        n_without_source; n_captions: distinct, ignoring case and punctuation; n_shared_captions: pairs whose caption is
        another pair's too; mean_cosine: of a pair's audio with its own caption; n_left_out, left_out: clip ids.
    """
    captions = Counter(caption_key(pair.caption) for pair in index.pairs)
    sources = Counter(pair.source_id for pair in index.pairs)
    return {
        "n": len(index),
        "dim": index.dim,
        "encoder_sha256": index.encoder_sha256,
        "splits": dict(sorted(Counter(pair.split for pair in index.pairs).items())),
        "pools": {pool: len(index.pool_rows(pool)) for pool in POOLS},
        "n_sources": len(sources.keys() - {""}),
        "n_without_source": sources[""],
        "n_captions": len(captions),
        "n_shared_captions": sum(n for n in captions.values() if n > 1),
        "mean_cosine": float((index.audio * index.text).sum(axis=1).mean()),
        "n_left_out": len(index.left_out),
        "left_out": list(index.left_out),
    }


def stats_text(stats: dict[str, Any]) -> str:
    """:func:`index_stats` as lines for a terminal."""
    splits = ", ".join(f"{name or 'unknown split'} {n}" for name, n in stats["splits"].items())
    lines = [
        f"{stats['n']} pairs ({splits}), {stats['dim']} dimensions, CLAP {stats['encoder_sha256'][:12]}",
        "pools: " + ", ".join(f"{name} {n}" for name, n in stats["pools"].items()),
        f"{stats['n_sources']} recordings; {stats['n_without_source']} pairs without one",
        f"{stats['n_captions']} distinct captions; {stats['n_shared_captions']} pairs share theirs with another",
        f"mean cosine of audio and its own caption: {stats['mean_cosine']:.3f}",
    ]
    if stats["n_left_out"]:
        lines.append(
            f"{stats['n_left_out']} clips left out, their audio is missing or cannot be read: {named(stats['left_out'])}"
        )
    return "\n".join(lines)
