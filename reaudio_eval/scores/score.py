"""Scoring one system: every metric, over all clips and within strata."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.plugins.files import explained
from reaudio_eval.scores.checked import clip_values, label_values
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, Metric, MetricInput, Need, SetMetric
from reaudio_eval.scores.seeds import mean_scores, seed_values
from reaudio_eval.scores.set_metrics import Floors, Partition, set_rows
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores


@dataclass(frozen=True)
class NamedMetric:
    """A metric definition bound to an embedder. unavailable: why it cannot be computed for any system, or None."""

    definition: Metric
    info: MetricInfo
    unavailable: str | None = None


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
    captions = inputs.generated.text is not None if "text" in needs else any(p.caption.strip() for p in inputs.prompts)
    labels = any(p.labels and p.labels_known for p in inputs.prompts)
    has = Has(inputs.reference is not None, captions, labels, bool(inputs.vocabulary), bool(inputs.class_names))
    return lacking(needs, has)


class Has(NamedTuple):
    """What data have. vocabulary: the order of the embedder's classes is that of the dataset's; class_names: their names are known."""

    reference: bool
    captions: bool
    labels: bool
    vocabulary: bool
    class_names: bool


def lacking(needs: Collection[Need], has: Has) -> str | None:
    """What the data lack of a metric's needs, with the option that gives it; None where they have all."""
    if "reference" in needs and not has.reference:
        return "needs reference audio: --references FOLDER"
    if not has.captions and not {"text", "captions"}.isdisjoint(needs):
        return "needs captions: score needs --captions TABLE"
    if "labels" in needs and not has.labels:
        return "needs labels"
    if "labels" in needs and not has.vocabulary:
        return "the order of this tagger's classes is not known for this dataset"
    if "class_names" in needs and not has.class_names:
        return "needs the names of the tagger's classes: score needs --class-list TABLE, the dataset folder class_labels_indices.csv"
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
    of_sets: list[dict[str, object]] = []
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
                rows, by_seed = set_rows(metric.info.name, metric.definition, every, partition, floors)
                of_sets += rows
                seed_rows += [row | {"seed": seed} for seed, own in zip(seeds, by_seed, strict=False) for row in own]
            else:
                for seed, each in zip(seeds, every, strict=True):
                    clip_rows[seed].append(_value_rows(metric.definition, metric.info.name, each))
    frames = {seed: SCORES.check(pd.concat(own, ignore_index=True)) for seed, own in clip_rows.items() if own}
    scores = SCORES.empty() if not frames else mean_scores(frames) if more else frames[seeds[0]]
    set_values = SET_VALUES.check(pd.DataFrame(of_sets, columns=SET_VALUES.names)) if of_sets else SET_VALUES.empty()
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
