"""Predicted class scores: shrinkage, the worst tenth, values at the bounds of a metric."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from dense_model import table_of

from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import Range
from reaudio_eval.statistics.class_table import ClassTable, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.predicted import between_strata, shrunken, worst_tenth
from reaudio_eval.statistics.scale import Scale

SHARE = Scale.of(Range(0.0, 1.0))
COUNTS = {f"l{i:02d}": int(10 ** (i / 8)) for i in range(32)}
ONE_LABEL = table_of([(label,) for label in COUNTS for _ in range(5)], COUNTS)
TWO_LABELS = table_of([tuple(COUNTS)[i : i + 2] for i in range(31) for _ in range(5)], COUNTS)


@pytest.mark.parametrize("table", [ONE_LABEL, TWO_LABELS], ids=["one label", "two labels"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_every_value_at_a_bound(table: ClassTable, value: float) -> None:
    """The variance of shares is known even where all are 0 or 1, but not what the strata differ by: nothing is divided by it."""
    summary, context = summarise(np.full(len(table.clip_ids), value), table, SHARE), Context(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not context.fit(summary).constant
        assert between_strata(summary, context) == 0
        worst = worst_tenth(summary, True, context)
        predicted, low, high = shrunken(summary, context)
    assert worst == macro(summary, summary.defined, context)
    assert worst.value == value
    assert predicted == pytest.approx(np.full(len(table.labels), value))
    outer, inner = (low, high) if value == 0 else (high, low)
    assert (outer == value).all()
    assert (np.abs(inner - value) > 0.01).all()


def test_few_clips_are_shrunken_more() -> None:
    """Two classes of a stratum with the same mean, of 1 and of 40 clips, among classes that differ."""
    rng = np.random.default_rng(1)
    sizes = {f"l{i:02d}": 10 for i in range(30)} | {"few": 1, "many": 40}
    labels = [label for label, n in sizes.items() for _ in range(n)]
    level = {label: rng.normal(0.5, 0.1) for label in sizes}
    values = np.array([level[label] + rng.normal(0, 0.1) for label in labels])
    for label in ("few", "many"):
        own = np.array([name == label for name in labels])
        values[own] += 0.1 - values[own].mean()
    table = table_of([(label,) for label in labels], dict.fromkeys(sizes, 50))
    order = np.argsort(np.argsort([f"c{i:04d}" for i in range(len(labels))]))
    summary = summarise(values[order], table)
    predicted, low, high = shrunken(summary, Context(table))
    few, many = (table.labels.index(label) for label in ("few", "many"))
    assert summary.class_means[few] == pytest.approx(summary.class_means[many])
    assert 0.1 < predicted[many] < predicted[few] < 0.5
    assert high[few] - low[few] > high[many] - low[many]


def _with_a_bad_stratum(bad: float) -> Floats:
    rng = np.random.default_rng(0)
    is_bad = ONE_LABEL.member[:, ONE_LABEL.stratum == 2].any(axis=1)
    return np.where(is_bad, bad, 0.6) + rng.normal(0, 0.05, len(ONE_LABEL.clip_ids))


def test_strata_that_differ_have_a_variance() -> None:
    """Means 0.6 and 0.2 differ by far more than their errors; equal ones do not."""
    summaries = [summarise(_with_a_bad_stratum(bad), ONE_LABEL) for bad in (0.2, 0.6)]
    different, equal = (between_strata(s, Context(ONE_LABEL)) for s in summaries)
    assert equal == 0
    present = np.unique(ONE_LABEL.stratum)
    means = [summaries[0].class_means[ONE_LABEL.stratum == s].mean() for s in present]
    assert different == pytest.approx(np.var(means, ddof=1), rel=0.3)  # the strata have unequal weights


def test_worst_tenth_of_strata_that_differ() -> None:
    worst = worst_tenth(summarise(_with_a_bad_stratum(0.2), ONE_LABEL), True, Context(ONE_LABEL))
    assert worst.value == pytest.approx(0.2, abs=0.03)
    best = worst_tenth(summarise(_with_a_bad_stratum(0.2), ONE_LABEL), False, Context(ONE_LABEL))
    assert best.value == pytest.approx(0.6, abs=0.03)
