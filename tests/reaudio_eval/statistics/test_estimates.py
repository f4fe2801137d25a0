from __future__ import annotations

import numpy as np
import pytest

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import ClassTable, class_table, summarise
from reaudio_eval.statistics.estimates import Context, line, macro, slope
from reaudio_eval.statistics.intervals import Draws


def table_of(labels: list[tuple[str, ...]], counts: dict[str, int]) -> ClassTable:
    prompts = tuple(Prompt(f"c{i:04d}", "", own) for i, own in enumerate(labels))
    return class_table(Dataset("d", "", prompts, counts, {}), strata_scheme("log10", counts))


def factor(values: Floats, table: ClassTable) -> float:
    summary = summarise(values, table)
    n = len(table.labels)
    fit = np.full((n, 1), summary.class_means.mean())
    return float(summary.shared_clip_factor(np.full((n, 1), 1 / n), fit)[0])


def test_clips_with_one_label_need_no_widening() -> None:
    table = table_of([(f"l{i % 7}",) for i in range(40)], {})
    assert factor(np.random.default_rng(0).normal(size=40), table) == 1.0


def test_classes_seen_twice_are_half_as_many() -> None:
    # Each clip is the only one of two classes: n values, 2 n class means, and the standard error is that of n.
    table = table_of([(f"a{i}", f"b{i}") for i in range(20)], {})
    assert factor(np.random.default_rng(0).normal(size=20), table) == pytest.approx(np.sqrt(2))


def test_the_factor_is_the_double_sum_over_pairs_that_share_a_clip_or_a_class() -> None:
    rng = np.random.default_rng(0)
    labels = [tuple(str(x) for x in rng.choice(6, size=rng.integers(1, 4), replace=False)) for _ in range(30)]
    table = table_of(labels, {})
    values = rng.normal(size=30)
    summary = summarise(values, table)
    centre = summary.class_means.mean()
    pairs = [(i, c, (values[i] - centre) / summary.class_counts[c] / 6) for i, c in np.argwhere(table.member)]
    both = sum(u * v for i, c, u in pairs for j, d, v in pairs if i == j or c == d)
    classes = sum(u * v for _, c, u in pairs for _, d, v in pairs if c == d)
    assert factor(values, table) == pytest.approx(max(1.0, np.sqrt(both / classes)))


def test_label_level_values_keep_their_own_residuals() -> None:
    # The same label pattern as above, but every pair has a value of its own: independent, so hardly any widening.
    rng = np.random.default_rng(0)
    table = table_of([(f"l{i % 20:02d}", f"l{(i * 7 + 3) % 20:02d}") for i in range(400)], {})
    values = np.where(table.member, rng.normal(size=table.member.shape), np.nan)
    assert factor(values, table) < 1.3


def test_intervals_cover_when_clips_are_shared() -> None:
    """Clips carry three of thirty labels with an error of their own; every class has the same true mean."""
    rng = np.random.default_rng(0)
    labels = [(f"l{i % 30:02d}", *(f"l{x:02d}" for x in rng.choice(30, 2, replace=False))) for i in range(90)]
    table = table_of(labels, {})
    context = Context(table, Draws(0, 500), Draws(0, 500))
    everyone = np.ones(30, dtype=bool)
    n_runs, covered, covered_without = 600, 0, 0
    for _ in range(n_runs):
        value, interval = macro(summarise(rng.normal(0, 0.12, 90), table), everyone, context)
        covered += interval.low <= 0 <= interval.high
        narrow = (value - interval.low) / interval.widening, (interval.high - value) / interval.widening
        covered_without += value - narrow[0] <= 0 <= value + narrow[1]
    # Standard error of a coverage of 0.95 over 600 runs: 0.009; three of these, and a little for estimated variances.
    assert covered / n_runs == pytest.approx(0.95, abs=0.035)
    assert covered_without / n_runs < 0.85


def test_the_line_is_weighted_least_squares_and_its_slope_the_estimate() -> None:
    counts = {f"l{i}": 10**i for i in range(4)}
    table = table_of([("l0",), ("l1",), ("l1",), ("l2",), ("l3",)], counts)
    values = np.array([0.1, 0.2, 0.4, 0.3, 0.7])
    summary = summarise(values, table)
    context = Context(table, Draws(0, 100), Draws(0, 100))
    x = np.log10(1 + np.array([1, 10, 100, 1000]))
    expected = np.polyfit(x, [0.1, 0.3, 0.3, 0.7], 1, w=np.sqrt([1, 2, 1, 1]))
    fitted = line(summary, table)
    assert fitted.coefficients @ summary.class_means == pytest.approx(expected[0])
    np.testing.assert_allclose(fitted.fit, np.polyval(expected, x), rtol=1e-12)
    assert slope(summary, context).value == pytest.approx(expected[0])
