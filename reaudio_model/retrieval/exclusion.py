"""Pairs that a query may not retrieve.

Its own clip, its recording, its caption, and similar pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import caption_key
from reaudio_model.retrieval.nearest import Allowed, Rows, Vectors, check_vectors, cosines
from reaudio_model.retrieval.records import Pair


@dataclass(frozen=True)
class Exclusion:
    """Pairs that a query may not retrieve.

    Attributes:
        self_: the pair with the query's clip_id.
        same_source: pairs cut from the query's recording (the same source_id, unless it is "").
        identical_caption: pairs with the query's caption, ignoring case, punctuation and spaces.
        min_similarity_text: pairs whose caption has at least this cosine with the query's vector; None excludes none.
        min_similarity_audio: pairs whose audio has at least this cosine with the query's own audio; None excludes none.
    """

    self_: bool = True
    same_source: bool = True
    identical_caption: bool = False
    min_similarity_text: float | None = None
    min_similarity_audio: float | None = None


NOTHING_EXCLUDED = Exclusion(self_=False, same_source=False)  # as far as stated, the paper's evaluation


@dataclass(frozen=True, eq=False)
class QueryBatch:
    """Query vectors, and what exclusions need of each query.

    Leave clip_ids and source_ids empty for free prompts. Captions and audio are needed by the exclusions that compare them.

    Attributes:
        vectors: float (B, d), unit norm: CLAP text embeddings.
        clip_ids, source_ids, captions: B each, or none.
        audio: float (B, d), unit norm: CLAP embeddings of the queries' own audio.
    """

    vectors: npt.ArrayLike
    clip_ids: Sequence[str] = ()
    source_ids: Sequence[str] = ()
    captions: Sequence[str] = ()
    audio: npt.ArrayLike | None = None


class ExclusionRules:
    """Applies exclusions to the pairs of an index. text, audio: float32 (n, d), unit norm, of the n pairs."""

    def __init__(self, pairs: Sequence[Pair], text: Vectors, audio: Vectors) -> None:
        self._text = text
        self._audio = audio
        self._pairs = pairs

    @cached_property
    def _clip_ids(self) -> npt.NDArray[np.object_]:
        return np.array([pair.clip_id for pair in self._pairs], dtype=object)

    @cached_property
    def _source_ids(self) -> npt.NDArray[np.object_]:
        return np.array([pair.source_id for pair in self._pairs], dtype=object)

    @cached_property
    def _captions(self) -> npt.NDArray[np.object_]:
        return np.array([caption_key(pair.caption) for pair in self._pairs], dtype=object)

    def allowed(self, queries: QueryBatch, exclude: Exclusion) -> Allowed:
        """A function of (index of a query, rows of pairs): a mask of the rows that the query may retrieve.

        Raises:
            ReaudioError: a field of another length than the vectors, or an exclusion whose field is missing.
        """
        vectors = check_vectors(queries.vectors, "The query vectors", self._text.shape[1])
        _check_lengths(queries, len(vectors))
        if exclude.identical_caption and not queries.captions:
            raise ReaudioError("Excluding identical captions needs the captions of the queries.")
        audio = None
        if exclude.min_similarity_audio is not None:
            if queries.audio is None:
                raise ReaudioError("Excluding similar audio needs the audio embeddings of the queries.")
            audio = check_vectors(queries.audio, "The audio embeddings of the queries", self._text.shape[1])

        def decide(i: int, rows: Rows) -> npt.NDArray[np.bool_]:
            mask = np.ones(len(rows), dtype=bool)
            if exclude.self_ and queries.clip_ids:
                mask &= self._clip_ids[rows] != queries.clip_ids[i]
            if exclude.same_source and queries.source_ids and queries.source_ids[i]:
                mask &= self._source_ids[rows] != queries.source_ids[i]
            if exclude.identical_caption:
                mask &= self._captions[rows] != caption_key(queries.captions[i])
            if exclude.min_similarity_text is not None:
                mask &= cosines(self._text, rows, vectors[i]) < exclude.min_similarity_text
            if audio is not None and exclude.min_similarity_audio is not None:
                mask &= cosines(self._audio, rows, audio[i]) < exclude.min_similarity_audio
            return mask

        return decide


def _check_lengths(queries: QueryBatch, n: int) -> None:
    for name in ("clip_ids", "source_ids", "captions", "audio"):
        values = getattr(queries, name)
        if values is not None and len(values) not in ((n,) if name == "audio" else (0, n)):
            raise ReaudioError(f"There are {len(values)} {name} for {n} queries: give one for each, or none.")
