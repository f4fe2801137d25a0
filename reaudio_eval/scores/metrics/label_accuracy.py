"""Label accuracy: label among the tagger's first predictions.

As many predictions count as the clip has labels: for one label this is top-1 accuracy, for several the R-precision of each label. It
needs complete labels: on AudioCaps, where taggers predict parents of the labels and annotators omit sounds, prefer label recall.
"""

from __future__ import annotations

import numpy as np

from reaudio_eval.scores.metrics import LabelMetric, LabelValue, MetricInput
from reaudio_eval.scores.metrics.label_recall import in_top_k, label_values
from reaudio_eval.scores.system_scores import Range


def _accuracy(data: MetricInput) -> list[LabelValue]:
    """1.0 or 0.0 of each (clip, label) pair, or the chance among ties; NaN as for label recall."""
    sizes = np.array([len(set(prompt.labels)) for prompt in data.prompts], dtype=np.intp)
    return label_values(data, lambda logits, columns, rows: in_top_k(logits, columns, sizes[rows]))


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
