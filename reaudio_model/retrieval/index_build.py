"""Building an index from tables, and its statistics."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.naming import caption_key
from reaudio_model.common.progress import Reporter
from reaudio_model.retrieval.embedding import Embedders
from reaudio_model.retrieval.index import POOLS, RetrievalIndex
from reaudio_model.retrieval.pairs import PairTable

PARTS = ".parts"


def build_index(
    table: PairTable,
    embedders: Embedders,
    folder: StrPath,
    *,
    batch_size: int = 32,
    strict: bool = False,
    progress: Reporter | None = None,
) -> RetrievalIndex:
    """Embed the pairs of a table, write the index, and return it.

    Finished batches are kept in ``folder/.parts`` until the index is written, so that an interrupted call resumes.

    Args:
        table: see ``pairs.read_pairs``.
        embedders: see ``embedding.clap_embedders``.
        folder: of the index; an existing index is replaced.
        batch_size: pairs embedded at a time.
        strict: raise for clips that are missing or unreadable; otherwise ``RetrievalIndex.left_out`` lists them.
        progress: reporter of progress; None shows nothing.

    Raises:
        ReaudioError: with ``strict`` a missing or unreadable clip; see ``RetrievalIndex.build`` and ``save``.
    """
    folder = as_path(folder)
    if strict and table.missing:
        raise _refused(table.missing)
    built = RetrievalIndex.build(table.pairs, embedders, batch_size=batch_size, parts=folder / PARTS, progress=progress)
    if strict and built.left_out:
        raise _refused(built.left_out)
    index = RetrievalIndex(built.pairs, built.audio, built.text, built.encoder_sha256, (*table.missing, *built.left_out))
    index.save(folder)
    shutil.rmtree(folder / PARTS, ignore_errors=True)
    return index


def _refused(clip_ids: list[str] | tuple[str, ...]) -> ReaudioError:
    return ReaudioError(
        f"The audio of {len(clip_ids)} clips is missing or cannot be read ({', '.join(clip_ids[:3])}"
        f"{', ...' if len(clip_ids) > 3 else ''}): repair it, or leave out --strict."
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
        shown = ", ".join(stats["left_out"][:3]) + (", ..." if stats["n_left_out"] > 3 else "")
        lines.append(f"{stats['n_left_out']} clips left out, their audio is missing or cannot be read: {shown}")
    return "\n".join(lines)
