from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats, jackknife_interval
from reaudio_eval.statistics.intervals import (
    MAX_ENUMERATED,
    Draws,
    bca_interval,
    bootstrap_counts,
    detectable_difference,
    gini,
    holm,
    imbalance_ratio,
    mean_interval,
    paired_jackknife,
    percentile_interval,
    sign_flip_p,
    stratified_jackknife,
    t_interval,
    t_test_p,
)

EXACT = 1e-12  # the same formula in another order of additions
MONTE_CARLO = 0.006  # three standard errors of a p-value near 0.05 from 19,999 random sign patterns
ROUNDED = 6e-4  # the published detectable differences have three decimals


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


def test_t_interval_is_scipys() -> None:
    x = normal(12)
    interval = t_interval(x)
    expected = sps.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=EXACT)
    assert (interval.df, interval.method, interval.reason) == (11, "t over classes", None)


def test_a_single_unit_has_no_interval() -> None:
    interval = t_interval([0.5], "clips")
    assert np.isnan([interval.low, interval.high, interval.se, interval.df]).all()
    assert interval.method == "none"
    assert interval.reason == "1 clips: an interval needs at least 2"


def test_percentile_interval_is_scipys_on_the_same_draws() -> None:
    x = normal(30)
    result = sps.bootstrap((x,), np.mean, n_resamples=999, method="percentile", rng=np.random.default_rng(1))
    interval = percentile_interval(result.bootstrap_distribution, np.inf)
    assert (interval.low, interval.high) == pytest.approx(tuple(result.confidence_interval), abs=EXACT)
    assert interval.se == pytest.approx(result.standard_error, abs=EXACT)


def test_bca_interval_is_scipys_on_the_same_draws() -> None:
    x = np.exp(normal(25))  # skewed: bias and acceleration matter
    result = sps.bootstrap((x,), np.var, n_resamples=999, method="BCa", rng=np.random.default_rng(1))
    left_out = np.array([np.var(np.delete(x, i)) for i in range(len(x))])
    interval = bca_interval(float(np.var(x)), result.bootstrap_distribution, left_out, np.inf)
    assert (interval.low, interval.high) == pytest.approx(tuple(result.confidence_interval), rel=EXACT)


def test_bca_survives_draws_on_one_side_and_constant_draws() -> None:
    one_side = bca_interval(5.0, np.linspace(0, 1, 200), np.full(10, 5.0), 9)
    assert 0 <= one_side.low <= one_side.high <= 1
    constant = bca_interval(2.0, np.full(100, 2.0), np.full(10, 2.0), 9)
    assert (constant.low, constant.high) == (2.0, 2.0)


def test_mean_interval_chooses_t_for_few_units_and_the_bootstrap_for_ten() -> None:
    names = tuple(map(str, range(10)))
    few = mean_interval(normal(9), Draws(0, 100), names[:9])
    ten = mean_interval(normal(10), Draws(0, 100), names)
    assert few.method == "t over classes"
    assert ten.method == "expanded percentile bootstrap over classes (100 draws)"


def test_leave_one_out_jackknife_of_a_mean_is_the_t_interval() -> None:
    x = normal(8)
    left_out = [np.delete(x, i).mean() for i in range(8)]
    interval, expected = jackknife_interval(x.mean(), left_out), t_interval(x)
    assert (interval.low, interval.high, interval.se) == pytest.approx((expected.low, expected.high, expected.se), abs=EXACT)


def test_equal_sizes_are_the_textbook_variance() -> None:
    r = normal(20)
    expected = np.sqrt(19 / 20 * np.sum((r - r.mean()) ** 2))
    assert jackknife_interval(3.0, r).se == pytest.approx(expected, rel=EXACT)
    assert jackknife_interval(3.0, r, sizes=[7] * 20).se == pytest.approx(expected, rel=EXACT)


def test_unequal_groups_estimate_the_error_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    sizes = [5, 10, 20, 40] * 5
    ends = np.cumsum(sizes)
    variances = []
    for _ in range(300):
        x = rng.normal(size=ends[-1])
        left_out = [np.delete(x, slice(e - m, e)).mean() for e, m in zip(ends, sizes, strict=True)]
        variances.append(jackknife_interval(x.mean(), left_out, sizes).se ** 2)
    # The truth is 1 / n. One estimate scatters by sqrt(2 / 19) = 0.32, the mean of 300 by 0.02; four of these.
    assert np.mean(variances) * ends[-1] == pytest.approx(1.0, abs=0.08)


def test_undefined_replicates_are_left_out_and_one_is_not_enough() -> None:
    assert jackknife_interval(1.0, [1.0, np.nan, 2.0]).se == jackknife_interval(1.0, [1.0, 2.0]).se
    assert jackknife_interval(1.0, [1.0, np.nan]).reason == "1 usable jackknife groups: an interval needs at least 2"
    assert jackknife_interval(np.nan, [1.0, 2.0]).reason is not None


def test_paired_jackknife_sees_what_two_systems_share() -> None:
    shared, own = normal(20), 0.01 * normal(20, 1)
    alone, paired = jackknife_interval(1.0, shared), paired_jackknife(1.0, shared, 0.9, shared + own)
    assert paired.se < 0.05 * alone.se
    assert paired.se == pytest.approx(jackknife_interval(0.1, own).se, rel=1e-9)  # cancellation of the shared part
    with pytest.raises(ValueError, match="2 and 3 jackknife groups"):
        paired_jackknife(1.0, [1, 2], 1.0, [1, 2, 3])


def test_stratified_jackknife_of_a_difference_is_welch() -> None:
    a, b = normal(6), 2 * normal(14, 1)
    interval = stratified_jackknife(lambda m: m[0] - m[1], [a, b])
    welch = sps.ttest_ind(a, b, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert (interval.low, interval.high, interval.df) == pytest.approx((low, high, welch.df), abs=1e-10)  # small differences
    assert stratified_jackknife(lambda m: m[0] - m[1], [a, b[:1]]).reason == "a stratum with fewer than 2 classes"


def test_sign_flips_are_enumerated_for_few_units_as_scipy_does() -> None:
    d = normal(10, mean=0.5)
    exact = sps.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(d[:, None], np.random.default_rng(0))[0] == pytest.approx(exact.pvalue, abs=EXACT)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=7))
def test_enumeration_counts_ties(differences: list[int]) -> None:
    d = np.array(differences, dtype=np.float64)
    sums = [abs(np.dot(signs, d)) for signs in itertools.product([-1, 1], repeat=len(d))]
    expected = np.mean([s >= abs(d.sum()) for s in sums])
    assert sign_flip_p(d[:, None] / 7, np.random.default_rng(0))[0] == expected


def test_sampled_sign_flips_agree_with_wilcoxon_and_t() -> None:
    d = normal(60, mean=0.28)
    p = sign_flip_p(d[:, None], np.random.default_rng(0))[0]
    assert p == pytest.approx(sps.ttest_1samp(d, 0).pvalue, abs=MONTE_CARLO)
    # Wilcoxon asks about ranks, so it agrees only in order of magnitude for normal differences.
    assert 0.2 < p / sps.wilcoxon(d).pvalue < 5


def test_a_column_does_not_depend_on_its_neighbours() -> None:
    terms = np.column_stack(
        [normal(30), normal(30, 1), np.where(np.arange(30) < MAX_ENUMERATED, normal(30, 2), 0), np.zeros(30)]
    )
    together = sign_flip_p(terms, np.random.default_rng(0))
    alone = [sign_flip_p(terms[:, [i]], np.random.default_rng(0))[0] for i in range(4)]
    assert together.tolist() == alone
    assert together[3] == 1.0


def test_widening_stretches_the_random_sums_and_the_interval() -> None:
    d = normal(8, mean=0.5)
    patterns = np.array(list(itertools.product([-1, 1], repeat=8)))
    expected = np.mean(np.abs(patterns @ d) * 1.5 >= abs(d.sum()) - 1e-9)
    assert sign_flip_p(d[:, None], np.random.default_rng(0), [1.5])[0] == expected
    plain = t_interval(d)
    wide = plain.widened(float(d.mean()), 1.5)
    assert wide.high - wide.low == pytest.approx(1.5 * (plain.high - plain.low))
    assert (wide.se, wide.widening) == (pytest.approx(1.5 * plain.se), 1.5)
    assert wide.method == "t over classes, widened for shared clips"
    assert plain.widened(float(d.mean()), 1.0) is plain


def test_sign_flip_test_keeps_its_level_under_the_null() -> None:
    rng = np.random.default_rng(0)
    p = sign_flip_p(rng.normal(size=(12, 400)), rng)
    # Binomial(400, 0.05) / 400 has standard deviation 0.011.
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.035)


def test_t_test_p_is_scipys() -> None:
    x = normal(9, mean=0.5)
    assert t_test_p(float(x.mean()), t_interval(x)) == pytest.approx(sps.ttest_1samp(x, 0).pvalue, abs=EXACT)
    assert np.isnan(t_test_p(1.0, t_interval([1.0])))
    assert (t_test_p(0.0, t_interval([0.0, 0.0])), t_test_p(1.0, t_interval([1.0, 1.0]))) == (1.0, 0.0)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1 = 0.04, 0.06, 0.06, 0.04, then never decreasing.
    assert holm([0.04, 0.01, np.nan, 0.03, 0.02])[[0, 1, 3, 4]].tolist() == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert np.isnan(holm([0.04, np.nan])[1])
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_between_raw_and_bonferroni_and_keeps_the_order(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, len(p) * np.array(p)) + EXACT).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


@pytest.mark.parametrize(
    ("n", "correlation", "expected"),
    [(100, 0.0, 0.048), (100, 0.5, 0.034), (100, 0.8, 0.021), (964, 0.0, 0.015), (964, 0.5, 0.011), (964, 0.8, 0.007)],
)
def test_detectable_clap_differences(n: int, correlation: float, expected: float) -> None:
    # Two scores of standard deviation 0.12, correlated over clips.
    se = 0.12 * np.sqrt(2 * (1 - correlation) / n)
    assert detectable_difference(se) == pytest.approx(expected, abs=ROUNDED)


def test_detectable_difference_is_found_with_the_power_it_says() -> None:
    n, se = 12, 1 / np.sqrt(12)
    effect = detectable_difference(se, n - 1)
    power = sps.nct.sf(sps.t.ppf(0.975, n - 1), n - 1, effect / se)
    assert power == pytest.approx(0.8, abs=0.01)  # t quantiles approximate the non-central t
    assert np.isnan(detectable_difference(np.nan, np.nan))


def test_gini_closed_forms() -> None:
    assert gini([3, 3, 3]) == pytest.approx(0)
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert gini([1, 3]) == pytest.approx(1 / 4)
    assert np.isnan(gini([]))


@given(st.lists(st.integers(1, 10**5), min_size=1, max_size=30))
def test_gini_is_half_the_mean_absolute_difference_over_the_mean(counts: list[int]) -> None:
    x = np.array(counts, dtype=np.float64)
    assert gini(counts) == pytest.approx(np.abs(x[:, None] - x).mean() / (2 * x.mean()), abs=1e-9)


def test_imbalance_ratio() -> None:
    assert imbalance_ratio([20_707, 1, 0]) == 20_707
    assert np.isnan(imbalance_ratio([0]))


def simulated_classes(n_classes: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Class means with class sd 0.06, clip sd 0.12 and 1.7 clips a class, and the standard errors that resampling clips
    within each class sees (none for a class with one clip)."""
    n_clips = 1 + rng.poisson(0.7, n_classes)
    owner = np.repeat(np.arange(n_classes), n_clips)
    clips = rng.normal(0, 0.06, n_classes)[owner] + rng.normal(0, 0.12, len(owner))
    means = np.bincount(owner, clips) / n_clips
    return means, np.sqrt(np.bincount(owner, (clips - means[owner]) ** 2)) / n_clips


@pytest.mark.parametrize("n_classes", [10, 100])
def test_only_the_class_bootstrap_covers_the_mean_of_such_classes(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    n_runs, names = 2000, tuple(map(str, range(n_classes)))
    draws = Draws(0, 1000)
    by_class = within = 0
    for _ in range(n_runs):
        means, errors = simulated_classes(n_classes, rng)
        interval = mean_interval(means, draws, names)
        by_class += interval.low <= 0 <= interval.high
        within += abs(means.mean()) <= 1.96 * np.sqrt(np.sum(errors**2)) / n_classes
    # Over 2,000 runs a coverage of 0.95 has standard error 0.005; four of these, as all runs share 1,000 draws.
    assert by_class / n_runs == pytest.approx(0.95, abs=0.02)
    assert within / n_runs < 0.7


def test_a_few_equal_units_have_no_interval() -> None:
    interval = t_interval([1.0, 1.0])
    assert np.isnan(interval.low)
    assert interval.reason == "all 2 classes have the same value: too few to estimate the spread"
