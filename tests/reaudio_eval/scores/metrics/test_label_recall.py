"""Label recall and probability of (clip, label) pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reaudio_eval.scores.metrics.label_recall import METRICS, TOP_K, in_top_k, probability
from reaudio_model.common.errors import ReaudioError

RECALL, PROBABILITY = METRICS
VOCABULARY = tuple(f"class{i:02}" for i in range(20))


def test_top_k_counts_the_classes_above():
    logits = np.tile(np.arange(20.0), (20, 1))
    hits = in_top_k(logits, np.arange(20))
    assert hits.tolist() == [0.0] * (20 - TOP_K) + [1.0] * TOP_K
    assert in_top_k(logits, np.arange(20), k=1).sum() == 1


def test_ties_are_broken_at_random():
    columns = np.arange(20)
    assert in_top_k(np.zeros((20, 20)), columns).tolist() == [TOP_K / 20] * 20  # constant logits score as chance does
    logits = np.tile([3.0, 2.0, 1.0, 1.0, 1.0, 0.0], (6, 1))
    assert in_top_k(logits, np.arange(6), k=4) == pytest.approx([1, 1, 2 / 3, 2 / 3, 2 / 3, 0])
    assert in_top_k(logits, np.arange(6), k=np.array([1, 1, 5, 2, 3, 6])) == pytest.approx([1, 0, 1, 0, 1 / 3, 1])


def test_probability_is_the_sigmoid():
    assert probability(np.array([[0.0, np.log(3.0)], [-1000.0, 1000.0]]), np.array([1, 0])) == pytest.approx([0.75, 0.0])


def given_clips(make_features, make_input, logits, labels, vocabulary=VOCABULARY):
    return make_input(make_features(np.zeros((len(logits), 2)), logits=logits), labels=labels, vocabulary=vocabulary)


def test_pairs_of_known_labels(make_features, make_input):
    logits = np.stack([np.arange(20.0), -np.arange(20.0), np.zeros(20)])
    data = given_clips(make_features, make_input, logits, [("class19", "class00"), ("class00",), ("class03",)])
    data = replace(data, prompts=(*data.prompts[:2], replace(data.prompts[2], labels_known=False)))
    assert RECALL.compute(data) == [(0, "class19", 1.0), (0, "class00", 0.0), (1, "class00", 1.0)]
    assert [v.value for v in PROBABILITY.compute(data)] == pytest.approx([1 / (1 + np.exp(-19)), 0.5, 0.5])


@pytest.mark.parametrize("metric", METRICS)
def test_unknown_label_and_broken_clip_are_nan(make_features, make_input, metric):
    logits = np.zeros((2, 20))
    logits[1, 5] = np.nan
    values = metric.compute(given_clips(make_features, make_input, logits, [("thunder", "class01"), ("class01",)]))
    assert [(v.row, v.label) for v in values] == [(0, "thunder"), (0, "class01"), (1, "class01")]
    assert np.isnan([v.value for v in values]).tolist() == [True, False, True]


def test_no_vocabulary_or_no_labels(make_features, make_input):
    (only,) = RECALL.compute(given_clips(make_features, make_input, np.zeros((1, 20)), [("class01",)], vocabulary=()))
    assert np.isnan(only.value)
    assert RECALL.compute(given_clips(make_features, make_input, np.zeros((1, 20)), [()])) == []


def test_vocabulary_of_another_size_is_refused(make_features, make_input):
    data = given_clips(make_features, make_input, np.zeros((1, 7)), [("class01",)])
    with pytest.raises(ReaudioError, match=r"'net' has 7 classes but its vocabulary .* has 20 labels"):
        RECALL.compute(data)
