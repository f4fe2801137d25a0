"""Builders of small features and inputs for the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from reaudio_eval.features.feature_set import FeatureSet
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import MetricInput

MakeFeatures = Callable[..., FeatureSet]
MakeInput = Callable[..., MetricInput]


@pytest.fixture
def make_features() -> MakeFeatures:
    """FeatureSet of the given frames: ``counts`` frames a clip (default one), ids "clip000", ..."""

    def make(
        frames: npt.NDArray[np.floating],
        counts: Sequence[int] | None = None,
        logits: npt.NDArray[np.floating] | None = None,
        text: npt.NDArray[np.floating] | None = None,
        ids: Sequence[str] | None = None,
    ) -> FeatureSet:
        counts = [1] * len(frames) if counts is None else counts
        ids = [f"clip{i:03}" for i in range(len(counts))] if ids is None else ids
        arrays = {k: v if v is None else np.asarray(v, np.float32) for k, v in (("logits", logits), ("text", text))}
        return FeatureSet(tuple(ids), np.asarray(frames, np.float32), np.asarray(counts, np.intp), "net", "0", **arrays)

    return make


@pytest.fixture
def make_input() -> MakeInput:
    """MetricInput with a prompt a clip and the default protocol, of which ``protocol`` names changed fields."""

    def make(
        generated: FeatureSet,
        reference: FeatureSet | None = None,
        labels: Sequence[tuple[str, ...]] | None = None,
        vocabulary: tuple[str, ...] = (),
        seed: int = 0,
        **protocol: object,
    ) -> MetricInput:
        labels = [()] * len(generated) if labels is None else labels
        prompts = tuple(Prompt(i, f"caption of {i}", tags) for i, tags in zip(generated.clip_ids, labels, strict=True))
        named = replace(get_protocol(DEFAULT_PROTOCOL), **protocol)
        return MetricInput(generated, reference, prompts, named, seed=seed, vocabulary=vocabulary)

    return make
