"""Searching an index for prompts, with leak report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import StrPath, as_path, atomic_write, json_bytes
from reaudio_model.retrieval.index import (
    TOP,
    Exclusion,
    QueryBatch,
    RetrievalIndex,
    save_neighbours,
)
from reaudio_model.retrieval.leakage import LeakReport, leak_report
from reaudio_model.retrieval.records import Backend, Key, Neighbour, Pair, Pool

RETRIEVED, LEAKS = "retrieved.parquet", "leak_report.json"


@dataclass(frozen=True)
class SearchSettings:
    """Settings of a search.

    Attributes:
        k: neighbours of each prompt; None is ``TOP``, or the size of the pool if that is smaller.
        key, pool, exclude, backend: see ``RetrievalIndex.search``.
        used: neighbours that a model will use, which the leak report checks.
    """

    k: int | None = None
    key: Key = "audio"
    pool: Pool = "train"
    exclude: Exclusion = field(default_factory=Exclusion)
    backend: Backend = "auto"
    used: int = 3


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        prompts: clip_id, caption and, if known, source_id of each.
        retrieved: the neighbours of each, in the same order.
        settings: of the search, with k as a number.
        encoder_sha256: of the index.
        leaks: in the neighbours that are used.
    """

    prompts: tuple[Pair, ...]
    retrieved: tuple[list[Neighbour], ...]
    settings: SearchSettings
    encoder_sha256: str
    leaks: LeakReport

    def save(self, folder: StrPath) -> None:
        """Write ``retrieved.parquet`` and ``leak_report.json``.

        Raises:
            ReaudioError: the folder cannot be written.
        """
        by_prompt = {prompt.clip_id: found for prompt, found in zip(self.prompts, self.retrieved, strict=True)}
        folder = as_path(folder)
        save_neighbours(folder / RETRIEVED, by_prompt)
        atomic_write(folder / LEAKS, json_bytes(self.facts()))

    def facts(self) -> dict[str, Any]:
        """The settings and the leak report, JSON-able."""
        return {"question": asdict(self.settings), "encoder_sha256": self.encoder_sha256, "leaks": self.leaks.to_json()}

    def to_json(self) -> dict[str, Any]:
        """:meth:`facts` and the neighbours of each prompt."""
        rows = [
            {
                "clip_id": prompt.clip_id,
                "caption": prompt.caption,
                "neighbours": [
                    {**n.pair._asdict(), "audio": n.pair.audio and str(n.pair.audio), "similarity": n.similarity}
                    for n in found
                ],
            }
            for prompt, found in zip(self.prompts, self.retrieved, strict=True)
        ]
        return self.facts() | {"prompts": rows}

    def to_text(self) -> str:
        """The neighbours of each prompt as lines, and the leak report."""
        lines = []
        for prompt, found in zip(self.prompts, self.retrieved, strict=True):
            lines.append(prompt.caption)
            lines += [f"  {n.similarity:6.3f}  {n.pair.clip_id}  {n.pair.caption}" for n in found]
        return "\n".join([*lines, self.leaks.to_text()])


def free_prompts(texts: Sequence[str]) -> list[Pair]:
    """Prompts without a clip, with the ids prompt-1, prompt-2, ...

    Raises:
        ReaudioError: one is empty.
    """
    if not all(text.strip() for text in texts):
        raise ReaudioError("A prompt is empty: describe a sound.")
    return [Pair(f"prompt-{number}", text) for number, text in enumerate(texts, start=1)]


def split_prompts(index: RetrievalIndex, split: str) -> list[Pair]:
    """The pairs of a split as prompts, as in training.

    Raises:
        ReaudioError: the index has no pair of this split.
    """
    prompts = [pair for pair in index.pairs if pair.split == split]
    if not prompts:
        known = ", ".join(sorted({repr(pair.split) for pair in index.pairs}))
        raise ReaudioError(f"The index has no pairs of the split {split!r}; it has {known}.")
    return prompts


def search_prompts(
    index: RetrievalIndex, prompts: Sequence[Pair], settings: SearchSettings, vectors: npt.ArrayLike | None = None
) -> SearchResult:
    """Search an index for prompts and check for leaks.

    Args:
        index: to search.
        prompts: clip_id, caption and, if known, source_id of each.
        settings: of the search.
        vectors: float (B, d), unit norm: CLAP text embeddings of the prompts; None uses those of the index, if the prompts
            are its pairs.

    Raises:
        ReaudioError: ``used`` below 1; see ``RetrievalIndex.search`` and ``queries``.
    """
    if settings.used < 1:
        raise ReaudioError(f"--used must be 1 or more, not {settings.used}.")
    ids = [prompt.clip_id for prompt in prompts]
    if vectors is None:
        queries = index.queries(ids)
    else:
        queries = QueryBatch(vectors, ids, [p.source_id for p in prompts], [p.caption for p in prompts])
    k = min(TOP, len(index.pool_rows(settings.pool))) if settings.k is None else settings.k
    retrieved = index.search(
        queries, k=k, key=settings.key, pool=settings.pool, exclude=settings.exclude, backend=settings.backend
    )
    leaks = leak_report(prompts, retrieved, settings.used)
    return SearchResult(tuple(prompts), tuple(retrieved), replace(settings, k=k), index.encoder_sha256, leaks)
