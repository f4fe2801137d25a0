"""What a metric gives is checked before it becomes a score."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.checked import ROUNDING, clip_values, label_values, set_values
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, LabelValue, MetricInput, SetMetric, Subset
from reaudio_eval.scores.system_scores import Range
from reaudio_model.common.errors import ReaudioError

N = 3
ROWS = np.arange(N)
SUBSETS = [Subset(ROWS, ROWS), Subset(ROWS[:2], ROWS[:2])]
ABOUT: dict[str, Any] = {"name": "m_{embedder}", "title": "M", "higher_is_better": True, "unit": "", "source": "tests"}


def inputs() -> MetricInput:
    frames = np.ones((N, 2), dtype=np.float32)
    features = FeatureSet(("a", "b", "c"), frames, np.ones(N, dtype=np.intp), "e", "s")
    prompts = tuple(Prompt(c, "x", ("dog",)) for c in features.clip_ids)
    return MetricInput(features, features, prompts, get_protocol(DEFAULT_PROTOCOL))


def clips(values: Any) -> Any:
    return clip_values(ClipMetric(**ABOUT, compute=lambda given: values, range=Range(0, 1)), "m_e", inputs())


def sets(values: Any) -> Any:
    return set_values(
        SetMetric(**ABOUT, compute=lambda given, subsets: values, range=Range(0, None)), "m_e", inputs(), SUBSETS
    )


def labels(*values: tuple[int, str, Any]) -> Any:
    found = [LabelValue(*each) for each in values]
    return label_values(LabelMetric(**ABOUT, compute=lambda given: found, range=Range(0, 1)), "m_e", inputs())


def test_sound_values_are_kept() -> None:
    np.testing.assert_array_equal(clips([0, 1 + ROUNDING / 2, math.nan]), [0, 1 + ROUNDING / 2, math.nan])
    assert clips(np.ones(N, dtype=np.float32)).dtype == np.float64
    reason = Undefined("too few")
    assert sets([np.float32(7), reason]) == [7, reason]
    assert len(labels((0, "dog", 0.5), (2, "dog", math.nan))) == 2


@pytest.mark.parametrize(
    "values", [[1, 1], 1.0, [[1], [1], [1]], ["1", "1", "1"], [1j, 1, 1], [math.inf, 1, 1], [55, 1, 1], [-1, 1, 1]]
)
def test_wrong_clip_values(values: Any) -> None:
    with pytest.raises(ReaudioError, match=r"The metric m_e \(.*test_checked\.py\) must give .*: correct its plug-in\."):
        clips(values)


@pytest.mark.parametrize(
    "values", [[1.0], [1.0] * 3, [math.nan, 1.0], [math.inf, 1.0], ["1", 1.0], [1j, 1.0], [None, 1.0], [-1.0, 1.0]]
)
def test_wrong_set_values(values: Any) -> None:
    with pytest.raises(ReaudioError, match=r"The metric m_e \(.*\) must give"):
        sets(values)


@pytest.mark.parametrize(
    "values",
    [[(-1, "dog", 1.0)], [(N, "dog", 1.0)], [(0, "cat", 1.0)], [(0, "dog", 1.0)] * 2, [(0, "dog", 7.0)], [(0, "dog", "1")]],
)
def test_wrong_label_values(values: Any) -> None:
    with pytest.raises(ReaudioError, match=r"The metric m_e \(.*\) must give"):
        labels(*values)
