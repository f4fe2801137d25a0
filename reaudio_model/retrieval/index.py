"""Retrieval of (text, audio) pairs by CLAP similarity.

The paper (arXiv 2309.08051, section 2.1) retrieves the top 50 "by CLAP score": here the cosine of a caption's CLAP text vector with
the CLAP audio vectors of the set (key "audio"), with its text vectors ("text"), or the mean of both ("mean"). With the key "text"
and the paper's pool the first neighbour of a test prompt is the prompt itself; ``exclusion.py`` excludes such pairs.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.progress import Reporter
from reaudio_model.retrieval.embedding import Embedders, Workers, embed_pairs
from reaudio_model.retrieval.exclusion import NOTHING_EXCLUDED, Exclusion, ExclusionRules, QueryBatch
from reaudio_model.retrieval.index_files import (
    IndexContent,
    StoredAs,
    load_neighbours,
    read_index,
    save_neighbours,
    write_index,
)
from reaudio_model.retrieval.nearest import BlockSearcher, FaissSearcher, Rows, Searcher, Vectors, check_vectors, nearest
from reaudio_model.retrieval.records import Backend, Key, Neighbour, Pair, Pool

__all__ = ["NOTHING_EXCLUDED", "Exclusion", "QueryBatch", "RetrievalIndex", "load_neighbours", "save_neighbours"]

# The splits of each pool; pairs of unknown split count as training pairs.
POOLS: dict[Pool, tuple[str, ...]] = {
    "train": ("train", ""),
    "train+val": ("train", "val", ""),
    "all": ("train", "val", "test", ""),
}
TOP = 50  # neighbours stored for a prompt, as in the paper
FAISS_ENTRIES = 1_000_000  # larger pools are searched with FAISS if it is installed


class _Space(NamedTuple):
    """A searchable subset. rows: of the index; keys: their vectors; searcher: over the keys."""

    rows: Rows
    keys: Vectors
    searcher: Searcher


@dataclass(frozen=True, eq=False)
class RetrievalIndex:
    """A set of pairs with the CLAP vectors of their audio and captions.

    Attributes:
        pairs: n, with distinct clip ids.
        audio, text: float32 (n, d), unit norm.
        encoder_sha256: of the CLAP that computed them (``Clap.sha256``).
        left_out: clip ids of pairs without readable audio.
        inputs: digests of what it was built from (``index_build.index_inputs``); empty if unknown.
        sha256: clip_id -> of the bytes of the audio that was embedded; without those where it is unknown.

    Raises:
        ReaudioError: no pairs, repeated ids, or invalid vectors (see ``nearest.check_vectors``).
    """

    pairs: tuple[Pair, ...]
    audio: Vectors
    text: Vectors
    encoder_sha256: str
    left_out: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    _spaces: dict[tuple[str, str, str], _Space] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        check_pairs(self.pairs)
        object.__setattr__(self, "audio", check_vectors(self.audio, "The audio embeddings"))
        object.__setattr__(self, "text", check_vectors(self.text, "The text embeddings", self.dim))
        for name, vectors in (("audio", self.audio), ("text", self.text)):
            if len(vectors) != len(self.pairs):
                raise ReaudioError(f"There are {len(vectors)} {name} embeddings for {len(self.pairs)} pairs.")

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def dim(self) -> int:
        """Width of the CLAP space."""
        return int(self.audio.shape[1])

    @cached_property
    def row_of(self) -> dict[str, int]:
        """clip_id -> row."""
        return {pair.clip_id: row for row, pair in enumerate(self.pairs)}

    @classmethod
    def build(
        cls,
        pairs: Sequence[Pair],
        embedders: Embedders,
        *,
        batch_size: int = 32,
        parts: StrPath | None = None,
        sha256: Mapping[str, str] | None = None,
        progress: Reporter | None = None,
        workers: Workers | None = None,
    ) -> RetrievalIndex:
        """An index of ``pairs``; those whose audio cannot be decoded are listed in ``left_out``.

        Args:
            pairs: the set, with audio files.
            embedders: see ``embedding.clap_embedders``; pass vectors that exist already to the constructor.
            batch_size: pairs embedded at a time.
            parts: folder for finished batches; with it an interrupted build resumes.
            sha256: clip_id -> of the bytes of its audio; None computes them if ``parts`` needs them.
            progress: reporter of progress; None shows nothing.
            workers: embed on Ray; None embeds here.

        Raises:
            ReaudioError: no pair with readable audio, a repeated clip_id, or invalid vectors.
        """
        check_pairs(pairs)
        folder = None if parts is None else as_path(parts)
        done = embed_pairs(
            pairs, embedders, batch_size=batch_size, parts=folder, sha256=sha256, progress=progress, workers=workers
        )
        left_out = tuple(done.left_out)
        return cls(tuple(done.pairs), done.audio, done.text, embedders.sha256, left_out, sha256=dict(sha256 or {}))

    def save(self, folder: StrPath, *, dtype: StoredAs = "float32") -> None:
        """Write the index, replacing an existing one. An index whose writing was interrupted is not loaded.

        Args:
            folder: for the files.
            dtype: of the vectors on disk; "float16" halves their size and rounds cosines to about three digits.

        Raises:
            ReaudioError: the folder cannot be written.
        """
        known = (self.pairs, self.audio, self.text, self.encoder_sha256, self.left_out)
        write_index(as_path(folder), IndexContent(*known, dict(self.inputs), dict(self.sha256)), dtype)

    @classmethod
    def load(
        cls, folder: StrPath, expected_encoder_sha256: str | None = None, *, audio_root: StrPath | None = None
    ) -> RetrievalIndex:
        """Read an index; vectors saved as float32 are identical.

        Args:
            folder: written by :meth:`save`.
            expected_encoder_sha256: of the CLAP that embeds the queries; None checks nothing.
            audio_root: folder of the audio, if it was moved.

        Raises:
            ReaudioError: no index, an incomplete or altered one, one of another version, or one of another CLAP.
        """
        found = read_index(as_path(folder), None if audio_root is None else as_path(audio_root))
        if expected_encoder_sha256 not in (None, found.encoder_sha256):
            raise ReaudioError(
                f"The retrieval index {folder} was built with another CLAP ({found.encoder_sha256[:12]}) than the one in use "
                f"({str(expected_encoder_sha256)[:12]}): load that CLAP, or build the index again with this one."
            )
        return cls(*found)

    def queries(self, clip_ids: Sequence[str]) -> QueryBatch:
        """Pairs of the index as queries by their captions, as in training.

        Raises:
            ReaudioError: a clip that is not in the index.
        """
        unknown = next((clip_id for clip_id in clip_ids if clip_id not in self.row_of), None)
        if unknown is not None:
            raise ReaudioError(
                f"The clip {unknown!r} is not in the retrieval index: build it from a table that has this clip."
            )
        rows = [self.row_of[clip_id] for clip_id in clip_ids]
        pairs = [self.pairs[row] for row in rows]
        return QueryBatch(
            self.text[rows], clip_ids, [p.source_id for p in pairs], [p.caption for p in pairs], self.audio[rows]
        )

    def search(
        self,
        queries: QueryBatch | npt.ArrayLike,
        *,
        k: int = TOP,
        key: Key = "audio",
        pool: Pool = "train",
        exclude: Exclusion | None = None,
        backend: Backend = "auto",
    ) -> list[list[Neighbour]]:
        """The k nearest pairs of each query, nearest first; equal cosines in the order of clip ids.

        The result of a query does not depend on the rest of the batch. It has fewer than k pairs if exclusions leave fewer.

        Args:
            queries: a QueryBatch, or vectors, float (B, d), unit norm.
            k: 1 to the size of the pool.
            key: vectors that the queries are compared with.
            pool: "train" (with pairs of unknown split), "train+val", or "all", the paper's, which includes the test clips.
            exclude: by default the query's own clip and recording.
            backend: "exact", "faiss" (same results), or "auto", which depends on the size of the pool.

        Raises:
            ReaudioError: k outside its range, an empty pool, an unknown key or pool, invalid vectors, an exclusion
                that needs information the queries lack, or FAISS not installed.
        """
        batch = queries if isinstance(queries, QueryBatch) else QueryBatch(queries)
        space = self._space(key, pool, backend)
        n = len(space.rows)
        if not 1 <= k <= n:
            raise ReaudioError(f"k is {k}, but the pool {pool!r} holds {n} pairs: choose k from 1 to {n}.")
        vectors = check_vectors(batch.vectors, "The query vectors", self.dim)
        allowed = self._rules.allowed(batch, exclude or Exclusion())
        found = nearest(
            space.searcher, space.keys, vectors, k, self._tie_order[space.rows], lambda i, rows: allowed(i, space.rows[rows])
        )
        return [self._neighbours(space.rows[rows], similarities) for rows, similarities in found]

    def pool_rows(self, pool: Pool) -> Rows:
        """Rows of the pairs in a pool, int64."""
        one_of("pool", pool, POOLS)
        return np.flatnonzero(np.isin([pair.split for pair in self.pairs], POOLS[pool]))

    def _neighbours(self, rows: Rows, similarities: Vectors) -> list[Neighbour]:
        ranked = enumerate(zip(rows.tolist(), similarities.tolist(), strict=True))
        return [Neighbour(self.pairs[row], rank, similarity) for rank, (row, similarity) in ranked]

    def _space(self, key: Key, pool: Pool, backend: Backend) -> _Space:
        """The searchable pairs of a pool, cached."""
        if (key, pool, backend) not in self._spaces:
            one_of("key", key, get_args(Key))
            rows = self.pool_rows(pool)
            if not len(rows):
                raise ReaudioError(
                    f"The index holds no pairs of the pool {pool!r}: choose another pool, or index that split."
                )
            keys = self._keys(key)
            keys = keys if len(rows) == len(self) else keys[rows]
            self._spaces[key, pool, backend] = _Space(rows, keys, _searcher(keys, backend))
        return self._spaces[key, pool, backend]

    def _keys(self, key: Key) -> Vectors:
        if key == "mean":
            return (self.audio + self.text) * np.float32(0.5)
        return self.audio if key == "audio" else self.text

    @cached_property
    def _rules(self) -> ExclusionRules:
        return ExclusionRules(self.pairs, self.text, self.audio)

    @cached_property
    def _tie_order(self) -> Rows:
        order = np.empty(len(self), dtype=np.int64)
        order[sorted(range(len(self)), key=lambda row: self.pairs[row].clip_id)] = np.arange(len(self))
        return order


def check_pairs(pairs: Sequence[Pair]) -> None:
    """Raises ReaudioError for no pairs, a repeated clip_id or an unknown split."""
    if not pairs:
        raise ReaudioError("A retrieval index needs at least one (text, audio) pair.")
    repeated = [clip_id for clip_id, n in Counter(pair.clip_id for pair in pairs).items() if n > 1]
    if repeated:
        raise ReaudioError(f"The clip_id {repeated[0]!r} is in the retrieval set twice: give every clip once.")
    for split in {pair.split for pair in pairs}:
        one_of("split", split, POOLS["all"])


def _searcher(keys: Vectors, backend: Backend) -> Searcher:
    one_of("backend", backend, get_args(Backend))
    installed = importlib.util.find_spec("faiss") is not None
    if backend == "faiss" or (backend == "auto" and installed and len(keys) > FAISS_ENTRIES):
        return FaissSearcher(keys)
    return BlockSearcher(keys)
