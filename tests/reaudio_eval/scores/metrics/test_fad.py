"""Frechet distances: closed forms, scipy's sqrtm, singular input, shared work, extrapolation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.scores.metrics import Subset, fad
from reaudio_eval.scores.metrics._frechet import frame_rows
from reaudio_eval.scores.metrics.fad import frechet_distance, frechet_distance_infinity, frechet_distance_subsets
from reaudio_model.common.errors import ReaudioError

SQRTM_TOLERANCE = 1e-6  # relative; sqrtm's own error on well-conditioned input is of this order
FLOAT64 = 1e-9  # relative; float64 sums in another order
ROOT_OF_ROUNDING = 1e-6  # of the traces: eigenvalues known to 1e-15 have square roots known to about 3e-8


def by_sqrtm(a, b):
    """The textbook formula."""
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = a.mean(axis=0) - b.mean(axis=0)
    return shift @ shift + np.trace(s1 + s2 - 2 * scipy.linalg.sqrtm(s1 @ s2).real)


def whitened(rng, n, d):
    """Samples with mean 0 and covariance (ddof 1) exactly the identity."""
    x = rng.standard_normal((n, d))
    x -= x.mean(axis=0)
    return np.linalg.svd(x, full_matrices=False)[0] * np.sqrt(n - 1)


@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 16), (200, 500, 64)])
def test_agrees_with_sqrtm(n, m, d):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 1
    b = rng.standard_normal((m, d)) * np.linspace(0.5, 2, d)
    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=SQRTM_TOLERANCE)


def test_shift_with_equal_covariance_is_its_squared_length():
    a = np.random.default_rng(1).standard_normal((50, 8))
    shift = np.arange(8.0)
    assert frechet_distance(a, a + shift) == pytest.approx(shift @ shift, rel=FLOAT64)


@pytest.mark.parametrize("d", [5, 40])
def test_diagonal_covariances_give_squared_difference_of_deviations(d):
    x = whitened(np.random.default_rng(2), 60, d)
    s, t = np.linspace(1, 3, d), np.linspace(2, 0.5, d)
    assert frechet_distance(x * s, x * t + 1) == pytest.approx(np.sum((s - t) ** 2) + d, rel=FLOAT64)


@pytest.mark.parametrize(("n", "m"), [(10, 12), (10, 200), (200, 10), (90, 200)])
def test_few_rows_and_many_rows_agree_with_padding(n, m):
    """Zero columns change nothing but the side of n <= d on which the features fall."""
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((n, 60)) + 0.3, 2 * rng.standard_normal((m, 60))
    wide_a, wide_b = (np.pad(x, ((0, 0), (0, 300))) for x in (a, b))
    scale = np.var(a, axis=0).sum() + np.var(b, axis=0).sum()
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(wide_a, wide_b), abs=ROOT_OF_ROUNDING * scale)


def test_constant_features_leave_the_other_trace():
    rng = np.random.default_rng(4)
    for n in (5, 100):
        a, b = rng.standard_normal((n, 20)), np.ones((n, 20))
        expected = np.sum((a.mean(axis=0) - 1) ** 2) + np.var(a, axis=0, ddof=1).sum()
        assert frechet_distance(a, b) == pytest.approx(expected, rel=FLOAT64)
        assert frechet_distance(b, b) == 0


def test_orthogonal_supports_have_no_cross_term():
    rng = np.random.default_rng(5)
    a, b = np.zeros((30, 40)), np.zeros((30, 40))
    a[:, :20], b[:, 20:] = rng.standard_normal((2, 30, 20))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    traces = np.var(a, axis=0, ddof=1).sum() + np.var(b, axis=0, ddof=1).sum()
    assert frechet_distance(a, b) == pytest.approx(traces, rel=ROOT_OF_ROUNDING)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 30), m=st.integers(2, 30), d=st.integers(1, 12))
def test_nonnegative_symmetric_and_independent_of_row_order(seed, n, m, d):
    rng = np.random.default_rng(seed)
    rank = rng.integers(1, d + 1)
    a = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d))
    b = rng.standard_normal((m, d)) + 1
    value = frechet_distance(a, b)
    tolerance = ROOT_OF_ROUNDING * (1 + value + np.var(a, axis=0).sum() + np.var(b, axis=0).sum())
    assert value >= 0
    assert frechet_distance(b, a) == pytest.approx(value, abs=tolerance)
    assert frechet_distance(a[::-1], rng.permutation(b)) == pytest.approx(value, abs=tolerance)
    assert frechet_distance(a, a) == pytest.approx(0, abs=tolerance)


def test_large_offset_costs_no_digits():
    rng = np.random.default_rng(6)
    a, b = rng.standard_normal((2, 100, 8))
    assert frechet_distance(a + 1000, b + 1000) == pytest.approx(frechet_distance(a, b), rel=1e-7)


def test_errors_name_the_shapes():
    with pytest.raises(ReaudioError, match="at least 2 rows on each side; there are 1 and 5"):
        frechet_distance(np.ones((1, 3)), np.ones((5, 3)))
    with pytest.raises(ReaudioError, match=r"\(5, 3\) and \(5, 4\) cannot be compared"):
        frechet_distance(np.ones((5, 3)), np.ones((5, 4)))


@pytest.mark.parametrize(("counts", "d"), [([1] * 40, 64), ([1] * 40, 8), ([3, 1, 7, 5] * 10, 16), ([3, 1, 7, 5] * 10, 200)])
@pytest.mark.parametrize("blocks", [False, True])
def test_subsets_equal_one_by_one(make_features, monkeypatch, counts, d, blocks):
    if blocks:  # three subsets and three clips at a time
        monkeypatch.setattr("reaudio_eval.scores.metrics._frechet._BLOCK_BYTES", 3 * 8 * d * d)
    rng = np.random.default_rng(7)
    a, b = (make_features(5 + rng.standard_normal((sum(c), d)), c) for c in (counts, counts[::-1]))
    rows = [rng.permutation(40)[:size] for size in (40, 39, 20, 5, 2, 30, 7)]
    subsets = [Subset(r, np.sort(r)[: max(2, len(r) // 2)]) for r in rows]
    alone = [frechet_distance(a.frames[frame_rows(a, s.generated)], b.frames[frame_rows(b, s.reference)]) for s in subsets]
    assert frechet_distance_subsets(a, b, subsets) == pytest.approx(alone, rel=ROOT_OF_ROUNDING)


def test_frame_rows_of_chosen_clips(make_features):
    features = make_features(np.zeros((6, 1)), [2, 1, 3])
    assert frame_rows(features, np.array([2, 0])).tolist() == [3, 4, 5, 0, 1]


# --- extrapolation


def same_distribution(seed, n=200, d=64):
    """Two samples of one Gaussian with eigenvalues 1/k: the true distance is 0."""
    deviations = 1 / np.sqrt(np.arange(1, d + 1))
    return np.random.default_rng(seed).standard_normal((2, n, d)) * deviations


def everything(n):
    return [Subset(np.arange(n), np.arange(n))]


def test_infinity_removes_most_of_the_bias(make_features):
    for seed in range(5):
        a, b = (make_features(x) for x in same_distribution(seed))
        point = frechet_distance(a.frames, b.frames)
        (extrapolated,) = frechet_distance_infinity(a, b, everything(200), seed=0)
        assert abs(extrapolated) < 0.2 * point  # the truth is 0; measured: 0.01 to 0.1


def test_infinity_is_nearer_to_a_known_distance(make_features):
    """On average over samples: a single sample may miss either way."""
    deviations = 1 / np.sqrt(np.arange(1, 65))
    truth = 0.25 * np.sum(deviations**2) + 64 * 0.1**2
    errors = []
    for seed in range(12):
        a, b = same_distribution(seed)
        a, b = make_features(a), make_features(1.5 * b + 0.1)
        (extrapolated,) = frechet_distance_infinity(a, b, everything(200), seed=0)
        errors.append((extrapolated - truth, frechet_distance(a.frames, b.frames) - truth))
    bias_extrapolated, bias_point = np.mean(errors, axis=0)
    assert bias_point > 0
    assert abs(bias_extrapolated) < 0.5 * bias_point


def test_infinity_of_identical_clips_is_zero(make_features):
    """Both sides are halved by the same clips: drawn apart, the halves would give a negative value."""
    a = make_features(same_distribution(9)[0])
    assert frechet_distance_infinity(a, a, everything(200), seed=0) == pytest.approx([0], abs=ROOT_OF_ROUNDING)


def test_infinity_depends_on_seed_and_clip_ids_but_not_on_row_order(make_features):
    a, b = same_distribution(10, n=100, d=16)
    ids = [f"clip{i:03}" for i in range(100)]
    order = np.random.default_rng(0).permutation(100)
    moved = [ids[i] for i in order]
    value = frechet_distance_infinity(make_features(a), make_features(b), everything(100), seed=3)
    again = frechet_distance_infinity(
        make_features(a[order], ids=moved), make_features(b[order], ids=moved), everything(100), seed=3
    )
    other = frechet_distance_infinity(make_features(a), make_features(b), everything(100), seed=4)
    assert again == pytest.approx(value, rel=ROOT_OF_ROUNDING)
    assert other != pytest.approx(value, rel=ROOT_OF_ROUNDING)


def test_infinity_takes_sides_of_different_size(make_features):
    a, b = same_distribution(11)
    subset = Subset(np.arange(200), np.arange(0, 200, 2))
    (value,) = frechet_distance_infinity(make_features(a), make_features(b), [subset], seed=0)
    assert abs(value) < 0.3 * frechet_distance(a, b[::2])


# --- definitions

BY_NAME = {metric.name: metric for metric in fad.METRICS}


def test_names_and_frames():
    assert {name: metric.frames for name, metric in BY_NAME.items()} == {
        "fad_{embedder}": "many",
        "fd_{embedder}": "one",
        "fad_inf_{embedder}": "many",
        "fd_inf_{embedder}": "one",
    }
    assert all(metric.size_biased and not metric.higher_is_better for metric in fad.METRICS)


@pytest.mark.parametrize("name", BY_NAME)
def test_compute_gives_values_or_reasons_in_order(make_features, make_input, name):
    rng = np.random.default_rng(12)
    data = make_input(*(make_features(rng.standard_normal((120, 4))) for _ in range(2)))
    whole, one = np.arange(120), np.arange(1)
    values = BY_NAME[name].compute(data, [Subset(whole, whole), Subset(one, whole), Subset(whole[:110], whole[:110])])
    assert [type(v) for v in values] == [float, Undefined, float]
    minimum = 100 if "_inf_" in name else 2
    assert values[1].reason == f"needs at least {minimum} generated and {minimum} reference clips; there are 1 and 120"


@pytest.mark.parametrize("name", BY_NAME)
def test_compute_without_reference_or_with_broken_features(make_features, make_input, name):
    features = make_features(np.random.default_rng(13).standard_normal((120, 4)))
    subsets = everything(120)
    assert BY_NAME[name].compute(make_input(features), subsets) == [Undefined("needs reference audio")]
    frames = features.frames.copy()
    frames[7, 1] = np.nan
    broken = make_input(features, replace(features, frames=frames))
    assert BY_NAME[name].compute(broken, subsets) == [Undefined("the net features of clip clip007 are not finite")]


def test_extrapolation_needs_more_clips_for_wider_embeddings(make_features, make_input):
    wide = np.random.default_rng(14).standard_normal((110, 480))
    one_frame = make_input(make_features(wide), make_features(wide))
    two_frames = make_input(*(make_features(np.repeat(wide, 2, axis=0), [2] * 110) for _ in range(2)))
    (too_few,) = BY_NAME["fd_inf_{embedder}"].compute(one_frame, everything(110))
    (enough,) = BY_NAME["fad_inf_{embedder}"].compute(two_frames, everything(110))
    assert "needs at least 120 generated and 120 reference clips" in too_few.reason
    assert enough == pytest.approx(0, abs=ROOT_OF_ROUNDING * 480)
