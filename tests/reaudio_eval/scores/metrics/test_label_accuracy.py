"""Label accuracy: top-1 for one label, R-precision for several."""

from __future__ import annotations

import numpy as np

from reaudio_eval.scores.metrics.label_accuracy import METRICS

(ACCURACY,) = METRICS
VOCABULARY = ("bell", "dog", "rain", "wind")


def test_as_many_places_as_labels(make_features, make_input):
    logits = np.array([[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0]])
    labels = [("bell",), ("dog",), ("dog", "rain")]
    data = make_input(make_features(np.zeros((3, 2)), logits=logits), labels=labels, vocabulary=VOCABULARY)
    assert ACCURACY.compute(data) == [(0, "bell", 1.0), (1, "dog", 0.0), (2, "dog", 1.0), (2, "rain", 0.0)]


def test_agrees_with_argmax(make_features, make_input):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((50, 4))
    labels = [(VOCABULARY[i],) for i in rng.integers(4, size=50)]
    data = make_input(make_features(np.zeros((50, 2)), logits=logits), labels=labels, vocabulary=VOCABULARY)
    expected = [float(VOCABULARY[row.argmax()] == label) for row, (label,) in zip(logits, labels, strict=True)]
    assert [v.value for v in ACCURACY.compute(data)] == expected


def test_constant_logits_score_as_chance_does(make_features, make_input):
    data = make_input(
        make_features(np.zeros((2, 2)), logits=np.zeros((2, 4))), labels=[("wind",), ("dog", "rain")], vocabulary=VOCABULARY
    )
    assert ACCURACY.compute(data) == [(0, "wind", 0.25), (1, "dog", 0.5), (1, "rain", 0.5)]


def test_a_label_outside_the_vocabulary_is_undefined(make_features, make_input):
    data = make_input(make_features(np.zeros((1, 2)), logits=np.zeros((1, 4))), labels=[("thunder",)], vocabulary=VOCABULARY)
    assert np.isnan(ACCURACY.compute(data)[0].value)
