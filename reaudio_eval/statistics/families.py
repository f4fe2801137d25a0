"""Families of tests: the confirmatory one, and Holm's correction.

The confirmatory family is named before any score is seen: one metric, pairs of systems, quantities. Its tests are corrected together,
so that any of them is significant by chance with a probability of 5 % at most. All other tests are exploratory, or have a reference on one
side (real audio, a copy of the retrieved clips, an oracle); each of these two groups is corrected within each metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from reaudio_eval.clips.roles import asked, competing, controls
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.class_table import ClassTable
from reaudio_eval.statistics.estimates import head_and_tail
from reaudio_eval.statistics.intervals import detectable_difference, holm
from reaudio_eval.statistics.rows import ALL, CLASSES
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.thresholds import ALPHA

FamilyName = Literal["confirmatory", "exploratory", "reference"]
GAP = "gap_head_tail"
IMPOSSIBLE = "no difference within the range of the metric would probably be significant"
Pair = tuple[str, str]


@dataclass(frozen=True)
class Family:
    """The confirmatory family of a report.

    Attributes:
        metric: name of the primary metric; None without one.
        pairs: systems that are compared, each pair once.
        quantities: names of quantities (of regimes in the zero-shot report), in the order of pages.
    """

    metric: str | None = None
    pairs: tuple[Pair, ...] = ()
    quantities: tuple[str, ...] = ()

    def holds(self, metric: str, quantity: str, a: str, b: str) -> bool:
        """Whether the difference of two systems in a quantity of a metric belongs to the family."""
        in_pairs = (a, b) in self.pairs or (b, a) in self.pairs
        return metric == self.metric and quantity in self.quantities and in_pairs


def named_pairs(systems: Sequence[SystemInfo]) -> tuple[Pair, ...]:
    """Each system that is evaluated against each control, then the systems against each other."""
    names = [s.name for s in asked(systems)]
    against = [s.name for s in controls(systems) if s.name not in names]
    return (*((a, b) for a in names for b in against), *combinations(names, 2))


def named_quantities(metric: MetricInfo, table: ClassTable, min_classes: int) -> tuple[str, ...]:
    """What is compared: the mean over all classes, the rarest stratum with training clips, classes without training clips where there are
    ``min_classes`` of them, and the difference of the most frequent stratum to the rarest.

    All clips stand for the classes of a set metric, which has no value of a class, and where no clip has a known class.
    """
    if not table.labels:
        return (ALL,)
    rarest, unseen = (table.strata[i].name for i in (head_and_tail(table)[1], len(table.strata) - 1))
    enough = int((table.stratum == len(table.strata) - 1).sum()) >= min_classes
    strata = (rarest, unseen) if enough else (rarest,)
    return (ALL, *strata) if metric.level == "set" else (CLASSES, *strata, GAP)


def confirmatory_family(
    metric: MetricInfo | None,
    systems: Sequence[SystemInfo],
    table: ClassTable,
    min_classes: int,
    pairs: Iterable[Pair] | None = None,
) -> Family:
    """The family of a long-tail analysis.

    Args:
        metric: the primary one, or None.
        systems: of the report.
        table: classes and strata.
        min_classes: a stratum with fewer classes has no test.
        pairs: named in place of :func:`named_pairs`; those with a reference are left out.
    """
    if metric is None:
        return Family()
    known = set(competing(systems))
    chosen = named_pairs(systems) if pairs is None else tuple(pair for pair in pairs if known.issuperset(pair))
    return Family(metric.name, chosen, named_quantities(metric, table, min_classes))


def family_name(family: Family, competitors: set[str], metric: str, quantity: str, a: str, b: str) -> FamilyName:
    """The family of one test; ``competitors``: names of the systems that are no references."""
    if not competitors.issuperset((a, b)):
        return "reference"
    return "confirmatory" if family.holds(metric, quantity, a, b) else "exploratory"


def corrected(tests: pd.DataFrame, metrics: Iterable[MetricInfo]) -> pd.DataFrame:
    """The tests with ``p_holm``, ``detectable`` and ``power_note``.

    p-values are corrected over the confirmatory family, and over each metric in the other two. The detectable difference is that of a test
    at 5 % divided by the number of tests of its family, which is Holm's rule for the smallest of their p-values.

    Args:
        tests: frame with "metric", "quantity" (or "regime"), "family", "p_value" (NaN without a test), "se", "df" and "level".
        metrics: those of the tests.
    """
    scales = {m.name: Scale.of(m.range) for m in metrics}
    groups = tests["metric"].where(tests["family"] != "confirmatory", "")
    parts = [_corrected_family(rows, scales) for _, rows in tests.groupby([tests["family"], groups])]
    added = pd.concat(parts or [_corrected_family(tests, scales)])
    return tests.assign(**{name: added[name].reindex(tests.index) for name in added.columns})


def _corrected_family(rows: pd.DataFrame, scales: Mapping[str, Scale]) -> pd.DataFrame:
    """What is added to the tests of one family."""
    p_values, se, df, level = (rows[name].to_numpy(dtype="float64") for name in ("p_value", "se", "df", "level"))
    made = np.isfinite(p_values)
    alpha = ALPHA / max(1, int(made.sum()))
    of_metric = [scales[name] for name in rows["metric"]]
    gaps = (rows["quantity"] == GAP).to_numpy() if "quantity" in rows else np.zeros(len(rows), dtype=bool)
    alone = [detectable_difference(error, n, alpha) for error, n in zip(se, df, strict=True)]
    needed = np.array([detectable_at(*each) for each in zip(of_metric, level, alone, strict=True)])
    widest = np.array([scale.high - scale.low for scale in of_metric]) * np.where(gaps, 2, 1)
    impossible = made & ~(needed <= widest)
    return pd.DataFrame(
        {
            "p_holm": holm(p_values),
            "detectable": np.where(made & ~impossible, needed, np.nan),
            "power_note": pd.Series([IMPOSSIBLE if each else None for each in impossible], index=rows.index, dtype="object"),
        },
        index=rows.index,
    )


def detectable_at(scale: Scale, level: float, difference: float) -> float:
    """The detectable difference of two systems of which one is at ``level``, when the variance of a mean changes with its level.

    The other system is taken to lie in the direction in which the variance grows. Infinite where no difference is large enough.

    Args:
        scale: of the metric.
        level: mean of one system, NaN where unknown.
        difference: detectable with the variance at ``level``.
    """
    variance = float(scale.variance(np.array(level)))
    if scale.constant or not variance > 0 or not np.isfinite(difference):
        return difference
    # The mean of the variances at level and level + d, over that at level, is 1 + linear d + square d**2.
    linear = abs(scale.high + scale.low - 2 * level) / 2 / variance if scale.bounded else 1 / (level - scale.low)
    square = -1 / 2 / variance if scale.bounded else 1 / 2 / variance
    leading = 1 - square * difference**2
    if leading <= 0:
        return np.inf
    half = linear * difference**2 / 2
    return float((half + np.sqrt(half**2 + leading * difference**2)) / leading)


def n_tests(tests: pd.DataFrame) -> int:
    """Number of tests that were made in the confirmatory family."""
    return int(((tests["family"] == "confirmatory") & tests["p_value"].notna()).sum())
