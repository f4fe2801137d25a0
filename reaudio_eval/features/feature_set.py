"""Features of one system's clips from one embedder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.intp]

NO_CHECKPOINT = "no checkpoint"  # begins the reason of a metric whose network is not there


@dataclass(frozen=True)
class FeatureSet:
    """Features of one system's clips from one embedder; rows follow ``clip_ids``.

    Attributes:
        clip_ids: length n.
        frames: float32 (sum(frame_counts), d), the clips' embedding frames one after the other.
        frame_counts: intp (n,), at least 1 each (1 for embedders with one vector a clip).
        logits: float32 (n, C) before softmax or sigmoid, or None.
        text: float32 (n, d), the embedding of each clip's caption, or None.
        embedder: registered name, e.g. "panns".
        sha256: of the checkpoint.
        vocabulary_name: order of the logits, e.g. "audioset-527", or None.
    """

    clip_ids: tuple[str, ...]
    frames: npt.NDArray[np.float32]
    frame_counts: IntArray
    embedder: str
    sha256: str
    logits: npt.NDArray[np.float32] | None = None
    text: npt.NDArray[np.float32] | None = None
    vocabulary_name: str | None = None

    def __len__(self) -> int:
        return len(self.clip_ids)

    @cached_property
    def offsets(self) -> IntArray:
        """intp (n + 1,): clip i owns frames[offsets[i]:offsets[i + 1]]."""
        return np.concatenate([[0], np.cumsum(self.frame_counts)]).astype(np.intp)

    @cached_property
    def clip_means(self) -> npt.NDArray[np.float64]:
        """float64 (n, d): the mean frame of each clip (the clip-level embedding)."""
        sums = np.add.reduceat(self.frames.astype(np.float64), self.offsets[:-1], axis=0)
        means: npt.NDArray[np.float64] = sums / self.frame_counts[:, None]
        return means


class Undefined(NamedTuple):
    """A value that does not exist. reason: one sentence for the reader of the report."""

    reason: str
