"""CLAP score: similarity of a clip and its caption."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.feature_set import FloatArray
from reaudio_eval.scores.metrics import ClipMetric, MetricInput
from reaudio_eval.scores.system_scores import Range


def cosine(audio: FloatArray, text: FloatArray) -> npt.NDArray[np.float64]:
    """Cosine of each row of ``audio`` with the same row of ``text``, both float (n, d).

    Returns:
        float64 (n,) in [-1, 1], neither clamped at 0 nor multiplied by 100; NaN where a row is zero (no direction).
    """
    a, t = audio.astype(np.float64), text.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(t, axis=1)
    cosines = np.full(len(a), np.nan)
    np.divide(np.sum(a * t, axis=1), norms, out=cosines, where=norms > 0)
    return cosines


def _clap_score(data: MetricInput) -> npt.NDArray[np.float64]:
    assert data.generated.text is not None
    return cosine(data.generated.clip_means, data.generated.text)


METRICS = (
    ClipMetric(
        name="clap_score_{embedder}",
        title="CLAP score",
        higher_is_better=True,
        unit="cosine",
        source="cosine of audio and caption embeddings; {embedder}",
        needs=frozenset({"text"}),
        role="text_similarity",
        range=Range(-1.0, 1.0),
        names={"clap": "clap_score", "miniature_clap": "clap_score_miniature"},  # as in files of the first version
        compute=_clap_score,
    ),
)
