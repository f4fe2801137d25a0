"""Scoring one system: every metric, over all clips and within strata.

Set metrics are evaluated on many subsets of clips in one call: all clips, the groups of a delete-a-group jackknife (for intervals and
paired differences), and the strata. Where the expected value depends on the number of clips (Frechet, IS), strata are compared at equal
n, with a floor: the same metric between two disjoint halves of the real clips.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.feature_set import IntArray, Undefined
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.plugins.files import explained
from reaudio_eval.scores.checked import clip_values, label_values, set_values
from reaudio_eval.scores.jackknife import jackknife_interval
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, Metric, MetricInput, Need, SetMetric, Subset
from reaudio_eval.scores.seeds import mean_scores, mean_set_values, seed_values
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores

JACKKNIFE_GROUPS = 20
MATCHED_DRAWS = 20
MIN_MATCHED_CLIPS = 5  # in half a stratum; with fewer a Frechet distance has no meaning
ALL = "all"


@dataclass(frozen=True)
class NamedMetric:
    """A metric definition bound to an embedder. unavailable: why it cannot be computed for any system, or None."""

    definition: Metric
    info: MetricInfo
    unavailable: str | None = None


@dataclass(frozen=True)
class Partition:
    """Rows (of the sorted common clips) in each stratum, by rarest label. Clips without trusted labels are in none."""

    rows: Mapping[str, IntArray] = field(default_factory=dict)


class _Plan(NamedTuple):
    """Subsets to evaluate and where each block of them starts."""

    subsets: list[Subset]
    blocks: dict[tuple[str, str], slice]  # (stratum, "value" | "jackknife" | "matched") -> positions in subsets


def deleted_groups(n: int, seed: int) -> list[IntArray]:
    """Rows kept when each of min(20, n) random groups of rows is left out; the same for every system."""
    if n < 2:
        return []
    order = np.random.default_rng([seed, n]).permutation(n)
    groups = np.array_split(order, min(JACKKNIFE_GROUPS, n))
    return [np.setdiff1d(np.arange(n), group) for group in groups]


def halves(rows: IntArray, size: int, n_draws: int, seed: int) -> list[Subset]:
    """Random pairs of disjoint subsets of ``rows``, ``size`` each."""
    rng = np.random.default_rng([seed, len(rows), size])
    draws = (rng.permutation(rows) for _ in range(n_draws))
    return [Subset(np.sort(d[:size]), np.sort(d[size : 2 * size])) for d in draws]


def _same(rows: IntArray) -> Subset:
    return Subset(rows, rows)


def _plan(definition: SetMetric, n: int, partition: Partition, seed: int) -> _Plan:
    subsets: list[Subset] = []
    blocks: dict[tuple[str, str], slice] = {}

    def add(stratum: str, kind: str, block: Sequence[Subset]) -> None:
        blocks[stratum, kind] = slice(len(subsets), len(subsets) + len(block))
        subsets.extend(block)

    def add_whole(stratum: str, rows: IntArray) -> None:
        add(stratum, "value", [_same(rows)])
        if definition.interval == "jackknife":
            add(stratum, "jackknife", [_same(rows[kept]) for kept in deleted_groups(len(rows), seed)])

    all_rows = np.arange(n)
    add_whole(ALL, all_rows)
    if "reference" in definition.needs and n >= 2 * MIN_MATCHED_CLIPS:
        add(ALL, "matched", halves(all_rows, n // 2, MATCHED_DRAWS, seed))
    if definition.in_strata:
        size = matched_size(partition)
        for name, rows in partition.rows.items():
            if not definition.size_biased:
                add_whole(name, rows)
            elif size and len(rows) >= 2 * size:
                add(name, "matched", halves(rows, size, MATCHED_DRAWS, seed))
    return _Plan(subsets, blocks)


def matched_size(partition: Partition) -> int | None:
    """Clips in each half when strata are compared at equal n: half the smallest stratum that is large enough."""
    sizes = [len(rows) // 2 for rows in partition.rows.values() if len(rows) >= 2 * MIN_MATCHED_CLIPS]
    return min(sizes) if sizes else None


class Floors:
    """Real-against-real values of set metrics; they depend on no system, so they are computed once."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, float]] = {}

    def get(self, metric: NamedMetric, inputs: MetricInput, plan: _Plan) -> dict[str, float]:
        """stratum -> mean over the draws of the metric between two halves of the real clips."""
        if metric.info.name not in self._values:
            self._values[metric.info.name] = self._compute(metric.definition, metric.info.name, inputs, plan)
        return self._values[metric.info.name]

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


def _set_rows(
    metric: NamedMetric, definition: SetMetric, inputs: Sequence[MetricInput], partition: Partition, floors: Floors
) -> tuple[list[dict[str, object]], list[list[dict[str, object]]]]:
    """The rows of a set metric, and those of each of several inputs (seeds), whose mean they are."""
    plan = _plan(definition, len(inputs[0].generated), partition, inputs[0].seed)
    values = [set_values(definition, metric.info.name, each, plan.subsets) for each in inputs]
    floor = floors.get(metric, inputs[0], plan)
    strata = [ALL, *(partition.rows if definition.in_strata else ())]

    def rows(of: Sequence[float | Undefined]) -> list[dict[str, object]]:
        return [_set_row(metric.info.name, s, plan, of, floor, partition) for s in strata]

    return (rows(values[0]), []) if len(values) == 1 else (rows(mean_set_values(values)), list(map(rows, values)))


def _set_row(
    name: str,
    stratum: str,
    plan: _Plan,
    values: Sequence[float | Undefined],
    floor: Mapping[str, float],
    partition: Partition,
) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(SET_VALUES.names, math.nan)
    row |= {"metric": name, "stratum": stratum, "replicates": [], "ci_method": "", "reason": None, "floor_n": 0}
    row |= {"floor": floor.get(stratum, math.nan)}
    matched_block = plan.blocks.get((stratum, "matched"))
    if matched_block is not None:
        matched = values[matched_block]
        row |= {"matched": _mean(matched), "floor_n": len(plan.subsets[matched_block][0].generated)}
    value_block = plan.blocks.get((stratum, "value"))
    if value_block is not None:
        replicates = values[plan.blocks[stratum, "jackknife"]] if (stratum, "jackknife") in plan.blocks else []
        n_clips = len(plan.subsets[value_block][0].generated)
        return row | {"n_clips": n_clips} | _whole_value(values[value_block][0], replicates)
    if matched_block is not None:
        return row | {"n_clips": row["floor_n"]} | _matched_value(values[matched_block])
    n_clips = len(partition.rows[stratum])
    reason = f"{n_clips} clips: size-matched comparison needs at least {2 * MIN_MATCHED_CLIPS} in the stratum"
    return row | {"n_clips": n_clips, "reason": reason}


def _whole_value(value: float | Undefined, replicates: Sequence[float | Undefined]) -> dict[str, object]:
    if isinstance(value, Undefined):
        return {"value": math.nan, "reason": value.reason}
    numbers = [r for r in replicates if not isinstance(r, Undefined)]
    if not numbers or len(numbers) < len(replicates):
        return {"value": value, "ci_method": "none"}
    interval = jackknife_interval(value, np.asarray(numbers))
    return {
        "value": value,
        "replicates": numbers,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_method": interval.method,
    }


def _matched_value(values: Sequence[float | Undefined]) -> dict[str, object]:
    undefined = next((v for v in values if isinstance(v, Undefined)), None)
    if undefined is not None:
        return {"value": math.nan, "reason": undefined.reason}
    low, high = np.quantile(np.asarray(values, dtype=np.float64), [0.025, 0.975])
    method = f"spread of {len(values)} size-matched draws"
    return {"value": _mean(values), "ci_low": float(low), "ci_high": float(high), "ci_method": method}


NONE_IN_COMMON = "no prompt has a clip of every system, and metrics of sets of clips compare systems on the same prompts"


def why_not(metric: NamedMetric, system: SystemInfo, inputs: MetricInput | None) -> str | None:
    """Why a metric has no value for a system, or None when it can be computed; ``inputs``: None where no clip is common to all systems."""
    if metric.unavailable is not None:
        return metric.unavailable
    if inputs is None:
        return NONE_IN_COMMON
    needs = metric.definition.needs
    if len(inputs.generated) == 0:
        return "no clip could be scored"
    if "neighbours" in needs and inputs.neighbours is None:
        return "no system of this report retrieves, or its retrieval is unknown"
    if "reference" in needs and system.kind == "real" and "neighbours" not in needs:
        return "the real clips are the reference: compared with themselves the value has no meaning (see the floor)"
    labels = any(p.labels and p.labels_known for p in inputs.prompts)
    return lacking(
        needs, inputs.reference is not None, inputs.generated.text is not None, labels, vocabulary=bool(inputs.vocabulary)
    )


def lacking(needs: Collection[Need], reference: bool, text: bool, labels: bool, *, vocabulary: bool) -> str | None:
    """What the data lack of a metric's needs, with the option that gives it; None where they have all.

    Args:
        needs: of the metric.
        reference, text, labels: whether there are real clips, captions and labels.
        vocabulary: whether the order of the embedder's classes is that of the dataset's.
    """
    if "reference" in needs and not reference:
        return "needs reference audio: --references FOLDER"
    if "text" in needs and not text:
        return "needs captions: score needs --captions TABLE"
    if "labels" in needs and not labels:
        return "needs labels"
    if "labels" in needs and not vocabulary:
        return "the order of this tagger's classes is not known for this dataset"
    return None


def score_system(
    system: SystemInfo,
    metrics: Sequence[NamedMetric],
    inputs: Mapping[str, MetricInput],
    partition: Partition,
    floors: Floors,
    more: Sequence[Mapping[str, MetricInput]] = (),
    sets: Sequence[Mapping[str, MetricInput]] | None = None,
) -> SystemScores:
    """All metrics of one system.

    Args:
        system: the system.
        metrics: definitions bound to embedders, in display order.
        inputs: embedder name -> features of generated and reference clips, rows sorted by clip id.
        partition: rows in each stratum, for set metrics.
        floors: shared over the systems of a run.
        more: ``inputs`` of the seeds after the first, of a system with several clips for each prompt.
        sets: ``inputs`` and ``more`` of the clips that every system has, for set metrics, () where there are none; None where these are
            the same.
    """
    seeds = system.seeds or (0,)
    clip_rows: dict[int, list[pd.DataFrame]] = {seed: [] for seed in seeds}
    set_rows: list[dict[str, object]] = []
    seed_rows: list[dict[str, object]] = []
    undefined: dict[str, str] = {}
    for metric in metrics:
        chosen = sets if isinstance(metric.definition, SetMetric) and sets is not None else (inputs, *more)
        reason = why_not(metric, system, chosen[0].get(metric.info.embedder) if chosen else None)
        if reason is not None:
            undefined[metric.info.name] = reason
            continue
        every = [each[metric.info.embedder] for each in chosen]
        with _guarded(metric):
            if isinstance(metric.definition, SetMetric):
                rows, by_seed = _set_rows(metric, metric.definition, every, partition, floors)
                set_rows += rows
                seed_rows += [row | {"seed": seed} for seed, own in zip(seeds, by_seed, strict=False) for row in own]
            else:
                for seed, each in zip(seeds, every, strict=True):
                    clip_rows[seed].append(_value_rows(metric.definition, metric.info.name, each))
    frames = {seed: SCORES.check(pd.concat(own, ignore_index=True)) for seed, own in clip_rows.items() if own}
    scores = SCORES.empty() if not frames else mean_scores(frames) if more else frames[seeds[0]]
    set_values = SET_VALUES.check(pd.DataFrame(set_rows, columns=SET_VALUES.names)) if set_rows else SET_VALUES.empty()
    seed = next((given.seed for given in inputs.values()), 0)
    found = SystemScores(system, tuple(m.info for m in metrics), scores, set_values, undefined, seed=seed)
    return replace(found, seed_values=seed_values(frames, seed_rows)) if more else found


def _guarded(metric: NamedMetric) -> AbstractContextManager[None]:
    """Failures of a plug-in's metric are one sentence; those of our own are not caught."""
    compute = metric.definition.compute
    if str(getattr(compute, "__module__", "")).startswith("reaudio_eval."):
        return nullcontext()
    code = getattr(compute, "__code__", None)
    file = f" ({code.co_filename})" if code else ""
    return explained(f"The metric {metric.info.name}{file} fails", Path(code.co_filename) if code else None)


def _value_rows(definition: ClipMetric | LabelMetric, name: str, inputs: MetricInput) -> pd.DataFrame:
    ids = inputs.generated.clip_ids
    if isinstance(definition, ClipMetric):
        frame = pd.DataFrame({"clip_id": list(ids), "label": None, "value": clip_values(definition, name, inputs)})
    else:
        values = label_values(definition, name, inputs)
        frame = pd.DataFrame(
            {"clip_id": [ids[v.row] for v in values], "label": [v.label for v in values], "value": [v.value for v in values]}
        )
    frame["metric"] = name
    frame["label"] = frame["label"].astype(object)
    frame["value"] = frame["value"].astype(np.float64)
    return frame[SCORES.required]
