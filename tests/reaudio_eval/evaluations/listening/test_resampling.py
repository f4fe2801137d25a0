"""Bootstrap of prompts and participants: closed forms, scipy's bootstrap, units that agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats as sps

from reaudio_eval.evaluations.listening.resampling import (
    Draws,
    bootstrap_counts,
    mean_interval,
    percentile_interval,
    pigeonhole,
    unit_counts,
    widened_limits,
)
from reaudio_eval.scores.jackknife import Floats

EXACT = 1e-12  # the same formula in another order of additions
NAMES = tuple(map(str, range(12)))


def normal(n: int, seed: int = 0, mean: float = 0.0) -> Floats:
    return np.random.default_rng(seed).normal(mean, 1.0, n)


def test_bootstrap_counts_sum_to_the_sample_size_and_are_multinomial() -> None:
    counts = bootstrap_counts(20, 4000, np.random.default_rng(0))
    assert (counts.sum(axis=1) == 20).all()
    # Each unit is drawn Binomial(20, 1/20) times; 80,000 counts give these to within four standard errors.
    assert counts.mean() == 1.0
    assert counts.var() == pytest.approx(0.95, abs=0.02)


def test_draws_depend_on_the_seed_and_the_names_only() -> None:
    one, two = Draws(0, 50), Draws(0, 50)
    one.counts(("x", "y", "z"))  # whatever was asked before
    np.testing.assert_array_equal(one.counts(("a", "b")), two.counts(("a", "b")))
    assert not np.array_equal(one.counts(("a", "b", "c")), one.counts(("a", "b", "d")))
    assert not np.array_equal(one.counts(("a", "b", "c")), Draws(1, 50).counts(("a", "b", "c")))


def test_units_have_the_count_of_their_name_and_answers_the_product_of_both() -> None:
    prompts, people = pd.Series(["b", "a", "b"]), pd.Series(["a", "b", "b"])
    draws = Draws(0, 40)
    of_prompts = unit_counts(prompts, "prompts", draws)
    np.testing.assert_array_equal(of_prompts[:, 0], of_prompts[:, 2])
    np.testing.assert_array_equal(of_prompts[:, :2].sum(axis=1), 2)  # two names, each sample draws two
    of_people = unit_counts(people, "participants", draws)
    assert not np.array_equal(of_prompts[:, [1, 0]], of_people[:, :2])  # equal names of prompts and people are drawn apart
    np.testing.assert_array_equal(pigeonhole(people, prompts, draws), of_people * of_prompts)


def test_limits_are_wider_for_few_units() -> None:
    assert widened_limits(np.inf) == pytest.approx(sps.norm.ppf([0.025, 0.975]))
    assert widened_limits(9) == pytest.approx(sps.t.ppf([0.025, 0.975], 9) * np.sqrt(10 / 9))


def test_percentile_interval_is_scipys_on_the_same_draws() -> None:
    x = normal(30)
    result = sps.bootstrap((x,), np.mean, n_resamples=999, method="percentile", rng=np.random.default_rng(1))
    interval = percentile_interval(result.bootstrap_distribution, np.inf, "prompts")
    assert (interval.low, interval.high) == pytest.approx(tuple(result.confidence_interval), abs=EXACT)
    assert interval.se == pytest.approx(result.standard_error, abs=EXACT)
    assert interval.method == "expanded percentile bootstrap over prompts (999 draws)"


def test_undefined_draws_are_left_out() -> None:
    drawn = np.array([0.1, np.nan, 0.4, 0.2, np.nan, 0.3])
    found, known = percentile_interval(drawn, 9, "prompts"), percentile_interval(drawn[np.isfinite(drawn)], 9, "prompts")
    assert (found.low, found.high, found.se) == (known.low, known.high, known.se)


@pytest.mark.parametrize("drawn", [np.full(50, 0.7), np.full(50, np.nan), np.zeros(0)])
def test_samples_that_agree_have_no_interval(drawn: Floats) -> None:
    interval = percentile_interval(drawn, 9, "prompts")
    assert np.isnan([interval.low, interval.high, interval.se]).all()
    assert interval.method == "none"
    assert interval.reason == "samples of prompts give the same value: too few to estimate the spread"


def test_a_mean_of_few_units_has_students_interval_and_of_ten_the_bootstrap() -> None:
    few = mean_interval(normal(9), Draws(0, 100), NAMES[:9], "prompts")
    expected = sps.ttest_1samp(normal(9), 0).confidence_interval(0.95)
    assert (few.low, few.high) == pytest.approx(tuple(expected), abs=EXACT)
    assert (few.df, few.method) == (8, "t over prompts")
    ten = mean_interval(normal(10), Draws(0, 100), NAMES[:10], "prompts")
    drawn = Draws(0, 100).counts(NAMES[:10]) @ normal(10) / 10
    assert ten == percentile_interval(drawn, 9, "prompts")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.5], "1 prompts: an interval needs at least 2"),
        ([0.5] * 2, "all 2 prompts have the same value: too few to estimate the spread"),
        ([0.5] * 12, "all 12 prompts have the same value: too few to estimate the spread"),
    ],
)
def test_units_that_agree_have_no_interval(values: list[float], reason: str) -> None:
    interval = mean_interval(np.array(values), Draws(0, 50), NAMES[: len(values)], "prompts")
    assert np.isnan([interval.low, interval.high]).all()
    assert interval.reason == reason
