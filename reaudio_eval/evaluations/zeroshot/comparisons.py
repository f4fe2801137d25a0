"""Paired comparisons of systems with their controls, by training regime."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from reaudio_eval.clips.roles import asked
from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.features.feature_set import IntArray
from reaudio_eval.prompts.regimes import RARE, REGIMES, Regime
from reaudio_eval.prompts.training_labels import Training
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_eval.statistics.class_table import Bools, Summary, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import macro
from reaudio_eval.statistics.families import Family
from reaudio_eval.statistics.intervals import Estimate, t_test_p, undefined
from reaudio_eval.statistics.rows import Row
from reaudio_eval.statistics.scale import Scale


class RegimeClasses(NamedTuple):
    """The classes of the prompts by training regime.

    Attributes:
        context: classes, strata and draws.
        regime: intp (C,), position in ``REGIMES`` of each class.
        trained: system -> bool (C,), classes in its own training data.
    """

    context: Context
    regime: IntArray
    trained: Mapping[str, Bools]

    def members(self, regime: Regime) -> Bools:
        inside: Bools = self.regime == REGIMES.index(regime)
        return inside

    def allowed(self, regime: Regime, *systems: str) -> Bools:
        """Classes of the regime that are in no system's own training data; in the regime "seen" all of them."""
        inside = self.members(regime)
        if regime in RARE:
            for system in systems:
                inside = inside & ~self.trained[system]
        return inside

    def size(self, regime: Regime) -> tuple[int, int]:
        """Classes of the regime, and clips with one of them."""
        inside = self.members(regime)
        return int(inside.sum()), int(self.context.table.member[:, inside].any(axis=1).sum())


def compared_pairs(
    systems: Sequence[SystemInfo],
) -> Iterator[tuple[str, str, Role]]:
    """(system, other, role of the other): each evaluated system against controls and copies, then the systems against each other."""
    evaluated = sorted(asked(systems), key=lambda s: s.name)
    for system in evaluated:
        others = [s for role in ("control", "copy") for s in systems if s.role == role and s not in evaluated]
        yield from ((system.name, other.name, other.role) for other in others)
    yield from ((a.name, b.name, b.role) for a, b in combinations(evaluated, 2))


def paired_rows(
    metric: MetricInfo,
    pairs: Sequence[tuple[str, str, Role]],
    regimes: Sequence[Regime],
    arrays: Mapping[str, Mapping[str, Floats]],
    classes: RegimeClasses,
    training: Mapping[str, Training],
    family: Family,
) -> list[Row]:
    """Rows of ``ZeroshotAnalysis.paired`` of one metric.

    Args:
        metric: with a value per clip or label.
        pairs: of :func:`compared_pairs`.
        regimes: that are tested.
        arrays: system -> metric -> array of ``class_table.score_arrays``.
        classes: by regime.
        training: of every system.
        family: the confirmatory tests.
    """
    rows: list[Row] = []
    for system, against, role in pairs:
        ours, theirs = arrays[system].get(metric.name), arrays[against].get(metric.name)
        if ours is None or theirs is None:
            continue
        difference = summarise(ours - theirs, classes.context.table, Scale.of(metric.range).difference())
        middle = summarise((ours + theirs) / 2, classes.context.table)
        for regime in regimes:
            allowed = classes.allowed(regime, system, against)
            estimate = _difference(difference, allowed, training, (system, against), classes)
            named = family.holds(metric.name, regime.name, system, against)
            kind = "reference" if role == "copy" else "confirmatory" if named else "exploratory"
            defined = allowed & difference.defined
            level = float(middle.class_means[defined].mean()) if defined.any() else math.nan
            rows.append(_paired_row(estimate, difference, allowed, level) | {
                "metric": metric.name, "regime": regime.name, "system": system, "against": against, "role": role, "family": kind,
            })  # fmt: skip
    return rows


def _difference(
    difference: Summary, allowed: Bools, training: Mapping[str, Training], systems: Sequence[str], classes: RegimeClasses
) -> Estimate:
    unknown = [name for name in systems if not training[name].known]
    if unknown:
        return undefined(f"the training data of {unknown[0]} are not known")
    if not allowed.any():
        return undefined("n/a (seen): every class of this regime is in the training data of one of the two")
    return macro(difference, allowed, classes.context)


def _paired_row(estimate: Estimate, difference: Summary, allowed: Bools, level: float) -> Row:
    value, interval = estimate
    n_classes = int((allowed & difference.defined).sum())
    return {
        "difference": value, "ci_low": interval.low, "ci_high": interval.high, "p_value": t_test_p(value, interval),
        "se": interval.se, "df": interval.df, "level": level,
        "reason": interval.reason, "n_classes": n_classes, "n_clips": difference.n_clips(allowed),
    }  # fmt: skip
