"""Which metrics have values for which system, and rows of clips and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, LabelValue, MetricInput, SetMetric, Subset
from reaudio_eval.scores.score import NamedMetric, score_system, why_not
from reaudio_eval.scores.set_metrics import Floors, Partition
from reaudio_eval.scores.system_scores import MetricInfo

N = 40
GENERATED = SystemInfo("mine", "generated", N)
REAL = SystemInfo("real", "real", N)


def features(seed: int, n: int) -> FeatureSet:
    frames = np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)
    ids = tuple(f"c{i:02d}" for i in range(n))
    return FeatureSet(ids, frames, np.ones(n, dtype=np.intp), "bands", "s", frames.copy())


def inputs(
    n: int = N,
    reference: bool = True,
    labels: bool = True,
    vocabulary: tuple[str, ...] = ("a", "b", "c"),
    caption: str = "x",
) -> MetricInput:
    prompts = tuple(Prompt(f"c{i:02d}", caption, (("a", "b", "c")[i % 3],) if labels else ()) for i in range(n))
    real = features(2, n) if reference else None
    return MetricInput(features(1, n), real, prompts, get_protocol(DEFAULT_PROTOCOL), 0, vocabulary)


def count(given: MetricInput, subsets: Sequence[Subset]) -> list[float | Undefined]:
    return [float(len(s.generated)) for s in subsets]


def set_metric(**options) -> SetMetric:
    return SetMetric("d_{embedder}", "Difference", False, "", "tests", compute=count, **options)


def named(definition: ClipMetric | LabelMetric | SetMetric, unavailable: str | None = None) -> NamedMetric:
    return NamedMetric(definition, MetricInfo("d_bands", "D", "set", False, "", "bands"), unavailable)


def test_clip_and_label_values_become_rows() -> None:
    clip = ClipMetric("d_{embedder}", "D", True, "", "tests", compute=lambda given: given.generated.clip_means[:, 0])
    label = LabelMetric(
        "d_{embedder}", "D", True, "", "tests", compute=lambda given: [LabelValue(0, "a", 1.0), LabelValue(2, "c", math.nan)]
    )
    given = inputs()
    scores = score_system(GENERATED, [named(clip), named(label)], {"bands": given}, Partition(), Floors()).scores
    assert len(scores) == N + 2
    assert scores["label"].isna().sum() == N
    assert scores["clip_id"].iloc[-1] == "c02"
    assert scores["value"].iloc[0] == pytest.approx(float(given.generated.frames[0, 0]))


@pytest.mark.parametrize(
    ("needs", "given", "system", "unavailable", "words"),
    [
        ({"reference"}, {}, REAL, None, "the real clips are the reference"),
        ({"reference"}, {"reference": False}, GENERATED, None, "needs reference audio"),
        ({"text"}, {}, GENERATED, None, "needs captions"),
        ({"captions"}, {"caption": " "}, GENERATED, None, "needs captions"),
        ({"class_names"}, {}, GENERATED, None, "needs the names of the tagger's classes"),
        ({"labels"}, {"labels": False}, GENERATED, None, "needs labels"),
        ({"labels"}, {"vocabulary": ()}, GENERATED, None, "order of this tagger's classes"),
        (set(), {"n": 0}, GENERATED, None, "no clip could be scored"),
        (set(), {}, GENERATED, "no checkpoint: give one", "no checkpoint"),
    ],
)
def test_what_cannot_be_computed_says_why(needs, given, system, unavailable, words) -> None:
    metric = named(set_metric(needs=frozenset(needs)), unavailable)
    reason = why_not(metric, system, inputs(**given))
    assert reason is not None
    assert words in reason
    scores = score_system(system, [metric], {"bands": inputs(**given)}, Partition(), Floors())
    assert words in scores.undefined["d_bands"]
    assert scores.set_values.empty
