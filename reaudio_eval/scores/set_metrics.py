"""Set metrics over all clips and within strata, with intervals.

A set metric is evaluated on many subsets of clips in one call: all clips, the groups of a delete-a-group jackknife (for intervals and
paired differences), and the strata. Where the expected value depends on the number of clips (Frechet), strata are compared at equal n:
the mean over random pairs of disjoint subsets, generated clips of one against real clips of the other, with a floor, the same
between real clips. The jackknife then leaves out groups of the stratum's clips and takes the same draws again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from reaudio_eval.features.feature_set import IntArray, Undefined
from reaudio_eval.frames.scores import SET_VALUES
from reaudio_eval.scores.checked import set_replicates, set_values
from reaudio_eval.scores.jackknife import RANDOM_GROUPS, jackknife_interval
from reaudio_eval.scores.metrics import Metric, MetricInput, SetMetric, Subset
from reaudio_eval.scores.seeds import mean_set_values

JACKKNIFE_GROUPS = 20
MATCHED_GROUPS = 10  # of the clips of a stratum
MATCHED_DRAWS = 20
MIN_MATCHED_CLIPS = 10  # of either side; with fewer a Frechet distance has no meaning
OWN_GROUPS = "jackknife over the metric's own splits"  # method of an interval
ALL = "all"

Row = dict[str, object]


@dataclass(frozen=True)
class Partition:
    """Rows (of the sorted common clips) in each stratum, by rarest label. Clips without trusted labels are in none."""

    rows: Mapping[str, IntArray] = field(default_factory=dict)


class _Plan(NamedTuple):
    """Subsets to evaluate and where each block of them starts."""

    subsets: list[Subset]
    blocks: dict[tuple[str, str], slice]  # (stratum, "value" | "jackknife" | "matched" | "own") -> positions

    def add(self, stratum: str, kind: str, block: Sequence[Subset]) -> None:
        self.blocks[stratum, kind] = slice(len(self.subsets), len(self.subsets) + len(block))
        self.subsets.extend(block)


def random_groups(n: int, n_groups: int, seed: int) -> list[IntArray]:
    """``range(n)`` in min(n, n_groups) random groups; the same for every system."""
    return np.array_split(np.random.default_rng([seed, n]).permutation(n), min(n_groups, n))


def deleted_groups(n: int, seed: int, n_groups: int = JACKKNIFE_GROUPS) -> list[IntArray]:
    """Rows kept when each group of :func:`random_groups` is left out; none for fewer than two rows."""
    return [np.setdiff1d(np.arange(n), group) for group in random_groups(n, n_groups, seed)] if n >= 2 else []


def disjoint_pairs(rows: IntArray, size: int, n_draws: int, seed: int, without: IntArray | None = None) -> list[Subset]:
    """Random pairs of disjoint subsets of ``rows``, ``size`` each.

    Args:
        rows: of features.
        size: at most half the rows that are left.
        n_draws, seed: of the random orders of ``rows``, whose first clips are one subset and whose next are the other.
        without: rows that are left out; the others keep their order, so that most of a pair stays.
    """
    rng = np.random.default_rng([seed, len(rows), size])
    orders = [rng.permutation(rows) for _ in range(n_draws)]
    if without is not None:
        orders = [order[~np.isin(order, without)] for order in orders]
    return [Subset(np.sort(order[:size]), np.sort(order[size : 2 * size])) for order in orders]


def matched_size(partition: Partition) -> int | None:
    """Clips on either side when strata are compared at equal n: as many as the smallest stratum that is large enough has twice, also
    with a group of the jackknife left out."""
    sizes = [_largest_size(len(rows)) for rows in partition.rows.values()]
    return min((size for size in sizes if size >= MIN_MATCHED_CLIPS), default=None)


def _largest_size(n: int) -> int:
    return (n - math.ceil(n / MATCHED_GROUPS)) // 2


MIN_STRATUM = next(n for n in range(10 * MIN_MATCHED_CLIPS) if _largest_size(n) >= MIN_MATCHED_CLIPS)


def _plan(definition: SetMetric, n: int, partition: Partition, seed: int) -> _Plan:
    plan = _Plan([], {})
    all_rows = np.arange(n)
    _add_whole(plan, definition, ALL, all_rows, seed)
    if "reference" in definition.needs and n >= 2 * MIN_MATCHED_CLIPS:
        plan.add(ALL, "matched", disjoint_pairs(all_rows, n // 2, MATCHED_DRAWS, seed))
    if definition.in_strata:
        size = matched_size(partition)
        for name, rows in partition.rows.items():
            if not definition.size_biased:
                _add_whole(plan, definition, name, rows, seed)
            elif size and _largest_size(len(rows)) >= size:
                _add_matched(plan, name, rows, size, seed)
    return plan


def _add_whole(plan: _Plan, definition: SetMetric, stratum: str, rows: IntArray, seed: int) -> None:
    plan.add(stratum, "value", [Subset(rows, rows)])
    if definition.interval == "jackknife" and definition.replicates is None:
        kept = [rows[k] for k in deleted_groups(len(rows), seed)]
        plan.add(stratum, "jackknife", [Subset(k, k) for k in kept])


def _add_matched(plan: _Plan, stratum: str, rows: IntArray, size: int, seed: int) -> None:
    plan.add(stratum, "matched", disjoint_pairs(rows, size, MATCHED_DRAWS, seed))
    groups = random_groups(len(rows), MATCHED_GROUPS, seed)
    plan.add(
        stratum, "jackknife", [s for g in groups for s in disjoint_pairs(rows, size, MATCHED_DRAWS, seed, without=rows[g])]
    )


class Floors:
    """Real-against-real values of set metrics; they depend on no system, so they are computed once."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float]] = {}

    def get(self, name: str, definition: SetMetric, inputs: MetricInput, plan: _Plan) -> dict[str, float]:
        """stratum -> mean over the draws of the metric between two halves of the real clips."""
        if name not in self._values:
            self._values[name] = self._compute(definition, name, inputs, plan)
        return self._values[name]

    @staticmethod
    def _compute(definition: Metric, name: str, inputs: MetricInput, plan: _Plan) -> dict[str, float]:
        if not isinstance(definition, SetMetric) or inputs.reference is None or "reference" not in definition.needs:
            return {}
        real = replace(inputs, generated=inputs.reference)
        wanted = {stratum: block for (stratum, kind), block in plan.blocks.items() if kind == "matched"}
        subsets = [s for block in wanted.values() for s in plan.subsets[block]]
        values = iter(set_values(definition, name, real, subsets))
        return {s: _mean([next(values) for _ in plan.subsets[block]]) for s, block in wanted.items()}


def _mean(values: Sequence[float | Undefined]) -> float:
    numbers = [v for v in values if not isinstance(v, Undefined)]
    return float(np.mean(numbers)) if len(numbers) == len(values) and numbers else math.nan


def set_rows(
    name: str, definition: SetMetric, inputs: Sequence[MetricInput], partition: Partition, floors: Floors
) -> tuple[list[Row], list[list[Row]]]:
    """The rows of ``frames.scores.SET_VALUES`` of a metric, and those of each of several inputs (seeds), whose mean they are.

    Args:
        name: full name of the metric.
        definition: of the metric.
        inputs: one, or one for each seed.
        partition: rows in each stratum.
        floors: shared over the systems of a run.
    """
    plan = _plan(definition, len(inputs[0].generated), partition, inputs[0].seed)
    values = [set_values(definition, name, each, plan.subsets) for each in inputs]
    floor = floors.get(name, definition, inputs[0], plan)
    if definition.replicates is not None:
        values = [[*own, *_own_replicates(name, definition, each, plan)] for own, each in zip(values, inputs, strict=True)]
    strata = [ALL, *(partition.rows if definition.in_strata else ())]

    def rows(of: Sequence[float | Undefined]) -> list[Row]:
        return [_row(name, s, plan, of, floor, partition, definition) for s in strata]

    return (rows(values[0]), []) if len(values) == 1 else (rows(mean_set_values(values)), list(map(rows, values)))


def _own_replicates(name: str, definition: SetMetric, inputs: MetricInput, plan: _Plan) -> Iterator[float | Undefined]:
    """The metric's own replicates of every stratum evaluated as a whole, after the values of the subsets."""
    place = len(plan.subsets)
    for stratum, kind in [key for key in plan.blocks if key[1] == "value"]:
        rows = plan.subsets[plan.blocks[stratum, kind]][0].generated
        found = set_replicates(definition, name, inputs, rows)
        plan.blocks[stratum, "jackknife"] = slice(place, place + len(found))
        place += len(found)
        yield from found


def _row(
    name: str,
    stratum: str,
    plan: _Plan,
    values: Sequence[float | Undefined],
    floor: Mapping[str, float],
    partition: Partition,
    definition: SetMetric,
) -> Row:
    row: Row = dict.fromkeys(SET_VALUES.names, math.nan)
    row |= {"metric": name, "stratum": stratum, "replicates": [], "ci_method": "", "reason": None, "floor_n": 0}
    row |= {"floor": floor.get(stratum, math.nan)}
    blocks = {kind: values[block] for (of, kind), block in plan.blocks.items() if of == stratum}
    if "matched" in blocks:
        size = len(plan.subsets[plan.blocks[stratum, "matched"]][0].generated)
        row |= {"matched": _mean(blocks["matched"]), "floor_n": size}
    if "value" in blocks:
        n_clips = len(plan.subsets[plan.blocks[stratum, "value"]][0].generated)
        return row | {"n_clips": n_clips} | _value(blocks["value"][0], blocks.get("jackknife", ()), definition)
    if "matched" in blocks:
        means = list(map(_mean_or_reason, np.reshape(np.array(blocks["jackknife"], dtype=object), (-1, MATCHED_DRAWS))))
        return row | {"n_clips": row["floor_n"]} | _value(_mean_or_reason(blocks["matched"]), means, definition)
    n_clips = len(partition.rows[stratum])
    reason = f"{n_clips} clips: a comparison at equal size needs at least {MIN_STRATUM} in the stratum"
    return row | {"n_clips": n_clips, "reason": reason}


def _mean_or_reason(values: Sequence[float | Undefined]) -> float | Undefined:
    return next((v for v in values if isinstance(v, Undefined)), _mean(values))


def _value(value: float | Undefined, replicates: Sequence[float | Undefined], definition: SetMetric) -> Row:
    """Value, interval and replicates of a row; the reason where one of them is undefined."""
    if isinstance(value, Undefined):
        return {"value": math.nan, "reason": value.reason}
    missing = next((r for r in replicates if isinstance(r, Undefined)), None)
    if missing is not None or not replicates:
        reason = "the metric has no interval" if missing is None else f"no interval: {missing.reason}"
        return {"value": value, "ci_method": "none", "reason": reason}
    numbers = [r for r in replicates if not isinstance(r, Undefined)]
    method = RANDOM_GROUPS if definition.replicates is None else OWN_GROUPS
    interval = jackknife_interval(value, np.asarray(numbers), method=method).within(definition.range)
    return {
        "value": value,
        "replicates": numbers,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_method": interval.method,
        "reason": interval.reason,
    }
