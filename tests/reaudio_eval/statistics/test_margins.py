"""Non-inferiority and equivalence: one-sided tests, their agreement with intervals, their level, and what they are corrected over."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from analysis_worlds import CLAP, DATA, KL, STRATA, noisy_system
from scipy import stats as sps

from reaudio_eval.clips.system import Role
from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.scores.system_scores import MetricInfo, Range
from reaudio_eval.statistics.families import Family
from reaudio_eval.statistics.intervals import holm
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.margins import (
    LEVEL_EQUIVALENT,
    LEVEL_NONINFERIOR,
    Margin,
    MarginTests,
    check_margin,
    margin_tests,
    n_margin_tests,
    with_margin,
)
from reaudio_model.common.errors import ReaudioError

ROUNDING = 1e-12
BOUNDED = replace(CLAP, range=Range(-1.0, 1.0))
ROLES: dict[str, Role] = {"a": "system", "b": "system", "plain": "control"}


def test_p_values_are_those_of_one_sided_t_tests() -> None:
    found = margin_tests(0.01, 0.02, 10, 0.05, higher_is_better=True)
    assert found.noninferior == pytest.approx(sps.t.sf(3.0, 10), abs=ROUNDING)
    assert found.equivalent == pytest.approx(sps.t.sf(2.0, 10), abs=ROUNDING)  # the nearer end decides
    worse = margin_tests(0.01, 0.02, 10, 0.05, higher_is_better=False)
    assert worse.noninferior == pytest.approx(sps.t.sf(2.0, 10), abs=ROUNDING)
    assert worse.equivalent == pytest.approx(found.equivalent, abs=ROUNDING)


def test_tests_agree_with_intervals() -> None:
    """Non-inferior where the 95 % interval lies above -margin, equivalent where the 90 % interval lies inside."""
    rng = np.random.default_rng(0)
    outcomes = set()
    for difference, se, df, margin in rng.uniform((-0.1, 0.005, 3, 0.01), (0.1, 0.05, 60, 0.1), (500, 4)):
        found = margin_tests(difference, se, df, margin, higher_is_better=True)
        at_95, at_90 = (sps.t.ppf(level, df) * se for level in (0.975, 0.95))
        noninferior, equivalent = difference - at_95 > -margin, -margin < difference - at_90 and difference + at_90 < margin
        assert (found.noninferior < LEVEL_NONINFERIOR) == noninferior
        assert (found.equivalent < LEVEL_EQUIVALENT) == equivalent
        outcomes.add((noninferior, equivalent))
    assert len(outcomes) == 4


def test_level_at_the_margin() -> None:
    """True differences at the ends of the hypotheses, 4,000 samples of 12: as many rejections as the level allows, to its error."""
    rng, n, margin = np.random.default_rng(1), 12, 0.5
    for truth, name, level in ((-margin, "noninferior", LEVEL_NONINFERIOR), (margin, "equivalent", LEVEL_EQUIVALENT)):
        samples = rng.normal(truth, 0.4, (4000, n))
        means, errors = samples.mean(axis=1), samples.std(axis=1, ddof=1) / math.sqrt(n)
        tests = [margin_tests(m, se, n - 1, margin, higher_is_better=True) for m, se in zip(means, errors, strict=True)]
        rejected = np.mean([getattr(each, name) < level for each in tests])
        assert abs(rejected - level) < 4 * math.sqrt(level * (1 - level) / 4000)


@pytest.mark.parametrize(("se", "df"), [(math.nan, 5.0), (0.0, 5.0), (0.1, math.nan)])
def test_without_a_standard_error_there_is_no_test(se: float, df: float) -> None:
    assert all(map(math.isnan, margin_tests(0.1, se, df, 0.05, higher_is_better=True)))


@pytest.mark.parametrize(
    ("value", "metric", "message"),
    [
        (0.0, BOUNDED, "--margin must be more than 0, not 0"),
        (-0.1, BOUNDED, "--margin must be more than 0, not -0.1"),
        (math.inf, BOUNDED, "--margin must be more than 0"),
        (2.0, BOUNDED, "--margin 2 is not smaller than the range of CLAP score, -1 to 1"),
        (
            0.1,
            replace(BOUNDED, target=1.0),
            "--margin needs a metric of which more or less is better, which CLAP score is not",
        ),
        (0.1, replace(BOUNDED, neutral=True), "--margin needs a metric of which more or less is better"),
    ],
)
def test_margins_without_sense_are_refused(value: float, metric: MetricInfo, message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        check_margin(value, metric)


def test_a_margin_of_a_metric_without_an_upper_end_may_be_large() -> None:
    assert check_margin(40.0, KL) == Margin(40.0, "kl_panns")
    assert check_margin(1.99, BOUNDED) == Margin(1.99, "clap_score")


def row(a: str, b: str, quantity: str, difference: float, family: str = "confirmatory") -> dict[str, Any]:
    return {"metric": "clap_score", "system_a": a, "system_b": b, "quantity": quantity, "family": family,
            "difference": difference, "se": 0.02, "df": 20.0}  # fmt: skip


def test_means_of_systems_against_the_control_are_tested_and_corrected_together() -> None:
    rows = [
        row("a", "plain", "classes", 0.01),
        row("plain", "b", "classes", 0.03),  # b is worse by 0.03
        row("a", "plain", "gap_head_tail", 0.0),
        row("a", "b", "classes", 0.0),
        row("a", "plain", "10-99", 0.0, "exploratory"),
        row("a", "plain", "tail", -0.01),
    ]
    found = with_margin(rows, ROLES, CLAP, Margin(0.05, "clap_score"))
    tested = [margin_tests(d, 0.02, 20, 0.05, higher_is_better=True) for d in (0.01, -0.03, -0.01)]
    for name in MarginTests._fields:
        expected = np.full(6, np.nan)
        expected[[0, 1, 5]] = holm([getattr(each, name) for each in tested])
        assert [each[f"p_{name}"] for each in found] == pytest.approx(expected, abs=ROUNDING, nan_ok=True)
    assert rows[0].keys() == found[0].keys() - {"p_noninferior", "p_equivalent"}


def test_number_of_tests_of_a_family() -> None:
    family = Family(
        "clap_score", (("a", "plain"), ("b", "plain"), ("a", "b")), ("classes", "1-9", "zero-shot", "gap_head_tail")
    )
    assert n_margin_tests(family, ROLES) == 2 * 3


def test_an_analysis_with_a_margin() -> None:
    systems = scores_with_roles([noisy_system("a", 0.35), noisy_system("plain", 0.35)], {"plain": "control"})
    analysis = analyse(systems, DATA, STRATA, margin=Margin(0.05))
    assert analysis.margin == Margin(0.05, "clap_score")
    rows = analysis.paired[analysis.paired["p_noninferior"].notna()]
    assert set(rows["quantity"]) == {"classes", "1-9"}
    assert set(rows["metric"]) == {"clap_score"}
    other = analyse(systems, DATA, STRATA, margin=Margin(0.05, "kl_panns"))
    assert other.margin is None
    assert "p_noninferior" not in other.paired.columns
    with pytest.raises(ReaudioError, match="--margin must be more than 0"):
        analyse(systems, DATA, STRATA, margin=Margin(-1.0))
