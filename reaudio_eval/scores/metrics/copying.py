"""Copying: similarity to retrieved clips, compared with the real clip's.

A system that retrieves can score well by copying. MIFID (memorization-informed FID, Bai et al. 2021, arXiv 2106.03062) averages over a
set the distance to the nearest training image. Here the nearest neighbour is one of those retrieved for the prompt, every clip has a
value, and the real clip of the same prompt is the baseline: it was not copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.feature_set import FloatArray, IntArray
from reaudio_eval.scores.metrics import ClipMetric, MetricInput
from reaudio_eval.scores.system_scores import Range

Float64 = npt.NDArray[np.float64]


class Nearest(NamedTuple):
    """similarity: float64 (n,), the largest cosine of each clip with one of its neighbours, NaN without any; position: intp (n,), of
    that neighbour in its row (the first of equals), -1 without any."""

    similarity: Float64
    position: IntArray


def nearest(clips: FloatArray, neighbours: Sequence[FloatArray]) -> Nearest:
    """The most similar neighbour of each clip.

    Args:
        clips: float (n, d), a vector a clip.
        neighbours: n arrays, float (k, d), k perhaps 0.

    Returns:
        Cosines in [-1, 1], neither clamped at 0 nor multiplied by 100. Vectors without direction (all zero) are left out.

    Raises:
        ValueError: another number of rows than of clips.
    """
    similarity, position = np.full(len(clips), np.nan), np.full(len(clips), -1, dtype=np.intp)
    for row, (clip, vectors) in enumerate(zip(clips.astype(np.float64), neighbours, strict=True)):
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1) * np.linalg.norm(clip)
        usable = np.flatnonzero(norms > 0)
        if len(usable):
            cosines = np.clip(vectors[usable].astype(np.float64) @ clip / norms[usable], -1.0, 1.0)
            best = int(np.argmax(cosines))
            similarity[row], position[row] = cosines[best], usable[best]
    return Nearest(similarity, position)


def excess(data: MetricInput) -> Float64:
    """float64 (n,) in [-2, 2]: a clip's similarity to its nearest neighbour less that of the real clip to its nearest of the same
    neighbours; NaN for a prompt without readable neighbours.

    About 0: as similar as an independent recording of the same caption. Above: more similar to the neighbours than the real clip is, up
    to 1 less the real clip's similarity for an exact copy. Below: less similar, which shows neither copying nor quality."""
    assert data.reference is not None
    assert data.neighbours is not None
    generated = nearest(data.generated.clip_means, data.neighbours).similarity
    return generated - nearest(data.reference.clip_means, data.neighbours).similarity


METRICS = (
    ClipMetric(
        name="copying_{embedder}",
        title="Copying",
        higher_is_better=False,
        unit="cosine",
        source="largest cosine with a retrieved neighbour, less the real clip's; after MIFID (arXiv 2106.03062)",
        needs=frozenset({"reference", "neighbours"}),
        target=0.0,
        role="copying",
        range=Range(-2.0, 2.0),
        compute=excess,
    ),
)
