"""Label accuracy: label among the tagger's first predictions.

As many predictions count as the clip has labels: for one label this is top-1 accuracy, for several the R-precision of each label. It
needs complete labels: on AudioCaps, where taggers predict parents of the labels and annotators omit sounds, prefer label recall.
"""

from __future__ import annotations

from collections.abc import Sequence

from reaudio_eval.scores.metrics import LabelMetric, LabelValue, MetricInput
from reaudio_eval.scores.metrics.label_recall import label_ranks
from reaudio_eval.scores.system_scores import Range


def _accuracy(data: MetricInput) -> list[LabelValue]:
    """1.0 or 0.0 of each (clip, label) pair; NaN where :func:`label_ranks` has no rank."""
    return [
        LabelValue(row, label, float("nan") if rank is None else float(rank < _size(data.prompts[row].labels)))
        for row, label, rank in label_ranks(data)
    ]


def _size(labels: Sequence[str]) -> int:
    return len(set(labels))


METRICS = (
    LabelMetric(
        name="label_accuracy_{embedder}",
        title="Label accuracy",
        higher_is_better=True,
        unit="share",
        source="1 if the label is among the tagger's m highest-ranked classes, m the clip's number of labels, else 0; top-1 for m = 1",
        needs=frozenset({"logits", "labels"}),
        compute=_accuracy,
        role="label_accuracy",
        range=Range(0.0, 1.0),
    ),
)
