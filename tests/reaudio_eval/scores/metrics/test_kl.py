"""KL divergence of a pair: torch's kl_div as audioldm_eval calls it, closed forms, the floor, the direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from reaudio_eval.scores.metrics.kl import METRICS, kl_sigmoid, kl_softmax

TORCH_FLOAT32 = 1e-6  # relative; the source computes in float32
FLOAT64 = 1e-12
EPSILON = 1e-6
SOFTMAX, SIGMOID = METRICS


def random_logits(seed, n=40, classes=527, scale=3.0):
    return (scale * np.random.default_rng(seed).standard_normal((2, n, classes)) - 4).astype(np.float32)


@pytest.mark.parametrize("scale", [0.5, 3.0, 8.0])
@pytest.mark.parametrize(("ours", "squash"), [(kl_softmax, lambda x: x.softmax(dim=1)), (kl_sigmoid, torch.sigmoid)])
def test_mean_equals_torch_kl_div(ours, squash, scale):
    p, q = random_logits(0, scale=scale)
    theirs = F.kl_div((squash(torch.tensor(q)) + EPSILON).log(), squash(torch.tensor(p)), reduction="sum") / len(p)
    assert ours(p, q, EPSILON).mean() == pytest.approx(theirs.item(), rel=TORCH_FLOAT32)


def test_no_epsilon_is_the_exact_divergence():
    p, q = random_logits(1)
    tp, tq = torch.tensor(p).double(), torch.tensor(q).double()
    theirs = F.kl_div(tq.log_softmax(dim=1), tp.log_softmax(dim=1), reduction="none", log_target=True).sum(dim=1)
    assert kl_softmax(p, q, 0) == pytest.approx(theirs.numpy(), rel=FLOAT64)


def test_closed_forms_of_two_classes():
    p, q = np.array([[np.log(3.0), 0.0]]), np.zeros((1, 2))  # (3/4, 1/4) and (1/2, 1/2)
    assert kl_softmax(p, q, 0) == pytest.approx([0.75 * np.log(1.5) + 0.25 * np.log(0.5)], rel=FLOAT64)
    assert kl_softmax(q, p, 0) == pytest.approx([0.5 * np.log(2 / 3) + 0.5 * np.log(2)], rel=FLOAT64)
    a, b = logit([[0.2, 0.6]]), logit([[0.4, 0.3]])
    assert kl_sigmoid(a, b, 0) == pytest.approx([0.2 * np.log(0.5) + 0.6 * np.log(2)], rel=FLOAT64)


def test_epsilon_floors_the_logarithm():
    certain, opposite = np.array([[80.0, -80.0]]), np.array([[-80.0, 80.0]])
    assert kl_softmax(certain, opposite, EPSILON) == pytest.approx([-np.log(EPSILON)], rel=1e-9)
    assert kl_softmax(certain, opposite, 0) == pytest.approx([160.0], rel=FLOAT64)


def test_extreme_logits_stay_finite():
    certain, opposite = np.array([[2000.0, -2000.0]]), np.array([[-2000.0, 2000.0]])
    for epsilon in (0.0, EPSILON):
        assert np.isfinite(kl_softmax(certain, opposite, epsilon)).all()
        assert np.isfinite(kl_sigmoid(certain, opposite, epsilon)).all()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 30), scale=st.floats(0.01, 20))
def test_divergence_is_not_negative_and_zero_for_equal_logits(seed, classes, scale):
    p, q = random_logits(seed, 5, classes, scale)
    assert (kl_softmax(p, q, 0) >= -FLOAT64).all()
    assert kl_softmax(p, p + 5, 0) == pytest.approx(np.zeros(5), abs=1e-5)  # float32 logits
    assert (kl_softmax(p, q, EPSILON) >= -np.log1p(classes * EPSILON) - FLOAT64).all()


def test_sigmoid_form_may_be_negative():
    assert kl_sigmoid(np.zeros((1, 3)), np.full((1, 3), 5.0), EPSILON)[0] == pytest.approx(
        3 * 0.5 * (np.log(0.5) - np.log(expit(5) + EPSILON)), rel=FLOAT64
    )
    assert kl_sigmoid(np.zeros((1, 3)), np.full((1, 3), 5.0), EPSILON)[0] < 0


@pytest.mark.parametrize(("metric", "function"), [(SOFTMAX, kl_softmax), (SIGMOID, kl_sigmoid)])
def test_protocol_chooses_direction_and_epsilon(make_features, make_input, metric, function):
    reference, generated = random_logits(2, n=6, classes=9)
    g, r = (make_features(np.zeros((6, 2)), logits=x) for x in (generated, reference))
    default = metric.compute(make_input(g, r))
    assert default == pytest.approx(function(reference, generated, 1e-6), rel=FLOAT64)
    turned = metric.compute(make_input(g, r, kl_direction="generated_reference", kl_epsilon=0.0))
    assert turned == pytest.approx(function(generated, reference, 0.0), rel=FLOAT64)
    assert default.shape == (6,)
    assert default.dtype == np.float64


def test_a_broken_clip_is_nan_alone(make_features, make_input):
    reference, generated = random_logits(3, n=4, classes=5)
    generated[2, 1] = np.nan
    g, r = (make_features(np.zeros((4, 2)), logits=x) for x in (generated, reference))
    assert np.isnan(SOFTMAX.compute(make_input(g, r))).tolist() == [False, False, True, False]
