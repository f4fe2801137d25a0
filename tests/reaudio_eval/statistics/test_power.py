"""Power by simulation: closed forms, what it depends on, the search for classes, and fresh data under the rule of the page."""

from __future__ import annotations

import numpy as np
import pytest
from planned_reports import N_TESTS, corrected_p
from scipy import stats as sps

from reaudio_eval.statistics.intervals import detectable_difference
from reaudio_eval.statistics.power import TOLERANCE, Design, Question, Simulation, Spread, balanced
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES

SPREAD = Spread(0.1, 0.3, 0.2)
ROUNDING = 1e-12
ERROR = 3.0  # standard errors of a simulated proportion


def within(found: float, expected: float, n: int) -> bool:
    return abs(found - expected) < ERROR * np.sqrt(expected * (1 - expected) / n)


def test_standard_error_of_a_design() -> None:
    design = Design(50, 4, 2)
    assert SPREAD.of_mean(design) == pytest.approx(np.sqrt((0.01 + (0.09 + 0.04 / 2) / 4) / 50), abs=ROUNDING)
    assert design.n_clips == 400


def test_balanced_designs() -> None:
    table = balanced(Design(3, 2))
    assert table.member.astype(int).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert not table.fixed.any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "design"),
    [
        (Question(0.05, n_tests=4), Design(190, 4)),
        (Question(-0.05), Design(60, 8)),
        (Question(0.0, "noninferior", 0.05, 3), Design(110, 8)),
        (Question(0.02, "equivalent", 0.08, 2), Design(80, 8)),
    ],
)
def test_simulated_power_is_near_that_of_a_t_test_on_class_means(question: Question, design: Design) -> None:
    found = Simulation(question, SPREAD, 1000).power(design)
    expected = question.approximate(design, SPREAD)
    assert 0.3 < expected < 0.95
    assert (
        abs(found.value - expected) < 0.05
    )  # REML pools the clips of all classes, and its degrees of freedom are estimated
    assert found.low < found.value < found.high


@pytest.mark.slow
def test_without_an_effect_the_level_is_kept() -> None:
    """A difference of either sign is found in 5 % of the reports, one of the planned sign in half of them."""
    found = Simulation(Question(1e-9), SPREAD, 2000).power(Design(40, 4))
    assert found.value < ALPHA / 2 + ERROR * np.sqrt(ALPHA / 2 / 2000)


def test_a_spread_of_classes_is_not_bought_off_by_prompts() -> None:
    simulation = Simulation(Question(0.05), SPREAD, 200)
    assert simulation.question.approximate(Design(20, 10**6), SPREAD) < 0.6


def test_too_few_classes_have_no_test() -> None:
    simulation = Simulation(Question(5.0), SPREAD, 50)
    assert simulation.power(Design(MIN_CLASSES - 1, 4)).value == 0
    assert simulation.power(Design(MIN_CLASSES, 4)).value == 1
    assert simulation.needed(4, 1, 0.8) is not None
    assert simulation.needed(4, 1, 0.8).design.n_classes == MIN_CLASSES  # type: ignore[union-attr]


def test_more_classes_than_can_be_simulated() -> None:
    assert Simulation(Question(0.001), SPREAD, 50).needed(8, 1, 0.8) is None


def test_simulations_depend_on_seed_and_design_alone() -> None:
    one, two = (Simulation(Question(0.05), SPREAD, 100, seed) for seed in (0, 1))
    designs = (Design(50, 4), Design(60, 2))
    first = [one.power(each) for each in designs]
    assert [Simulation(Question(0.05), SPREAD, 100).power(each) for each in reversed(designs)] == first[::-1]
    assert [two.power(each) for each in designs] != first


def test_the_detectable_difference_of_a_report_has_the_power_of_a_plan() -> None:
    design = Design(40, 4)
    effect = detectable_difference(SPREAD.of_mean(design), design.n_classes - 1, ALPHA / 4)
    assert Question(effect, n_tests=4).approximate(design, SPREAD) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("per_class", "n_seeds"), [(1, 1), (4, 1), (8, 4)])
def test_needed_classes_have_the_power_in_fresh_data(per_class: int, n_seeds: int) -> None:
    """Fresh draws and a t test on class means in numpy, independent of the code that planned."""
    question = Question(0.06, n_tests=4)
    found = Simulation(question, SPREAD).needed(per_class, n_seeds, 0.8)
    assert found is not None
    assert abs(found.value - 0.8) <= TOLERANCE
    n, runs = found.design.n_classes, 4000
    rng = np.random.default_rng(99)
    noise = np.sqrt(0.3**2 + 0.2**2 / n_seeds) / np.sqrt(per_class)
    means = rng.normal(0.06, 0.1, (runs, n)) + rng.normal(0, noise, (runs, n))
    p = sps.ttest_1samp(means, 0.0, axis=1).pvalue
    assert 0.75 < np.mean(4 * p < ALPHA) < 0.85


@pytest.mark.slow
def test_the_planned_power_holds_for_whole_reports() -> None:
    """Every test of the confirmatory family on fresh data, where all classes have the effect."""
    found = Simulation(Question(0.08, n_tests=N_TESTS), SPREAD).needed(4, 1, 0.8)
    assert found is not None
    rng, n = np.random.default_rng(7), 400
    shown = float(np.mean([corrected_p(rng, found.design, SPREAD, 0.08) < ALPHA for _ in range(n)]))
    assert within(shown, 0.8, n)
