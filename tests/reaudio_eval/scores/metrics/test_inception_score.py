"""Inception score: torch-fidelity's arithmetic rewritten in torch, closed forms, split bookkeeping, order of files."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.scores.jackknife import jackknife_interval
from reaudio_eval.scores.metrics import Subset
from reaudio_eval.scores.metrics.inception_score import METRICS, inception_score, split_scores

FLOAT64 = 1e-10
(IS,) = METRICS


def in_torch(logits, splits, seed):
    """Mean and deviation over splits from torch distributions, split by index lists."""
    n = len(logits)
    shuffled = torch.tensor(logits).double()[torch.as_tensor(np.random.RandomState(seed).permutation(n))]
    scores = []
    for i in range(splits):
        members = [row for row in range(n) if i * n // splits <= row < (i + 1) * n // splits]
        each = torch.distributions.Categorical(logits=shuffled[members])
        together = torch.distributions.Categorical(probs=each.probs.mean(dim=0))
        scores.append(torch.distributions.kl_divergence(each, together).mean().exp())
    stacked = torch.stack(scores)
    return stacked.mean().item(), stacked.std(correction=0).item()


@pytest.mark.parametrize(("n", "splits", "seed"), [(100, 10, 2020), (97, 10, 2020), (13, 10, 1), (50, 1, 0)])
def test_equals_torch(n, splits, seed):
    logits = 3 * np.random.default_rng(n).standard_normal((n, 20))
    assert inception_score(logits, splits, seed) == pytest.approx(in_torch(logits, splits, seed), rel=FLOAT64, abs=FLOAT64)


def test_equal_logits_score_one():
    assert inception_score(np.tile([1.0, 2.0, -3.0], (40, 1)), 10, 2020) == pytest.approx((1.0, 0.0), abs=FLOAT64)


def test_certain_and_distinct_clips_score_the_number_of_classes():
    logits = 3000 * np.eye(7)  # probabilities underflow to exactly 0 and 1
    assert inception_score(logits, 1, 0) == pytest.approx((7.0, 0.0), rel=FLOAT64)
    assert inception_score(np.repeat(logits, 5, axis=0), 1, 0) == pytest.approx((7.0, 0.0), rel=FLOAT64)


def test_one_clip_a_split_scores_one():
    logits = np.random.default_rng(1).standard_normal((10, 5))
    assert inception_score(logits, 10, 2020) == pytest.approx((1.0, 0.0), abs=FLOAT64)


def test_rows_are_taken_in_the_order_of_file_names(make_features, make_input):
    logits = 3 * np.random.default_rng(2).standard_normal((30, 8)).astype(np.float32)
    ids = [f"clip{i:02}" for i in range(28)] + ["a-1", "a"]  # as files: a-1.wav before a.wav
    listing = [28, 29, *range(28)]
    rows = np.arange(30)
    expected = inception_score(logits[listing], 10, 2020).mean
    data = make_input(make_features(np.zeros((30, 2)), logits=logits, ids=ids))
    assert IS.compute(data, [Subset(rows, rows)]) == [pytest.approx(expected, rel=FLOAT64)]
    shuffled = np.random.default_rng(3).permutation(30)
    moved = make_features(np.zeros((30, 2)), logits=logits[shuffled], ids=[ids[i] for i in shuffled])
    assert IS.compute(make_input(moved), [Subset(rows, rows)]) == [pytest.approx(expected, rel=FLOAT64)]


def test_subsets_and_protocol(make_features, make_input):
    logits = 3 * np.random.default_rng(4).standard_normal((30, 8)).astype(np.float32)
    data = make_input(make_features(np.zeros((30, 2)), logits=logits), is_splits=4, is_seed=7)
    few, some = np.arange(7), np.arange(5, 25)
    undefined, value = IS.compute(data, [Subset(few, few), Subset(some, few)])
    assert undefined == Undefined("needs at least 8 generated clips, two a split; there are 7")
    assert value == pytest.approx(inception_score(logits[5:25], 4, 7).mean, rel=FLOAT64)


def test_replicates_leave_out_one_split(make_features, make_input):
    logits = 3 * np.random.default_rng(6).standard_normal((48, 8)).astype(np.float32)
    data = make_input(make_features(np.zeros((48, 2)), logits=logits))
    scores = split_scores(logits, 10, 2020)  # ids are in the order of file names
    replicates = IS.replicates(data, np.arange(48))
    assert replicates == pytest.approx([np.delete(scores, i).mean() for i in range(10)], rel=FLOAT64)
    interval = jackknife_interval(float(scores.mean()), replicates)
    assert interval.se == pytest.approx(scores.std(ddof=1) / np.sqrt(10), rel=FLOAT64)
    assert interval.df == 9


def test_few_clips_or_one_split_have_no_interval(make_features, make_input):
    logits = np.random.default_rng(5).standard_normal((39, 8)).astype(np.float32)
    features = make_features(np.zeros((39, 2)), logits=logits)
    few = IS.replicates(make_input(features), np.arange(39))
    assert few == [Undefined("it needs at least 40 generated clips, 4 a split")] * 10
    one = make_input(features, is_splits=1)
    assert IS.compute(one, [Subset(np.arange(39), np.arange(39))]) == [pytest.approx(inception_score(logits, 1, 2020).mean)]
    assert IS.replicates(one, np.arange(39)) == [Undefined("the protocol has one split, which has no spread")]


def test_broken_logits_have_a_reason(make_features, make_input):
    logits = np.zeros((20, 4))
    logits[5, 0] = np.nan
    rows = np.arange(20)
    values = IS.compute(make_input(make_features(np.zeros((20, 2)), logits=logits)), [Subset(rows, rows)])
    assert values == [Undefined("the net features of clip clip005 are not finite")]


def test_directions():
    assert IS.higher_is_better
    assert IS.size_biased
    assert not IS.in_strata
