"""What a query may not retrieve: its own clip, its recording, its caption, and what is too like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError
from reaudio_model.retrieval.nearest import Allowed, Rows, Vectors, check_vectors, cosines
from reaudio_model.retrieval.pairs import caption_key
from reaudio_model.retrieval.records import Pair


@dataclass(frozen=True)
class Exclusion:
    """What a query may not retrieve.

    Attributes:
        self_: the pair with the query's clip_id.
        same_source: pairs cut from the query's recording (the same source_id; "" is nobody's).
        identical_caption: pairs with the query's caption, whatever the case, punctuation and spaces.
        min_similarity_text: pairs whose caption has at least this cosine with the query's vector; None excludes none.
        min_similarity_audio: pairs whose audio has at least this cosine with the query's own audio; None excludes none.
    """

    self_: bool = True
    same_source: bool = True
    identical_caption: bool = False
    min_similarity_text: float | None = None
    min_similarity_audio: float | None = None


NOTHING_EXCLUDED = Exclusion(self_=False, same_source=False)  # the paper's evaluation, as far as it says


@dataclass(frozen=True, eq=False)
class QueryBatch:
    """Vectors to search with, and what is known of each for exclusion.

    A query without a clip_id is no clip of the set, and one without a source_id no recording's: leave these empty for
    free prompts. Captions and audio are needed by the exclusions that look at them.

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
    """Decides exclusions among the pairs of an index. text, audio: float32 (n, d), unit norm, of the n pairs."""

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
        """A function of (number of a query, rows of pairs) that says which of these the query may retrieve.

        Raises:
            ReaudioError: a field of another length than the vectors, or an exclusion that needs one that is not given.
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
            may = np.ones(len(rows), dtype=bool)
            if exclude.self_ and queries.clip_ids:
                may &= self._clip_ids[rows] != queries.clip_ids[i]
            if exclude.same_source and queries.source_ids and queries.source_ids[i]:
                may &= self._source_ids[rows] != queries.source_ids[i]
            if exclude.identical_caption:
                may &= self._captions[rows] != caption_key(queries.captions[i])
            if exclude.min_similarity_text is not None:
                may &= cosines(self._text, rows, vectors[i]) < exclude.min_similarity_text
            if audio is not None and exclude.min_similarity_audio is not None:
                may &= cosines(self._audio, rows, audio[i]) < exclude.min_similarity_audio
            return may

        return decide


def _check_lengths(queries: QueryBatch, n: int) -> None:
    for name in ("clip_ids", "source_ids", "captions", "audio"):
        values = getattr(queries, name)
        if values is not None and len(values) not in ((n,) if name == "audio" else (0, n)):
            raise ReaudioError(f"There are {len(values)} {name} for {n} queries: give one for each, or none.")
