"""Label recall: label among the tagger's top predictions.

A caption's CLAP score is not about one class: "a dog barks while a man speaks" can score well for the speech alone. These two metrics
have a value for each (clip, label) pair, and need no reference audio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from reaudio_eval.features.feature_set import FloatArray, IntArray
from reaudio_eval.scores.metrics import LabelMetric, LabelValue, MetricInput
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError

TOP_K = 10  # AudioCaps clips carry 2.7 labels on average, and taggers add the parents of what they predict

Float64 = npt.NDArray[np.float64]


def in_top_k(logits: FloatArray, columns: npt.NDArray[np.intp], k: int | npt.NDArray[np.intp] = TOP_K) -> Float64:
    """float64 (n,) in [0, 1]: whether class ``columns[i]`` is among the ``k`` (or ``k[i]``) highest of row i of ``logits`` (n, C).

    1.0 or 0.0, but where classes with equal logits share the last places: then the chance of the class when ties are broken at random, so
    that constant logits score as random ones do, k / C.
    """
    target = np.take_along_axis(logits, columns[:, None], axis=1)
    above, tied = np.sum(logits > target, axis=1), np.sum(logits == target, axis=1)
    chance: Float64 = np.clip((k - above) / tied, 0.0, 1.0)
    return chance


def probability(logits: FloatArray, columns: npt.NDArray[np.intp]) -> Float64:
    """float64 (n,) in [0, 1]: the sigmoid of class ``columns[i]`` in row i of ``logits`` (n, C)."""
    target: Float64 = expit(logits[np.arange(len(logits)), columns].astype(np.float64))
    return target


def label_values(
    data: MetricInput, score: Callable[[FloatArray, npt.NDArray[np.intp], IntArray], Float64]
) -> list[LabelValue]:
    """``score(logits, columns, rows)`` of every (clip, label) pair of the clips whose labels are known; NaN for a label outside the
    vocabulary and for a clip with a logit that is not finite."""
    logits = data.generated.logits
    assert logits is not None
    if data.vocabulary and len(data.vocabulary) != logits.shape[1]:
        raise ReaudioError(
            f"The embedder {data.generated.embedder!r} has {logits.shape[1]} classes but its vocabulary "
            f"{data.generated.vocabulary_name!r} has {len(data.vocabulary)} labels: use the checkpoint of that vocabulary."
        )
    column = {label: i for i, label in enumerate(data.vocabulary)}
    pairs = [(row, label) for row, p in enumerate(data.prompts) if p.labels_known for label in p.labels]
    known = [i for i, (row, label) in enumerate(pairs) if label in column and np.isfinite(logits[row]).all()]
    values = np.full(len(pairs), np.nan)
    if known:
        rows, columns = (
            np.array(each, dtype=np.intp) for each in zip(*(_place(pairs[i], column) for i in known), strict=True)
        )
        values[known] = score(logits[rows], columns, rows)
    return [LabelValue(row, label, float(value)) for (row, label), value in zip(pairs, values, strict=True)]


def _place(pair: tuple[int, str], column: Mapping[str, int]) -> tuple[int, int]:
    return pair[0], column[pair[1]]


def _recall(data: MetricInput) -> list[LabelValue]:
    return label_values(data, lambda logits, columns, rows: in_top_k(logits, columns))


def _probability(data: MetricInput) -> list[LabelValue]:
    return label_values(data, lambda logits, columns, rows: probability(logits, columns))


METRICS = (
    LabelMetric(
        name="label_recall_{embedder}",
        title=f"Label recall (top {TOP_K})",
        higher_is_better=True,
        unit="share",
        source=f"1 if the label is among the tagger's {TOP_K} highest-ranked classes, else 0 (ties broken at random: the chance)",
        needs=frozenset({"logits", "labels"}),
        compute=_recall,
        role="label_recall",
        range=Range(0.0, 1.0),
    ),
    LabelMetric(
        name="label_probability_{embedder}",
        title="Label probability",
        higher_is_better=True,
        unit="probability",
        source="sigmoid of the tagger's logit for the label",
        needs=frozenset({"logits", "labels"}),
        compute=_probability,
        role="label_probability",
        range=Range(0.0, 1.0),
    ),
)
