"""Kernel audio distance: the double loop of the definition, unbiasedness, one bandwidth for all subsets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.scores.metrics import Subset
from reaudio_eval.scores.metrics.kad import METRICS, kernel_audio_distance, median_distance

FLOAT64 = 1e-9  # float64 sums in another order; absolute where the value is a difference of numbers near 100
(KAD,) = METRICS


def double_loop(x, y, bandwidth):
    """The unbiased estimator, written out."""

    def k(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * bandwidth**2))

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    xy = sum(k(a, b) for a in x for b in y) / (n * m)
    return 100 * (xx + yy - 2 * xy)


def test_equals_the_double_loop():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 3)), rng.standard_normal((12, 3)) + 0.5
    assert kernel_audio_distance(x, y, 1.3) == pytest.approx([double_loop(x, y, 1.3)], abs=FLOAT64)


def test_paired_rows_of_one_prompt_do_not_enter_the_cross_term():
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((2, 8, 3))
    rows, disjoint = np.arange(2, 7), Subset(np.arange(4), np.arange(4, 8))
    whole, apart = kernel_audio_distance(x, y, 1.3, [Subset(rows, rows), disjoint], paired=True)
    a, b = x[rows], y[rows]
    k = np.exp(-(cdist(np.r_[a, b], np.r_[a, b]) ** 2) / (2 * 1.3**2))
    off = ~np.eye(5, dtype=bool)
    assert whole == pytest.approx(
        100 * (k[:5, :5][off].mean() + k[5:, 5:][off].mean() - 2 * k[:5, 5:][off].mean()), abs=FLOAT64
    )
    assert apart == pytest.approx(double_loop(x[:4], y[4:], 1.3), abs=FLOAT64)
    assert kernel_audio_distance(x, x, 1.3, paired=True) == pytest.approx([0.0], abs=FLOAT64)


def test_pairing_would_bias_the_whole_cross_term():
    """Clips of one prompt share what the prompt fixes: with the whole cross term the mean is far below 0, paired it is 0."""
    rng = np.random.default_rng(8)
    draws = []
    for _ in range(300):
        prompt = rng.standard_normal((20, 4))
        x, y = (prompt + 0.3 * rng.standard_normal((20, 4)) for _ in range(2))
        draws.append([kernel_audio_distance(x, y, 2.0, paired=paired)[0] for paired in (False, True)])
    mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(len(draws))
    assert mean[0] < -10 * error[0]
    assert abs(mean[1]) < 4 * error[1]


def test_subsets_equal_one_by_one():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 20, 4)) + 100  # far from the origin: differences must not lose digits
    subsets = [Subset(rng.permutation(20)[:size], rng.permutation(20)[: size + 1]) for size in (2, 5, 19)]
    expected = [double_loop(x[s.generated], y[s.reference], 2.0) for s in subsets]
    assert kernel_audio_distance(x, y, 2.0, subsets) == pytest.approx(expected, abs=FLOAT64)


@pytest.mark.parametrize("n", [5, 40])
def test_is_unbiased_at_any_size(n):
    """Over 400 pairs of samples of one distribution the mean is 0 within 4 standard errors."""
    rng = np.random.default_rng(2)
    values = [kernel_audio_distance(*rng.standard_normal((2, n, 6)), bandwidth=3.0)[0] for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0 < max(values)


def test_distant_points_reach_the_upper_end():
    x = np.zeros((4, 2))
    assert kernel_audio_distance(x, x + 1e3, 1.0) == pytest.approx([200.0])


def test_unchanged_by_order_shift_rotation_and_common_scale():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((2, 15, 5))
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    moved_x, moved_y = 3 * (x[::-1] @ rotation) + 7, 3 * (rng.permutation(y) @ rotation) + 7
    before = kernel_audio_distance(x, y, median_distance(y))
    assert kernel_audio_distance(moved_x, moved_y, median_distance(moved_y)) == pytest.approx(before, abs=FLOAT64)


def test_median_distance_is_over_pairs():
    y = np.random.default_rng(4).standard_normal((11, 3)) + 50
    assert median_distance(y) == pytest.approx(np.median(pdist(y)), rel=FLOAT64)


def test_compute_uses_clip_means_and_the_bandwidth_of_the_whole_reference(make_features, make_input):
    rng = np.random.default_rng(5)
    generated = make_features(rng.standard_normal((30, 4)), [3] * 10)
    reference = make_features(rng.standard_normal((20, 4)), [2] * 10)
    subset = Subset(np.arange(4), np.arange(5, 9))  # no clip on both sides
    (value,) = KAD.compute(make_input(generated, reference), [subset])
    distances = cdist(reference.clip_means, reference.clip_means)
    bandwidth = np.median(distances[np.triu_indices(10, k=1)])
    expected = double_loop(generated.clip_means[:4], reference.clip_means[5:9], bandwidth)
    assert value == pytest.approx(expected, abs=FLOAT64)
    assert not KAD.size_biased


def test_undefined_has_a_reason(make_features, make_input):
    x = np.random.default_rng(6).standard_normal((6, 3))
    good, flat, single = make_features(x), make_features(np.ones((6, 3))), make_features(x[:1])
    broken = make_features(np.where(np.arange(6)[:, None] == 2, np.inf, x))
    rows, first = np.arange(6), np.arange(1)

    def reasons(reference, *subsets):
        return [v.reason if isinstance(v, Undefined) else v for v in KAD.compute(make_input(good, reference), subsets)]

    assert reasons(None, Subset(rows, rows)) == ["needs reference audio"]
    no_bandwidth = (
        "half of the pairs of reference clips or more have the same embedding, so that the kernel has no bandwidth"
    )
    assert reasons(flat, Subset(rows, rows)) == [no_bandwidth]
    nearly_flat = make_features(np.concatenate([np.tile(x[:1], (5, 1)), x[1:2]]))  # 10 of 15 pairs are equal
    assert reasons(nearly_flat, Subset(rows, rows)) == [no_bandwidth]
    assert reasons(make_features(np.concatenate([np.tile(x[:1], (3, 1)), x[1:4]])), Subset(rows, rows))[0] != no_bandwidth
    assert reasons(single, Subset(rows, first)) == ["needs at least 2 reference clips to choose the kernel's bandwidth"]
    assert reasons(broken, Subset(rows, rows)) == ["the net features of clip clip002 are not finite"]
    undefined, defined = reasons(good, Subset(first, rows), Subset(rows, rows))
    assert undefined == "needs at least 2 generated and 2 reference clips; there are 1 and 6"
    assert isinstance(defined, float)
