"""Copying: nearness to what was retrieved, against that of the real clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reaudio_eval.scores.metrics.copying import METRICS, nearest

(COPYING,) = METRICS
CLIPS = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])


def test_closed_forms():
    found = nearest(CLIPS, [np.array([[0.0, 1.0], [5.0, 0.0]]), np.array([[0.0, -1.0]]), np.array([[4.0, 3.0], [1.0, 0.0]])])
    assert found.similarity == pytest.approx([1.0, -1.0, 0.96], abs=1e-12)
    assert found.position.tolist() == [1, 0, 0]


def test_length_of_vectors_and_order_of_neighbours_change_no_similarity():
    rng = np.random.default_rng(0)
    clips, neighbours = rng.standard_normal((20, 8)), rng.standard_normal((20, 5, 8))
    first = nearest(clips, list(neighbours))
    turned = nearest(7 * clips, list(neighbours[:, ::-1] / 3))
    assert turned.similarity == pytest.approx(first.similarity, abs=1e-12)
    assert (turned.position == 4 - first.position).all()


def test_nothing_retrieved_and_no_direction_are_undefined_for_that_clip_alone():
    empty, zero = np.empty((0, 2)), np.zeros((1, 2))
    found = nearest(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]), [empty, zero, np.eye(2), np.eye(2)])
    assert np.isnan(found.similarity).tolist() == [True, True, True, False]
    assert found.position.tolist() == [-1, -1, -1, 0]


def test_a_vector_without_direction_is_passed_over():
    assert nearest(np.array([[1.0, 0.0]]), [np.array([[0.0, 0.0], [1.0, 1.0]])]).position.tolist() == [1]


def test_another_number_of_rows_is_a_programming_error():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        nearest(CLIPS, [np.eye(2)])


def test_a_pasted_clip_has_all_the_excess_there_is_and_the_real_one_none(make_features, make_input):
    real = make_features(np.array([[0.6, 0.8], [0.0, 1.0]]))
    neighbours = (np.array([[1.0, 0.0], [0.0, -1.0]]), np.empty((0, 2)))
    pasted = replace(make_input(make_features(np.array([[1.0, 0.0], [1.0, 0.0]])), real), neighbours=neighbours)
    assert COPYING.compute(pasted)[0] == pytest.approx(1 - 0.6, abs=1e-6)
    assert np.isnan(COPYING.compute(pasted)[1])
    assert COPYING.compute(replace(pasted, generated=real))[0] == 0


def test_frames_are_averaged_and_the_ideal_is_zero(make_features, make_input):
    features = make_features(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), [2, 1])
    data = replace(make_input(features, features), neighbours=(np.eye(2), np.eye(2)))
    assert COPYING.compute(data).tolist() == [0.0, 0.0]
    assert (COPYING.name, COPYING.target, COPYING.needs) == ("copying_{embedder}", 0.0, {"reference", "neighbours"})
