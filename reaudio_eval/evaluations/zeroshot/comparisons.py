"""Paired comparisons by regime: a system against its twin and against copying, over the classes that neither met in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

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

Role = Literal["system", "twin", "copy", "oracle", "real", "noise"]


class World(NamedTuple):
    """What every row is made from. place: position in REGIMES of each class; met: system -> classes it met beyond the counts."""

    context: Context
    place: IntArray
    met: Mapping[str, Bools]

    def members(self, regime: Regime) -> Bools:
        found: Bools = self.place == REGIMES.index(regime)
        return found

    def allowed(self, regime: Regime, *systems: str) -> Bools:
        """Classes of the regime that none of the systems met in its own training; everyone may have met those that are seen."""
        inside = self.members(regime)
        if regime in RARE:
            for system in systems:
                inside = inside & ~self.met[system]
        return inside

    def size(self, regime: Regime) -> tuple[int, int]:
        """Classes of the regime, and clips with one of them."""
        inside = self.members(regime)
        return int(inside.sum()), int(self.context.table.member[:, inside].any(axis=1).sum())


def compared_pairs(
    order: Sequence[str], roles: Mapping[str, Role], training: Mapping[str, Training]
) -> Iterator[tuple[str, str, Role]]:
    """(system, against, role of the latter) for every system that competes."""
    for system in sorted(name for name in order if roles[name] == "system"):
        for role in ("twin", "copy"):
            yield from ((system, other, roles[other]) for other in order if roles[other] == role)


def paired_rows(
    metric: str,
    pairs: Sequence[tuple[str, str, Role]],
    regimes: Sequence[Regime],
    arrays: Mapping[str, Mapping[str, Floats]],
    world: World,
    training: Mapping[str, Training],
) -> list[Row]:
    rows: list[Row] = []
    terms: list[Floats] = []
    for system, against, role in pairs:
        if metric not in arrays[system] or metric not in arrays[against]:
            continue
        difference = summarise(arrays[system][metric] - arrays[against][metric], world.context.table)
        for regime in regimes:
            allowed = world.allowed(regime, system, against)
            estimate = _difference(difference, allowed, training, (system, against), world)
            rows.append(_paired_row(estimate, difference, allowed) | {
                "metric": metric, "regime": regime.name, "system": system, "against": against, "role": role,
            })  # fmt: skip
            defined = allowed & difference.defined
            terms.append(np.where(defined, difference.class_means, 0.0) / max(1, int(defined.sum())))
    _test(rows, terms, world)
    for row, p in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def _difference(
    difference: Summary, allowed: Bools, training: Mapping[str, Training], who: Sequence[str], world: World
) -> Estimate:
    unknown = [name for name in who if not training[name].known]
    if unknown:
        return undefined(f"what {unknown[0]} was trained on is not known")
    if not allowed.any():
        return undefined("n/a (seen): no class of this regime is new to both")
    return macro(difference, allowed, world.context)


def _paired_row(estimate: Estimate, difference: Summary, allowed: Bools) -> Row:
    value, found = estimate
    n_classes = int((allowed & difference.defined).sum())
    return {
        "difference": value, "ci_low": found.low, "ci_high": found.high, "p_value": np.nan, "reason": found.reason,
        "smallest_p": smallest_p(n_classes) if found.reason is None else np.nan, "widening": found.widening,
        "detectable": detectable_difference(found.se, found.df), "n_classes": n_classes, "n_clips": difference.n_clips(allowed),
    }  # fmt: skip


def _test(rows: list[Row], terms: Sequence[Floats], world: World) -> None:
    """Fill in the p-values of the rows that have an interval."""
    tested = [i for i, row in enumerate(rows) if row["reason"] is None]
    if tested:
        rng = world.context.class_draws.rng(("sign flips", *world.context.table.labels))
        p_values = sign_flip_p(np.column_stack([terms[i] for i in tested]), rng, [rows[i]["widening"] for i in tested])
        for i, p in zip(tested, p_values, strict=True):
            rows[i]["p_value"] = float(p)


def smallest_p(n_classes: int) -> float:
    """The smallest two-sided p-value a sign-flip test over so many classes can have."""
    return 2.0 ** (1 - n_classes) if n_classes <= MAX_ENUMERATED else 1 / (1 + N_FLIPS)
