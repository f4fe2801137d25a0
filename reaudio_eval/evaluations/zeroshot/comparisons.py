"""Paired comparisons of systems with their controls, by training regime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reaudio_eval.clips.roles import asked
from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.features.feature_set import IntArray
from reaudio_eval.prompts.regimes import RARE, REGIMES, Regime
from reaudio_eval.prompts.training_labels import Training
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.statistics.class_table import Bools, Summary, summarise
from reaudio_eval.statistics.estimates import Context, macro
from reaudio_eval.statistics.intervals import (
    MAX_ENUMERATED,
    N_FLIPS,
    Estimate,
    detectable_difference,
    holm,
    sign_flip_p,
    undefined,
)
from reaudio_eval.statistics.rows import Row


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
    """(system, control, role of the control) for every evaluated system."""
    for system in sorted(s.name for s in asked(systems)):
        for role in ("control", "copy"):
            yield from ((system, other.name, other.role) for other in systems if other.role == role and other.name != system)


def paired_rows(
    metric: str,
    pairs: Sequence[tuple[str, str, Role]],
    regimes: Sequence[Regime],
    arrays: Mapping[str, Mapping[str, Floats]],
    classes: RegimeClasses,
    training: Mapping[str, Training],
) -> list[Row]:
    """Rows of ``ZeroshotAnalysis.paired`` of one metric.

    Args:
        metric: name.
        pairs: of :func:`compared_pairs`.
        regimes: that are tested.
        arrays: system -> metric -> array of ``class_table.score_arrays``.
        classes: by regime.
        training: of every system.
    """
    rows: list[Row] = []
    terms: list[Floats] = []
    for system, against, role in pairs:
        if metric not in arrays[system] or metric not in arrays[against]:
            continue
        difference = summarise(arrays[system][metric] - arrays[against][metric], classes.context.table)
        for regime in regimes:
            allowed = classes.allowed(regime, system, against)
            estimate = _difference(difference, allowed, training, (system, against), classes)
            rows.append(_paired_row(estimate, difference, allowed) | {
                "metric": metric, "regime": regime.name, "system": system, "against": against, "role": role,
            })  # fmt: skip
            defined = allowed & difference.defined
            terms.append(np.where(defined, difference.class_means, 0.0) / max(1, int(defined.sum())))
    _test(rows, terms, classes)
    for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p
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


def _paired_row(estimate: Estimate, difference: Summary, allowed: Bools) -> Row:
    value, interval = estimate
    n_classes = int((allowed & difference.defined).sum())
    return {
        "difference": value, "ci_low": interval.low, "ci_high": interval.high, "p_value": np.nan, "reason": interval.reason,
        "smallest_p": smallest_p(n_classes) if interval.reason is None else np.nan, "widening": interval.widening,
        "detectable": detectable_difference(interval.se, interval.df), "n_classes": n_classes, "n_clips": difference.n_clips(allowed),
    }  # fmt: skip


def _test(rows: list[Row], terms: Sequence[Floats], classes: RegimeClasses) -> None:
    """Fill in the p-values of the rows that have an interval."""
    tested = [i for i, row in enumerate(rows) if row["reason"] is None]
    if tested:
        rng = classes.context.class_draws.rng(("sign flips", *classes.context.table.labels))
        p_values = sign_flip_p(np.column_stack([terms[i] for i in tested]), rng, [rows[i]["widening"] for i in tested])
        for i, p in zip(tested, p_values, strict=True):
            rows[i]["p_value"] = float(p)


def smallest_p(n_classes: int) -> float:
    """The smallest two-sided p-value a sign-flip test over so many classes can have."""
    return 2.0 ** (1 - n_classes) if n_classes <= MAX_ENUMERATED else 1 / (1 + N_FLIPS)
