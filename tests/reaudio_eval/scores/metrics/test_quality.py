"""Quality scores: columns of the frames, directions."""

from __future__ import annotations

import numpy as np

from reaudio_eval.features.embedders import audiobox_aesthetics
from reaudio_eval.scores.metrics.quality import AXES, METRICS


def test_each_metric_is_its_column(make_features, make_input):
    frames = np.array([[1.0, 2.0, 3.0, 4.0], [5.5, 6.5, 7.5, 8.5]])
    data = make_input(make_features(frames))
    np.testing.assert_array_equal([metric.compute(data) for metric in METRICS], frames.T)


def test_columns_are_those_of_the_embedder():
    assert tuple(AXES) == audiobox_aesthetics.PLUGIN.spec.scores
    assert [metric.score for metric in METRICS] == list(AXES)
    names = [metric.full_name("audiobox_aesthetics") for metric in METRICS]
    assert names == ["audiobox_ce", "audiobox_cu", "audiobox_pc", "audiobox_pq"]


def test_complexity_alone_has_no_better_side():
    assert [metric.neutral for metric in METRICS] == [False, False, True, False]
    assert all(metric.higher_is_better for metric in METRICS)
