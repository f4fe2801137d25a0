"""Variances of means against dense covariance matrices; binary values, fixed classes, values without a spread."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dense_model import Dense, pairs_of, several_labels

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.class_table import Bools
from reaudio_eval.statistics.fit import PRIOR_BY_MEAN, PRIOR_CONSTANT, Fit, Grid, slope
from reaudio_eval.statistics.mixed_model import POWERS, RHOS, Observations
from reaudio_eval.statistics.scale import FREE, Scale

SHARE, POSITIVE = Scale.of(Range(0.0, 1.0)), Scale.of(Range(0.0, None))
N_CLASSES = 12
STRATA = (np.arange(N_CLASSES)[:, None] // 4 == np.arange(3)).astype(np.float64)
FIXED = np.arange(N_CLASSES) < 1
COEFFICIENTS = {
    "one class": np.eye(N_CLASSES)[5],
    "a stratum": STRATA[:, 1] / 4,
    "all classes": np.full(N_CLASSES, 1 / N_CLASSES),
    "a contrast": STRATA[:, 1] / 4 - STRATA[:, 2] / 4,
    "with a fixed class": STRATA[:, 0] / 4,
}
LEVELS = pytest.mark.parametrize("by_label", [False, True], ids=["clips", "pairs"])


def observations_of(by_label: bool) -> Observations:
    clips = several_labels(60, N_CLASSES, np.random.default_rng(0))
    return pairs_of(clips) if by_label else clips


def values_of(observations: Observations, seed: int = 1) -> Floats:
    rng = np.random.default_rng(seed)
    clips = 0.5 * rng.normal(size=observations.clip.max() + 1)
    values: Floats = observations.member @ rng.normal(size=N_CLASSES) + clips[observations.clip]
    return 5 + values + rng.normal(size=len(values))


def fitted(by_label: bool, values: Floats | None = None, scale: Scale = FREE, random_classes: bool = True) -> Fit:
    observations = observations_of(by_label)
    own = values_of(observations) if values is None else values
    return Fit.of(Grid(observations, STRATA, FIXED), own[:, None], scale, random_classes)[0]


def dense_of(fit: Fit, by_label: bool) -> Dense:
    power = 0.0 if by_label else POWERS[fit.components.structure[0]]
    return Dense(observations_of(by_label), STRATA, FIXED, power, RHOS[fit.components.structure[0]] if by_label else 0.0)


def averages(by_label: bool) -> Floats:
    member = observations_of(by_label).member
    out: Floats = member / member.sum(axis=0)
    return out


@LEVELS
@pytest.mark.parametrize("name", COEFFICIENTS)
def test_variance_of_a_mean_is_that_of_the_dense_covariance(by_label: bool, name: str) -> None:
    fit = replace(fitted(by_label), common_variance=True)
    assert fit.class_variance > 0
    covariance = fit.noise_variance * dense_of(fit, by_label).covariance(float(fit.components.ratio[0]))
    w = averages(by_label) @ COEFFICIENTS[name]
    assert fit.variance(COEFFICIENTS[name]).relative == pytest.approx(w @ covariance @ w)
    other = averages(by_label) @ COEFFICIENTS["all classes"]
    assert fit.covariance(COEFFICIENTS[name], COEFFICIENTS["all classes"]) == pytest.approx(w @ covariance @ other)


@LEVELS
def test_classes_as_they_are_leave_the_clips(by_label: bool) -> None:
    """The effect of a label on each clip is then part of the noise of the clip."""
    fit = replace(fitted(by_label, random_classes=False), common_variance=True)
    dense = dense_of(fit, by_label)
    own = np.diag((dense.z**2).sum(axis=1))
    covariance = fit.noise_variance * dense.noise + fit.class_variance * own
    for coefficients in COEFFICIENTS.values():
        w = averages(by_label) @ coefficients
        assert fit.variance(coefficients).relative == pytest.approx(w @ covariance @ w)
    sampled = replace(fit, random_classes=True)
    every = COEFFICIENTS["all classes"]
    assert fit.variance(every).relative < sampled.variance(every).relative


@LEVELS
def test_degrees_of_freedom_are_satterthwaites_and_at_most_the_residuals(by_label: bool) -> None:
    fit = fitted(by_label)
    dense = dense_of(fit, by_label)
    assert fit.residual_df == len(fit.values) - dense.rank
    for coefficients in COEFFICIENTS.values():
        w = averages(by_label) @ coefficients
        of_classes = fit.class_variance * np.sum((dense.z.T @ w) ** 2)
        of_noise = fit.noise_variance * w @ dense.noise @ w
        clip = np.bincount(observations_of(by_label).clip, np.abs(w))
        n_clips, n_classes = (np.sum(x) ** 2 / np.sum(x**2) for x in (clip, np.abs(coefficients[~FIXED])))
        parts = of_classes**2 / max(1, n_classes - 1) + of_noise**2 / max(1, n_clips - 1)
        assert fit.variance(coefficients).df == pytest.approx(min((of_classes + of_noise) ** 2 / parts, fit.residual_df))
        fixed = replace(fit, random_classes=False)
        assert fixed.variance(coefficients).df == pytest.approx(max(1.0, min(n_clips - 1, fit.residual_df)))


def moderated(fit: Fit, by_label: bool, coefficients: Floats, prior: float) -> float:
    """Smyth's factor: mean of the observed over the expected variance and 1, weighted by their degrees of freedom."""
    share = (averages(by_label) @ coefficients) ** 2
    share /= share.sum()
    dense = dense_of(fit, by_label)
    rho = RHOS[fit.components.structure[0]] if by_label else 0.0
    expected = share @ (fit.class_variance * (dense.z**2).sum(axis=1) + fit.noise_variance * (1 + rho))
    df = 1 / np.sum(share**2) - 1
    r = fit.standardised
    observed = share @ (r - share @ r) ** 2 * (df + 1) / df
    return float((prior + df * observed / expected) / (prior + df))


@LEVELS
@pytest.mark.parametrize(("scale", "prior"), [(FREE, PRIOR_CONSTANT), (POSITIVE, PRIOR_BY_MEAN)])
def test_the_spread_of_the_clips_that_enter_is_counted(by_label: bool, scale: Scale, prior: float) -> None:
    fit = fitted(by_label, np.abs(values_of(observations_of(by_label))), scale)
    plain = replace(fit, common_variance=True)
    factors = []
    for coefficients in COEFFICIENTS.values():
        factor = moderated(fit, by_label, coefficients, prior)
        factors.append(factor)
        used = factor if scale.constant else max(1.0, factor)
        assert fit.variance(coefficients).relative == pytest.approx(used * plain.variance(coefficients).relative)
    assert min(factors) < 1 < max(factors)


@LEVELS
def test_values_are_standardised_by_their_fitted_mean(by_label: bool) -> None:
    y = np.abs(values_of(observations_of(by_label)))
    fit = fitted(by_label, y, POSITIVE)
    x = Dense(observations_of(by_label), STRATA, FIXED, 0.0 if by_label else 1.0).x
    means = np.maximum(x @ np.linalg.lstsq(x, y, rcond=None)[0], 0.1 * y.mean())
    np.testing.assert_allclose(fit.fitted, means)
    np.testing.assert_allclose(fit.standardised, (y - means) / means)


@LEVELS
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_a_binary_value_varies_as_its_mean_says(by_label: bool, p: float) -> None:
    observations = observations_of(by_label)
    y = (np.random.default_rng(0).uniform(size=len(observations.clip)) < p).astype(np.float64)
    fit = fitted(by_label, y, SHARE)
    own = (dense_of(fit, by_label).z ** 2).sum(axis=1).mean()
    rho = RHOS[fit.components.structure[0]] if by_label else 0.0
    assert fit.class_variance * own + fit.noise_variance * (1 + rho) == pytest.approx(1)
    graded = fitted(by_label, np.where(np.arange(len(y)) == 0, 0.5, y), SHARE)  # one value in between: no such knowledge
    assert graded.class_variance * own + graded.noise_variance * (1 + rho) != pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_binary_values_that_agree_still_have_a_variance(value: float) -> None:
    fit = fitted(False, np.full(60, value), SHARE)
    assert not fit.constant
    assert fit.noise_variance == 1
    assert fit.variance(COEFFICIENTS["a stratum"]).relative > 0


@LEVELS
@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e12, -1e-12, 0.0])
def test_values_that_agree_have_none(by_label: bool, value: float) -> None:
    fit = fitted(by_label, np.full(len(observations_of(by_label).clip), value))
    assert fit.constant
    assert fit.variance(COEFFICIENTS["all classes"]) == (0, 1)


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e6, 1e12])
def test_a_spread_in_any_unit_is_a_spread(unit: float) -> None:
    one, other = fitted(True), fitted(True, unit * values_of(observations_of(True)))
    assert not other.constant
    every = COEFFICIENTS["all classes"]
    assert other.variance(every).relative == pytest.approx(unit**2 * one.variance(every).relative)
    assert other.variance(every).df == pytest.approx(one.variance(every).df)


@LEVELS
def test_together_and_alone(by_label: bool) -> None:
    observations = observations_of(by_label)
    values = np.column_stack([values_of(observations, seed) for seed in range(3)])
    grid = Grid(observations, STRATA, FIXED)
    for y, fit in zip(values.T, Fit.of(grid, values, FREE), strict=True):
        alone = Fit.of(grid, y[:, None], FREE)[0]
        for coefficients in COEFFICIENTS.values():
            assert fit.variance(coefficients) == pytest.approx(alone.variance(coefficients))


@LEVELS
def test_mixed_model_equations_give_the_dense_predictions(by_label: bool) -> None:
    fit = fitted(by_label)
    dense, ratio = dense_of(fit, by_label), float(fit.components.ratio[0])
    n_fixed, n_random = dense.x.shape[1], dense.z.shape[1]
    effects, covariance = fit.solve(fit.values, np.repeat([0.0, 1 / ratio], [n_fixed, n_random]))
    beta, of_beta = dense.gls(fit.values, ratio)
    np.testing.assert_allclose(dense.x @ effects[:n_fixed], dense.x @ beta, rtol=1e-6)  # X need not have full rank
    np.testing.assert_allclose(effects[n_fixed:], dense.blup(fit.values, ratio), atol=1e-8)
    np.testing.assert_allclose(
        dense.x @ covariance[:n_fixed, :n_fixed] @ dense.x.T, dense.x @ of_beta @ dense.x.T, rtol=1e-6, atol=1e-9
    )
    held, _ = fit.solve(fit.values, np.repeat([0.0, np.inf], [n_fixed, n_random]))
    assert not held[n_fixed:].any()


@LEVELS
def test_slope_is_that_of_generalised_least_squares(by_label: bool) -> None:
    observations = observations_of(by_label)
    columns = np.column_stack([np.linspace(0, 4, N_CLASSES), np.ones(N_CLASSES)])
    fit = Fit.of(Grid(observations, columns, FIXED), values_of(observations)[:, None], FREE)[0]
    k = fit.components.structure[0]
    dense = Dense(observations, columns, FIXED, 0.0 if by_label else POWERS[k], RHOS[k] if by_label else 0.0)
    beta, covariance = dense.gls(fit.values, float(fit.components.ratio[0]))
    assert slope(fit) == pytest.approx((beta[1], np.sqrt(fit.noise_variance * covariance[1, 1])))


def test_a_trend_that_clips_do_not_determine_has_no_slope() -> None:
    """Every clip carries a frequent and a rare label, so that the counts of all clips sum to the same."""
    member: Bools = np.tile(np.eye(2)[[0, 1]].sum(axis=0), (10, 1)).astype(bool)
    observations = Observations(np.arange(10), member.astype(np.float64))
    columns = np.array([[3.0, 1.0], [1.0, 1.0]])
    y = np.random.default_rng(0).normal(size=(10, 1))
    assert np.isnan(slope(Fit.of(Grid(observations, columns, np.zeros(2, dtype=bool)), y, FREE)[0])).all()
