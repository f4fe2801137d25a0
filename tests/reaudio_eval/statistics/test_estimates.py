"""Means, gap and ratio: values by pandas, intervals by closed forms, and every reason for none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dense_model import table_of
from scipy import stats as sps

from reaudio_eval.scores.jackknife import Floats, Interval
from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.class_table import ClassTable, Summary, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import (
    EQUAL,
    METHOD,
    METHOD_FIXED,
    NO_SPREAD,
    difference_of_means,
    gap,
    linear,
    macro,
    mean_interval,
    micro,
    ratio,
    weighted,
)
from reaudio_eval.statistics.fit import Variance
from reaudio_eval.statistics.intervals import Estimate
from reaudio_eval.statistics.scale import FREE, Scale

SHARE, POSITIVE = Scale.of(Range(0.0, 1.0)), Scale.of(Range(0.0, None))
COUNTS = {f"l{i:02d}": int(2000 / (1 + i) ** 2) for i in range(20)}
NAMES = list(COUNTS)


def long_tail(n: int = 150, most: int = 3) -> ClassTable:
    rng = np.random.default_rng(0)
    own = [{NAMES[i % 20], *rng.choice(NAMES, rng.integers(1, most + 1), replace=False)} for i in range(n)]
    return table_of([sorted(labels) for labels in own], COUNTS, scheme="10,100")


TABLE = long_tail()
HEAD, TAIL = (TABLE.stratum == i for i in (0, len(TABLE.strata) - 2))
EVERY = np.ones(20, dtype=bool)
LEVELS = pytest.mark.parametrize("by_label", [False, True], ids=["clips", "pairs"])


def values(by_label: bool, scale: Scale = FREE, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    shape = TABLE.member.shape if by_label else len(TABLE.clip_ids)
    x = rng.normal(size=shape)
    x = x if scale.constant else rng.exponential(size=shape) if not scale.bounded else rng.uniform(size=shape)
    return np.where(TABLE.member, x, np.nan) if by_label else x


def frame_of(x: Floats) -> pd.DataFrame:
    """A row for each clip and label with a value."""
    clips, classes = np.nonzero(TABLE.member)
    own = x[clips, classes] if x.ndim == 2 else x[clips]
    return pd.DataFrame({"clip": clips, "label": classes, "stratum": TABLE.stratum[classes], "value": own}).dropna()


@LEVELS
def test_values_are_plain_averages(by_label: bool) -> None:
    x = values(by_label)
    x[7] = np.nan
    frame, summary, context = frame_of(x), summarise(x, TABLE), Context(TABLE)
    classes = frame.groupby("label")["value"].mean()
    strata = frame.groupby(["stratum", "label"])["value"].mean().groupby("stratum").mean()
    counts = pd.Series(TABLE.n_train)[classes.index]
    tail = int(TABLE.stratum[TAIL][0])
    assert micro(summary, context).value == pytest.approx(np.nanmean(x))
    assert macro(summary, EVERY, context).value == pytest.approx(classes.mean())
    assert macro(summary, HEAD, context).value == pytest.approx(strata[0])
    assert weighted(summary, TABLE.n_train.astype(float), context).value == pytest.approx(
        np.average(classes, weights=counts)
    )
    assert gap(summary, context).value == pytest.approx(strata[0] - strata[tail])
    up = summarise(x + 5, TABLE)
    assert ratio(up, context).value == pytest.approx((strata[tail] + 5) / (strata[0] + 5))


def test_the_interval_of_a_mean_over_clips_is_students() -> None:
    x = values(False)
    found = micro(summarise(x, TABLE), Context(TABLE)).interval
    expected = sps.ttest_1samp(x, 0).confidence_interval()
    assert (found.low, found.high, found.se, found.df) == pytest.approx((*expected, sps.sem(x), len(x) - 1))
    assert found.method == "clips as a sample"


def test_the_interval_over_pairs_takes_clips_as_clusters() -> None:
    """The linearised variance of a ratio of sums (Cochran 1977, section 2.11)."""
    x = values(True)
    found = micro(summarise(x, TABLE), Context(TABLE)).interval
    sums, counts = np.nansum(x, axis=1), np.isfinite(x).sum(axis=1)
    residuals = (sums - np.nanmean(x) * counts) / counts.mean()
    assert found.se == pytest.approx(residuals.std(ddof=1) / np.sqrt(len(x)))


@pytest.mark.parametrize("hits", [0, 3, 150])
def test_a_proportion_over_clips_has_jeffreys_interval(hits: int) -> None:
    x = (np.arange(150) < hits).astype(np.float64)
    found = micro(summarise(x, TABLE, SHARE), Context(TABLE)).interval
    t = sps.t.ppf(0.975, 149) / sps.norm.ppf(0.975)
    n = 150 / t**2 * (149 / 150 if 0 < hits < 150 else 1)  # the variance of the sample has the divisor n - 1
    low, high = sps.beta.ppf((0.025, 0.975), n * hits / 150 + 0.5, n * (1 - hits / 150) + 0.5)
    assert found.low == pytest.approx(low if hits else 0, abs=1e-9)
    assert found.high == pytest.approx(high if hits < 150 else 1, abs=1e-9)


@LEVELS
@pytest.mark.parametrize("scale", [FREE, SHARE, POSITIVE])
def test_the_interval_of_a_mean_is_that_of_its_variance_on_the_scale(by_label: bool, scale: Scale) -> None:
    summary, context = summarise(values(by_label, scale), TABLE, scale), Context(TABLE)
    for classes in (EVERY, HEAD, TAIL):
        value, interval = macro(summary, classes, context)
        variance = context.fit(summary).variance(classes / classes.sum())
        low, high = scale.interval([value], [variance.relative], [variance.df])
        assert (interval.low, interval.high) == pytest.approx((low[0], high[0]))
        assert interval.se == pytest.approx(np.sqrt(variance.relative * scale.variance(np.array(value))))
        assert (interval.df, interval.method) == (variance.df, METHOD)


def test_single_labels_and_equal_classes_have_the_interval_of_the_class_means() -> None:
    """Balanced classes of one stratum with a class effect: Student's t over class means, as the variance of a mean is MSB / (m C)."""
    rng = np.random.default_rng(0)
    table = table_of([(f"l{i:02d}",) for i in range(20) for _ in range(4)], {f"l{i:02d}": 50 for i in range(20)})
    x = np.repeat(rng.normal(0, 1, 20), 4) + rng.normal(0, 0.5, 80)
    found = macro(summarise(x, table), np.ones(20, dtype=bool), Context(table)).interval
    means = x.reshape(20, 4).mean(axis=1)
    # lambda is that of a grid with steps of 19 %; the spread of the clips that enter moderates the variance a little.
    assert found.se == pytest.approx(sps.sem(means), rel=0.1)
    assert 19 < found.df < 25  # Satterthwaite's, of 19 for classes and more for clips


def test_classes_as_they_are_have_narrower_intervals() -> None:
    rng = np.random.default_rng(0)
    x = TABLE.member @ rng.normal(0, 1, 20) + rng.normal(0, 0.3, 150)
    summary = summarise(x, TABLE)
    fixed = Context(TABLE, estimand="fixed-classes")
    (value, sampled), (same, own) = macro(summary, EVERY, Context(TABLE)), macro(summary, EVERY, fixed)
    assert same == value
    assert own.high - own.low < sampled.high - sampled.low
    assert own.method == METHOD_FIXED
    assert micro(summary, fixed) == micro(summary, Context(TABLE))


# --- gap and ratio ---


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, Interval(low, high, np.nan, 9, "by hand"))


def test_difference_of_means_by_hand() -> None:
    a, b = estimate(0.8, 0.6, 0.9), estimate(0.3, 0.2, 0.5)
    down, up = difference_of_means(a, b, 0.0)
    assert (down, up) == pytest.approx((np.hypot(0.2, 0.2), np.hypot(0.1, 0.1)))
    down, up = difference_of_means(a, b, 0.5)
    assert (down, up) == pytest.approx((np.sqrt(0.04 + 0.04 - 0.04), np.sqrt(0.01 + 0.01 - 0.01)))
    assert difference_of_means(a, b, 1.0) == (0, 0)


def test_symmetric_intervals_give_the_usual_variance_of_a_difference() -> None:
    for correlation in (-0.4, 0.0, 0.7):
        down, up = difference_of_means(estimate(0, -3, 3), estimate(0, -2, 2), correlation)
        assert down == up == pytest.approx(np.sqrt(9 + 4 - 12 * correlation))


@LEVELS
def test_the_gap_of_scores_is_by_mover_and_that_of_differences_by_its_own_variance(by_label: bool) -> None:
    scores = summarise(values(by_label, SHARE), TABLE, SHARE)
    context = Context(TABLE)
    head, tail = (macro(scores, c, context) for c in (HEAD, TAIL))
    fit, a, b = context.fit(scores), HEAD / HEAD.sum(), TAIL / TAIL.sum()
    correlation = fit.covariance(a, b) / np.sqrt(fit.covariance(a, a) * fit.covariance(b, b))
    down, up = difference_of_means(head, tail, float(correlation))
    value, interval = gap(scores, context)
    assert (interval.low, interval.high) == pytest.approx((value - down, value + up))
    assert interval.df == min(head.interval.df, tail.interval.df)

    differences = summarise(values(by_label), TABLE, FREE)
    assert gap(differences, context) == linear(differences, a - b, context)


@pytest.mark.parametrize("level", [0.02, 0.5, 0.98])
def test_gap_and_ratio_stay_in_their_range(level: float) -> None:
    x = (np.random.default_rng(0).uniform(size=TABLE.member.shape) < level).astype(np.float64)
    summary, context = summarise(np.where(TABLE.member, x, np.nan), TABLE, SHARE), Context(TABLE)
    value, interval = gap(summary, context)
    assert -1 <= interval.low < value < interval.high <= 1
    share, of_share = ratio(summary, context)
    assert of_share.reason is not None or 0 <= of_share.low <= share < of_share.high


def test_the_ratio_of_two_means_with_the_same_spread_by_logarithms() -> None:
    summary, context = summarise(values(True, POSITIVE), TABLE, POSITIVE), Context(TABLE)
    head, tail = (macro(summary, c, context) for c in (HEAD, TAIL))
    fit, a, b = context.fit(summary), TAIL / TAIL.sum(), HEAD / HEAD.sum()
    correlation = float(fit.covariance(a, b) / np.sqrt(fit.covariance(a, a) * fit.covariance(b, b)))
    logs = [estimate(np.log(e.value), np.log(e.interval.low), np.log(e.interval.high)) for e in (tail, head)]
    down, up = difference_of_means(logs[0], logs[1], correlation)
    value, interval = ratio(summary, context)
    assert (np.log(interval.low / value), np.log(interval.high / value)) == pytest.approx((-down, up))


# --- what has no interval, or no value ---


def one_class(n: int) -> tuple[ClassTable, Context]:
    table = table_of([("a",)] * n, {"a": 2000})
    return table, Context(table, min_classes=1)


def reasons(summary: Summary, context: Context) -> dict[str, str | None]:
    every = np.ones(len(context.table.labels), dtype=bool)
    found = {
        "micro": micro(summary, context), "macro": macro(summary, every, context), "gap": gap(summary, context),
        "ratio": ratio(summary, context),
    }  # fmt: skip
    for e in found.values():
        assert np.isnan([e.interval.low, e.interval.high]).all() == (e.interval.reason is not None)
    return {name: e.interval.reason for name, e in found.items()}


def test_no_value_at_all() -> None:
    summary = summarise(np.full(150, np.nan), TABLE)
    found = reasons(summary, Context(TABLE))
    assert found["micro"] == "no clip has a value"
    assert found["macro"] == "no clip of these classes has a value"
    assert found["gap"] == found["ratio"] == f"no class of {TABLE.strata[0].title} has a value"
    assert macro(summary, ~EVERY, Context(TABLE)).interval.reason == "no such class is in the test set"
    assert weighted(summary, np.ones(20), Context(TABLE)).interval.reason == "no class with a value has a weight"


def test_values_of_clips_without_labels_only() -> None:
    table = table_of([*[("a",)] * 3, (), (), ()], {"a": 500})
    summary = summarise(np.array([np.nan] * 3 + [0.1, 0.2, 0.3]), table)
    context = Context(table)
    assert micro(summary, context).value == pytest.approx(0.2)
    assert reasons(summary, context)["macro"] == "no clip of these classes has a value"


def test_one_clip() -> None:
    table, context = one_class(1)
    summary = summarise(np.array([0.4]), table)
    assert micro(summary, context).interval.reason == "1 clip: an interval needs at least 2"
    assert macro(summary, np.ones(1, dtype=bool), context).interval.reason == NO_SPREAD


@pytest.mark.parametrize("scale", [FREE, SHARE, POSITIVE])
def test_equal_values(scale: Scale) -> None:
    found = reasons(summarise(np.full(150, 0.3), TABLE, scale), Context(TABLE))
    assert found == {"micro": EQUAL, "macro": NO_SPREAD, "gap": NO_SPREAD, "ratio": NO_SPREAD}


def test_few_classes() -> None:
    found = reasons(summarise(values(False), TABLE), Context(TABLE, min_classes=21))
    assert found["macro"] == "20 classes: an interval needs at least 21"
    assert found["gap"] == found["ratio"] == "4 classes: an interval needs at least 21"


def test_one_stratum_of_seen_classes() -> None:
    table = table_of([("a",), ("b",), ("a",)], {"a": 5, "b": 6}, scheme="1")
    found = reasons(summarise(np.arange(3.0), table), Context(table))
    assert found["gap"] == found["ratio"] == "the strata do not divide the classes seen in training"


def test_ratios_that_do_not_exist() -> None:
    context = Context(TABLE)
    rng = np.random.default_rng(0)
    below = summarise(rng.normal(-3, 1, 150), TABLE)
    assert ratio(below, context).interval.reason == "the head's mean is not positive"
    near = summarise(rng.normal(0.1, 1, 150), TABLE)
    value, interval = ratio(near, context)
    assert np.isfinite(value)
    assert interval.reason == "a mean that could be negative has no ratio"
    hits = np.zeros(150)
    hits[np.flatnonzero(TABLE.member[:, TAIL].any(axis=1) & ~TABLE.member[:, HEAD].any(axis=1))[0]] = 1.0
    assert ratio(summarise(hits, TABLE, SHARE), context).interval.reason == "the head's mean is not positive"


def test_a_tail_of_zero_has_a_ratio_of_zero_with_an_upper_end() -> None:
    table = table_of(
        [("a",)] * 20 + [(f"t{i}",) for i in range(10) for _ in range(2)], {"a": 2000, **{f"t{i}": 3 for i in range(10)}}
    )
    x = (np.arange(40) < 20).astype(np.float64)
    x[0] = 0.0
    value, interval = ratio(summarise(x, table, SHARE), Context(table, min_classes=1))
    assert value == interval.low == 0
    assert 0 < interval.high < 0.5


def test_means_on_the_same_clips_have_no_gap_to_estimate() -> None:
    """Every clip carries a frequent and a rare label, so that both means are the same whatever the values."""
    table = table_of([("a", "b")] * 10, {"a": 2000, "b": 3})
    x, context = np.random.default_rng(0).uniform(size=10), Context(table, min_classes=1)
    value, interval = gap(summarise(x, table), context)
    assert (value, interval.reason) == (0, NO_SPREAD)
    value, interval = gap(summarise(x, table, SHARE), context)  # the intervals of both means are skewed
    assert value == 0
    assert -0.05 < interval.low < 0 < interval.high < 0.05


@pytest.mark.parametrize(("bound", "scale"), [(0.0, SHARE), (1.0, SHARE)])
def test_a_proportion_at_its_bound_has_a_one_sided_interval(bound: float, scale: Scale) -> None:
    summary = summarise(np.full(150, bound), TABLE, scale)
    for e in (micro(summary, Context(TABLE)), macro(summary, TAIL, Context(TABLE))):
        assert e.value == bound
        assert bound in e.interval[:2]
        assert 0 < e.interval.high - e.interval.low < 0.5


def test_a_divergence_of_zero_everywhere_has_no_interval() -> None:
    found = reasons(summarise(np.zeros(150), TABLE, POSITIVE), Context(TABLE))
    assert (found["micro"], found["macro"]) == (EQUAL, NO_SPREAD)


def test_an_interval_without_an_end_is_none() -> None:
    """One degree of freedom and a coefficient of variation of 100: nothing bounds the mean from above."""
    interval = mean_interval(POSITIVE, 1.0, Variance(1e4, 1.0), METHOD)
    assert interval.reason == "too few values for the interval to have an end"


@pytest.mark.parametrize("unit", [1e-12, 1e12])
def test_units_do_not_matter(unit: float) -> None:
    x, context = values(False, POSITIVE), Context(TABLE)
    one, other = summarise(x, TABLE, POSITIVE), summarise(unit * x, TABLE, POSITIVE)
    for of in (lambda s: micro(s, context), lambda s: macro(s, TAIL, context), lambda s: gap(s, context)):
        a, b = of(one), of(other)
        assert b.value == pytest.approx(unit * a.value)
        assert (b.interval.low, b.interval.high) == pytest.approx((unit * a.interval.low, unit * a.interval.high))
    a, b = ratio(one, context), ratio(other, context)
    assert b.interval[:2] == pytest.approx(a.interval[:2])
