"""Power by simulation: closed forms, what it depends on, the search for classes, and fresh data under the rule of the page."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as sps

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.power import TOLERANCE, Design, Question, Simulation, Spread, balanced
from reaudio_eval.statistics.thresholds import ALPHA, MIN_CLASSES

SPREAD = Spread(0.1, 0.3, 0.2)
ROUNDING = 1e-12
ERROR = 4.0  # standard errors of a simulated proportion


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


METRIC = MetricInfo("m", "M", "clip", True, "", "bands")
COUNTS = (5000, 2000, 300, 200, 50, 40, 5, 3, 0, 0)  # training clips, in turn


def report_p(rng: np.random.Generator, design: Design, effect: float) -> float:
    """Corrected p-value of the mean over classes in a report of a system against its control."""
    labels = [f"l{i:03d}" for i in range(design.n_classes)]
    counts = {label: COUNTS[i % len(COUNTS)] for i, label in enumerate(labels)}
    prompts = tuple(
        Prompt(f"c{i:03d}-{j}", "x", (label,)) for i, label in enumerate(labels) for j in range(design.per_class)
    )
    dataset = Dataset("d", "test", prompts, {k: n for k, n in counts.items() if n}, {})
    shared, own = rng.normal(0, 0.5, len(prompts)), rng.normal(effect, SPREAD.classes, design.n_classes)
    noise = rng.normal(0, SPREAD.of_clip(design.n_seeds), len(prompts))
    values = {"base": shared, "mine": shared + np.repeat(own, design.per_class) + noise}
    systems = [_scores(name, prompts, each) for name, each in values.items()]
    paired = analyse(systems, dataset, strata_scheme("log10", dataset.train_counts)).paired
    row = paired[(paired["quantity"] == "classes") & (paired["family"] == "confirmatory")]
    assert (paired["family"] == "confirmatory").sum() == 4
    return float(row["p_holm"].iloc[0])


def _scores(name: str, prompts: tuple[Prompt, ...], values: np.ndarray) -> SystemScores:
    import pandas as pd

    from reaudio_eval.frames.scores import SET_VALUES

    frame = pd.DataFrame({"clip_id": [p.clip_id for p in prompts], "metric": "m", "label": None, "value": values})
    role = "control" if name == "base" else "system"
    info = SystemInfo(name, "generated", len(prompts), role=role)  # type: ignore[arg-type]
    return SystemScores(info, (METRIC,), frame.astype({"label": object}), SET_VALUES.empty())


@pytest.mark.slow
def test_the_planned_power_holds_for_whole_reports() -> None:
    """Every test of the confirmatory family on fresh data, where all classes have the effect: at least the planned power."""
    found = Simulation(Question(0.08, n_tests=4), SPREAD).needed(4, 1, 0.8)
    assert found is not None
    rng = np.random.default_rng(7)
    shown = np.mean([report_p(rng, found.design, 0.08) < ALPHA for _ in range(300)])
    assert 0.75 - 0.02 < shown < 0.85 + 0.05
