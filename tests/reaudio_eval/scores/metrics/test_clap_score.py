"""CLAP score: the cosine of audio and text, per clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reaudio_eval.scores.metrics.clap_score import METRICS, cosine

FLOAT32 = 1e-6
(CLAP_SCORE,) = METRICS


def test_closed_forms():
    audio = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0], [-1.0, 0.0]])
    text = np.array([[5.0, 0.0], [1.0, 0.0], [4.0, 3.0], [1.0, 0.0]])
    assert cosine(audio, text) == pytest.approx([1.0, 0.0, 0.96, -1.0], abs=1e-12)


def test_equals_torch_and_ignores_length():
    a, t = np.random.default_rng(0).standard_normal((2, 20, 16)).astype(np.float32)
    theirs = torch.nn.functional.cosine_similarity(torch.tensor(a), torch.tensor(t)).numpy()
    assert cosine(a, t) == pytest.approx(theirs, abs=FLOAT32)
    assert cosine(100 * a, t / 100) == pytest.approx(theirs, abs=FLOAT32)


def test_no_direction_is_nan_for_that_clip_alone():
    values = cosine(np.array([[0.0, 0.0], [1.0, 0.0]]), np.ones((2, 2)))
    assert np.isnan(values).tolist() == [True, False]


def test_compute_averages_frames(make_features, make_input):
    frames = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    features = make_features(frames, [2, 1], text=np.array([[1.0, 1.0], [0.0, -1.0]]))
    assert CLAP_SCORE.compute(make_input(features)) == pytest.approx([1.0, -1.0], abs=1e-12)


def test_names_of_the_first_two_embedders_stay_and_others_carry_theirs():
    """So that nobody compares the miniature's with LAION-CLAP's."""
    names = [CLAP_SCORE.full_name(embedder) for embedder in ("clap", "miniature_clap", "foo")]
    assert names == ["clap_score", "clap_score_miniature", "clap_score_foo"]
