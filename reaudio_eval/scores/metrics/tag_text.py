"""Tag-text score: similarity of predicted classes and caption, without CLAP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from reaudio_eval.features.feature_set import FloatArray
from reaudio_eval.scores.metrics import ClipMetric, MetricInput
from reaudio_eval.scores.metrics._word_vectors import WORDLLAMA, embed
from reaudio_eval.scores.metrics.clap_score import cosine
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError

NOTE = (
    "The tag-text score compares word vectors of the caption with those of the tagger's classes. It knows no order, no count and no "
    "relation of sounds, and a generator that makes the captioned sounds plainly can score above the real clips, which hold more. "
    "AudioCaps is a part of AudioSet, on which taggers were trained: they know its real clips."
)


def tag_text(probabilities: FloatArray, classes: FloatArray, captions: FloatArray) -> npt.NDArray[np.float64]:
    """``cos(sum_c sqrt(p_c) (e_c - m), t - m)`` of each clip, with m the mean of the class vectors e_c.

    The square root keeps the quieter sounds of a mixture; without the mean, which all texts share, unrelated texts have a cosine
    near 0. ``benchmarks/tag_text.py`` prints how well it separates matched from mismatched captions of real clips.

    Args:
        probabilities: float (n, C) in [0, 1], of the classes.
        classes: float (C, d), unit norm, of the classes' names.
        captions: float (n, d), unit norm, or zeros for a text without words.

    Returns:
        float64 (n,) in [-1, 1]; NaN where a side has no direction, and where the caption has no words.
    """
    mean = classes.mean(axis=0)
    tags = np.sqrt(probabilities.astype(np.float64)) @ (classes - mean)
    values = cosine(tags, captions - mean)
    values[~captions.any(axis=1)] = np.nan
    return values


def _tag_text(data: MetricInput) -> npt.NDArray[np.float64]:
    logits, names = data.generated.logits, data.class_names
    assert logits is not None
    if len(names) != logits.shape[1]:
        raise ReaudioError(
            f"The embedder {data.generated.embedder!r} has {logits.shape[1]} classes, but the dataset names {len(names)}: "
            "use the checkpoint of that class list."
        )
    unique = list(dict.fromkeys(p.caption for p in data.prompts))
    row = {caption: i for i, caption in enumerate(unique)}
    captions = embed(unique)[[row[p.caption] for p in data.prompts]]
    return tag_text(expit(logits.astype(np.float64)), embed(names), captions)


METRICS = (
    ClipMetric(
        name="tag_text_{embedder}",
        title="Tag-text score",
        higher_is_better=True,
        unit="cosine",
        source="cosine of WordLlama vectors (wordllama 0.4.0.post1) of the caption and of the classes, weighted by the square root of "
        "their probabilities; {embedder}",
        needs=frozenset({"logits", "captions", "class_names"}),
        role="tag_similarity",
        range=Range(-1.0, 1.0),
        note=NOTE,
        vocabulary="audioset-527",
        package=WORDLLAMA,
        compute=_tag_text,
    ),
)
