"""The nouns of retrieval: what a system retrieved, how near a clip is to it, and the analysis of leaks and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reaudio_model.records import Neighbour

# clip_id str | embedder str | neighbour_id str, the nearest neighbour | similarity float64, its cosine with the clip
# real_similarity float64: the largest cosine of the real clip with any of the same neighbours
COPY_COLUMNS: Sequence[str] = ("clip_id", "embedder", "neighbour_id", "similarity", "real_similarity")


@dataclass(frozen=True)
class Retrieval:
    """What a system retrieved for its prompts, and how.

    Attributes:
        neighbours: clip_id -> the pairs it used, nearest first; a prompt without any has () or is absent.
        encoder_sha256: of the network that retrieved, as ``RetrievalIndex`` names it, or "" when unknown.
        about: how it asked, JSON-able: k, key, pool, exclusion rule.
        judges: embedders of the evaluation that are that very network; filled in by the evaluation.
    """

    neighbours: Mapping[str, Sequence[Neighbour]]
    encoder_sha256: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    judges: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """The most neighbours that a prompt used."""
        return max((len(found) for found in self.neighbours.values()), default=0)


@dataclass(frozen=True)
class CopyingAnalysis:
    """What retrieval gave away and what was pasted. Undefined numbers are NaN, with a ``reason`` column beside.

    Frames (columns in order):
        retrieved:   system, clip_id, rank, neighbour_id, caption, source_id, similarity
        leaks:       system, kind, n, n_prompts, share     (kind in {"target", "same_source", "identical_caption", "any"})
        leak_scores: metric, group, system, minus, value, ci_low, ci_high, ci_method, n_clips, reason
                     (group in {"affected", "clean"}; minus is "" for the system's own mean, or the system without retrieval
                     whose value on the same clips is taken off)
        copies:      system, embedder, clip_id, neighbour_id, similarity, real_similarity, excess
        summary:     system, embedder, quantity, value, ci_low, ci_high, ci_method, n_clips, reason
                     (quantity in {"similarity", "real_similarity", "excess", "near_copies", "limit"}; near_copies is the share
                     of the clips whose similarity is above limit)

    Attributes:
        neighbours_of: system -> whose neighbours its clips were compared with.
    """

    retrieved: pd.DataFrame = field(default_factory=pd.DataFrame)
    leaks: pd.DataFrame = field(default_factory=pd.DataFrame)
    leak_scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    copies: pd.DataFrame = field(default_factory=pd.DataFrame)
    summary: pd.DataFrame = field(default_factory=pd.DataFrame)
    neighbours_of: Mapping[str, str] = field(default_factory=dict)
