"""Variance components against dense covariance matrices, closed forms, and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
from dense_model import Dense, pairs_of, several_labels
from scipy import optimize

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.mixed_model import LAMBDAS, POWERS, RHOS, Components, Model, Observations

EXACT = 1e-6  # log-likelihoods by two ways of inverting a matrix
STEP = float(np.log(LAMBDAS[2] / LAMBDAS[1]))  # of the grid of lambda


def no_classes(observations: Observations) -> np.ndarray:
    return np.zeros(observations.member.shape[1], dtype=bool)


def model_of(observations: Observations, covariates: Floats | None = None, fixed: np.ndarray | None = None) -> Model:
    none = np.zeros((observations.member.shape[1], 0))
    return Model(
        observations, none if covariates is None else covariates, no_classes(observations) if fixed is None else fixed
    )


def simulate(
    observations: Observations, rng: np.random.Generator, class_sd: float, clip_sd: float = 0.0, power: float = 0.0
) -> Floats:
    """Values with class effects of weight n ** -power, clip effects, and noise of standard deviation 1."""
    member = observations.member
    weights = member * (member.sum(axis=1) ** -power)[:, None]
    classes = weights @ rng.normal(0, class_sd, member.shape[1])
    clips = rng.normal(0, clip_sd, observations.clip.max() + 1)[observations.clip]
    values: Floats = 3.0 + classes + clips + rng.normal(size=len(member))
    return values


@pytest.fixture(scope="module")
def clips() -> Observations:
    return several_labels(60, 12, np.random.default_rng(0))


@pytest.fixture(scope="module")
def pairs() -> Observations:
    return pairs_of(several_labels(30, 8, np.random.default_rng(0)))


def covariates_of(observations: Observations) -> tuple[Floats, np.ndarray]:
    """A covariate of the classes, and two classes with fixed effects."""
    n = observations.member.shape[1]
    return np.linspace(0, 4, n)[:, None], np.arange(n) < 2


@pytest.mark.parametrize("seed", range(2))
def test_label_level_estimates_maximise_the_restricted_likelihood(pairs: Observations, seed: int) -> None:
    covariates, fixed = covariates_of(pairs)
    y = simulate(pairs, np.random.default_rng(seed), 0.6, 0.8)
    found = Model(pairs, covariates, fixed).fit(y[:, None])
    table = np.array(
        [[Dense(pairs, covariates, fixed, rho=rho).restricted(y, ratio)[0] for ratio in LAMBDAS] for rho in RHOS]
    )
    place = np.unravel_index(table.argmax(), table.shape)
    assert (found.structure[0], found.ratio[0]) == (place[0], LAMBDAS[place[1]])
    dense = Dense(pairs, covariates, fixed, rho=RHOS[place[0]])
    assert found.noise[0] == pytest.approx(dense.restricted(y, found.ratio[0])[1])
    np.testing.assert_allclose(np.diff(found.likelihoods[:, 0]), np.diff(table[place[0]]), atol=EXACT)
    assert found.evidence[0] == pytest.approx(2 * (table.max() - table[:, 0].max()), abs=EXACT)


def test_the_grid_is_near_the_maximum(pairs: Observations) -> None:
    """Against scipy's search over lambda and rho: the best point of the grid loses little."""
    covariates, fixed = covariates_of(pairs)
    for seed in range(3):
        y = simulate(pairs, np.random.default_rng(seed), 0.6, 0.8)

        def loss(logs: Floats, y: Floats = y) -> float:
            ratio, rho = np.exp(logs)
            return -Dense(pairs, covariates, fixed, rho=rho).restricted(y, ratio)[0]

        best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead")
        found = Model(pairs, covariates, fixed).fit(y[:, None])
        ours = Dense(pairs, covariates, fixed, rho=RHOS[found.structure[0]]).restricted(y, found.ratio[0])[0]
        assert -EXACT <= -best.fun - ours < 0.15  # twice this is 0.3, where 3.84 would be significant
        assert abs(np.log(found.ratio[0]) - best.x[0]) < 3 * STEP


@pytest.mark.parametrize("seed", range(3))
def test_clip_level_weights_have_the_smallest_aic(clips: Observations, seed: int) -> None:
    covariates, fixed = covariates_of(clips)
    y = simulate(clips, np.random.default_rng(seed), 1.0, power=POWERS[seed])
    found = Model(clips, covariates, fixed).fit(y[:, None])
    dense = [Dense(clips, covariates, fixed, power) for power in POWERS]
    criteria = [max(d.aic(y, ratio) for ratio in LAMBDAS) for d in dense]
    assert found.structure[0] == np.argmax(criteria)
    chosen = dense[found.structure[0]]
    restricted = np.array([chosen.restricted(y, ratio)[0] for ratio in LAMBDAS])
    assert found.ratio[0] == LAMBDAS[restricted.argmax()]
    np.testing.assert_allclose(np.diff(found.likelihoods[:, 0]), np.diff(restricted), atol=EXACT)
    assert found.noise[0] == pytest.approx(chosen.restricted(y, found.ratio[0])[1])
    assert found.evidence[0] == pytest.approx(2 * (restricted.max() - restricted[0]), abs=EXACT)


@pytest.mark.parametrize("power", POWERS)
def test_a_clear_weight_is_found(power: float) -> None:
    observations = several_labels(400, 40, np.random.default_rng(1), most=5)
    y = simulate(observations, np.random.default_rng(2), 3.0, power=power)
    assert POWERS[model_of(observations).fit(y[:, None]).structure[0]] == power


@pytest.mark.parametrize("class_sd", [0.0, 0.5, 2.0])
def test_balanced_one_way_analysis_of_variance(class_sd: float) -> None:
    """lambda = (MSB / MSW - 1) / m and s2 = MSW, or the total mean square without class effects."""
    n_classes, m = 20, 6
    observations = Observations(np.arange(n_classes * m), np.repeat(np.eye(n_classes), m, axis=0))
    y = simulate(observations, np.random.default_rng(0), class_sd)
    groups = y.reshape(n_classes, m)
    within = groups.var(axis=1, ddof=1).mean()
    between = m * groups.mean(axis=1).var(ddof=1)
    expected = (between / within - 1) / m
    found = model_of(observations).fit(y[:, None])
    if expected <= 0:
        assert (found.ratio[0], found.evidence[0]) == (0, 0)
        assert found.noise[0] == pytest.approx(y.var(ddof=1))
    else:
        assert abs(np.log(found.ratio[0] / expected)) < STEP
        assert found.noise[0] == pytest.approx(within, rel=0.1)  # lambda is that of the grid
        classes = (n_classes - 1) * (np.log(between) - np.log(y.var(ddof=1)))
        clips = n_classes * (m - 1) * (np.log(within) - np.log(y.var(ddof=1)))
        assert found.evidence[0] == pytest.approx(-classes - clips, abs=0.05)  # grid


def test_no_class_effect_is_seldom_significant() -> None:
    """The statistic is 0 in half of all samples and chi-squared with 1 degree of freedom in the others (Self and Liang 1987)."""
    observations = several_labels(80, 16, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    values = rng.normal(size=(80, 1000))
    evidence = model_of(observations).fit(values).evidence
    assert np.mean(evidence == 0) > 0.4
    assert np.mean(evidence > 2.706) == pytest.approx(
        0.05, abs=0.025
    )  # 0.025 is 3.6 standard errors; the weight is chosen too


def reordered(observations: Observations, order: np.ndarray) -> Observations:
    """Clips in another order, numbered again."""
    _, clip = np.unique(observations.clip[order], return_inverse=True)
    return Observations(clip, observations.member[order])


@pytest.mark.parametrize("by_label", [False, True])
def test_no_order_unit_or_origin_matters(clips: Observations, pairs: Observations, by_label: bool) -> None:
    observations = pairs if by_label else clips
    covariates, fixed = covariates_of(observations)
    y = simulate(observations, np.random.default_rng(4), 0.7, 0.5 if by_label else 0.0)
    found = Model(observations, covariates, fixed).fit(y[:, None])

    def same(other: Components, unit: float = 1.0) -> None:
        assert (other.structure[0], other.ratio[0]) == (found.structure[0], found.ratio[0])
        assert other.noise[0] == pytest.approx(found.noise[0] * unit**2)
        assert other.evidence[0] == pytest.approx(found.evidence[0], abs=EXACT)

    order = np.argsort(np.random.default_rng(0).permutation(observations.clip.max() + 1)[observations.clip], kind="stable")
    same(Model(reordered(observations, order), covariates, fixed).fit(y[order, None]))
    turned = np.arange(observations.member.shape[1])[::-1]
    of_classes = Observations(observations.clip, observations.member[:, turned])
    same(Model(of_classes, covariates[turned], fixed[turned]).fit(y[:, None]))
    for unit in (1e-9, 1e9):
        same(Model(observations, covariates, fixed).fit(unit * y[:, None]), unit)
    same(Model(observations, covariates, fixed).fit(y[:, None] + 1e3))


def test_columns_are_independent(clips: Observations) -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack([simulate(clips, rng, sd) for sd in (0.0, 0.5, 3.0)])
    together = model_of(clips).fit(values)
    for j in range(3):
        alone, column = model_of(clips).fit(values[:, [j]]), together.column(j)
        for name in Components._fields:
            np.testing.assert_allclose(getattr(column, name), getattr(alone, name), atol=EXACT)


def test_a_fixed_class_takes_up_its_own_level(clips: Observations) -> None:
    covariates, fixed = covariates_of(clips)
    y = simulate(clips, np.random.default_rng(0), 0.7)
    model = Model(clips, covariates, fixed)
    found = model.fit(y[:, None])
    power = POWERS[found.structure[0]]
    weights = clips.member[:, 0] * clips.member.sum(axis=1) ** -power
    lifted = model.fit((y + 50 * weights)[:, None])
    assert lifted.structure[0] == found.structure[0]
    assert (lifted.ratio[0], lifted.noise[0]) == pytest.approx((found.ratio[0], found.noise[0]))


def test_without_a_residual_there_is_no_noise() -> None:
    observations = Observations(np.arange(3), np.eye(3))
    found = Model(observations, np.eye(3), np.zeros(3, dtype=bool)).fit(np.array([[0.1], [0.4], [0.9]]))
    assert found.noise[0] == pytest.approx(0, abs=1e-30)
    assert np.isfinite(found.likelihoods).all()


def test_one_clip_a_class_cannot_tell_classes_from_clips() -> None:
    """The likelihood is flat: the smallest variance of classes is taken, and the sum of both is that of the values."""
    observations = Observations(np.arange(15), np.eye(15))
    y = np.random.default_rng(0).normal(size=15)
    found = model_of(observations).fit(y[:, None])
    assert (found.ratio[0], found.evidence[0]) == (0, pytest.approx(0, abs=EXACT))
    assert found.noise[0] == pytest.approx(y.var(ddof=1))
    np.testing.assert_allclose(found.noises[:, 0] * (1 + LAMBDAS), y.var(ddof=1))


def test_a_model_that_explains_every_clip_is_not_chosen() -> None:
    """Three clips: with the weight 1 or 1/sqrt(n) intercept, level and line explain all of them; the weight 1/n leaves a residual."""
    observations = Observations(np.arange(3), np.array([[1.0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]))
    covariates = np.column_stack([[3.3, 2.2, 1.0, 0.0], np.ones(4)])
    found = Model(observations, covariates, np.zeros(4, dtype=bool)).fit(np.array([[0.6], [0.4], [0.1]]))
    assert POWERS[found.structure[0]] == 1.0
    assert found.noise[0] > 1e-6
