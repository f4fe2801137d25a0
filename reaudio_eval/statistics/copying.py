"""Leakage and copying: affected prompts, similarity to retrieved clips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from reaudio_eval.clips.retrieval import leaks
from reaudio_eval.frames.statistics import COPYING_FRAMES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.scores.jackknife import LEVEL, Floats, Interval, no_interval
from reaudio_eval.scores.system_scores import MetricInfo, Range, SystemScores
from reaudio_eval.statistics.analysis import CopyingAnalysis
from reaudio_eval.statistics.class_table import Bools, ClassTable, summarise
from reaudio_eval.statistics.context import Context
from reaudio_eval.statistics.estimates import micro
from reaudio_eval.statistics.intervals import Estimate, undefined
from reaudio_eval.statistics.rows import Row
from reaudio_eval.statistics.scale import Scale
from reaudio_model.retrieval.leakage import LeakReport

COSINE = Scale.of(Range(-1.0, 1.0))
NEAR_COPY = 0.99  # quantile of the real clips' similarities above which a clip is a near copy
MIN_NEAR_COPY = 20  # clips below which that quantile is only the largest of a few


def copying_analysis(
    systems: Sequence[SystemScores],
    dataset: Dataset,
    metrics: Sequence[MetricInfo],
    values: Mapping[str, Mapping[str, Floats]],
    context: Context,
) -> CopyingAnalysis:
    """Leakage and copying of the systems; no number depends on the order of systems, prompts or rows.

    Args:
        systems: each with scores of all prompts or some of them.
        dataset: the prompts of those clips.
        metrics: of the report.
        values: system name -> metric name -> array of ``class_table.score_arrays``.
        context: classes and strata.
    """
    reports = {s.system.name: leaks(s.system.retrieval, dataset.prompts) for s in systems if s.system.retrieval is not None}
    affected = [s for s in systems if s.system.name in reports and reports[s.system.name].affected]
    copies = _copies(systems, context.table)
    rows: dict[str, list[Row]] = {
        "retrieved": [row for s in systems for row in _retrieved_rows(s, dataset)],
        "leaks": [row for name, report in reports.items() for row in _leak_rows(name, report)],
        "leak_scores": [
            row
            for metric in metrics
            for s in affected
            for row in _leak_score_rows(metric, s, systems, reports[s.system.name], values, context)
        ],
        "summary": _summary_rows(copies, context),
    }
    frames = {name: COPYING_FRAMES[name].frame(content) for name, content in rows.items()}
    neighbours_of = {s.system.name: s.neighbours_of for s in systems if s.neighbours_of}
    return CopyingAnalysis(copies=copies, neighbours_of=neighbours_of, **frames)


def _retrieved_rows(scores: SystemScores, dataset: Dataset) -> Iterator[Row]:
    if scores.system.retrieval is None:
        return
    for prompt in dataset.prompts:
        for n in scores.system.retrieval.neighbours.get(prompt.clip_id, ()):
            yield {
                "system": scores.system.name,
                "clip_id": prompt.clip_id,
                "rank": n.rank,
                "neighbour_id": n.pair.clip_id,
                "caption": n.pair.caption,
                "source_id": n.pair.source_id,
                "similarity": n.similarity,
            }


def _leak_rows(name: str, report: LeakReport) -> Iterator[Row]:
    kinds: dict[str, Sequence[str]] = {k: getattr(report, k) for k in ("target", "same_source", "identical_caption")}
    for kind, clip_ids in (kinds | {"any": sorted(report.affected)}).items():
        yield {
            "system": name,
            "kind": kind,
            "n": len(clip_ids),
            "n_prompts": report.n_prompts,
            "share": report.proportion(clip_ids),
        }


def _leak_score_rows(
    metric: MetricInfo,
    scores: SystemScores,
    systems: Sequence[SystemScores],
    report: LeakReport,
    values: Mapping[str, Mapping[str, Floats]],
    context: Context,
) -> Iterator[Row]:
    """Means over affected and over clean prompts, and differences to the no-retrieval controls on the same prompts."""
    name = scores.system.name
    array = values[name].get(metric.name)
    if array is None:
        return
    controls = sorted(
        s.system.name
        for s in systems
        if s.system.kind == "generated" and s.system.retrieval is None and metric.name in values[s.system.name]
    )
    leaked = np.array([clip_id in report.affected for clip_id in context.table.clip_ids], dtype=bool)
    for group, rows in (("affected", leaked), ("clean", ~leaked)):
        for minus in ("", *controls):
            scale = Scale.of(metric.range)
            compared, of = (array - values[minus][metric.name], scale.difference()) if minus else (array, scale)
            estimate, n_clips = _over(compared, rows, of, context)
            keys: Row = {"metric": metric.name, "group": group, "system": name, "minus": minus}
            yield keys | _estimate_row(estimate, n_clips)


def _over(array: Floats, rows: Bools, scale: Scale, context: Context) -> tuple[Estimate, int]:
    """The mean over some clips, and how many of them have a value."""
    kept = array.copy()
    kept[~rows] = np.nan
    summary = summarise(kept, context.table, scale)
    return micro(summary, context), int((summary.clip_counts > 0).sum())


def _estimate_row(estimate: Estimate, n_clips: int) -> Row:
    interval = estimate.interval
    return {
        "value": estimate.value, "ci_low": interval.low, "ci_high": interval.high, "ci_method": interval.method, "n_clips": n_clips,
        "reason": interval.reason,
    }  # fmt: skip


def _copies(systems: Sequence[SystemScores], table: ClassTable) -> pd.DataFrame:
    known = set(table.clip_ids)
    frames = []
    for scores in systems:
        rows = scores.copies[scores.copies["clip_id"].isin(known)].sort_values(["embedder", "clip_id"], kind="stable")
        frames.append(rows.assign(system=scores.system.name, excess=rows["similarity"] - rows["real_similarity"]))
    return (
        COPYING_FRAMES["copies"].cast(pd.concat(frames, ignore_index=True)) if frames else COPYING_FRAMES["copies"].empty()
    )


def _summary_rows(copies: pd.DataFrame, context: Context) -> list[Row]:
    rows: list[Row] = []
    place = {clip_id: i for i, clip_id in enumerate(context.table.clip_ids)}
    for (system, embedder), rows_of in copies.groupby(["system", "embedder"], sort=False):
        keys: Row = {"system": system, "embedder": embedder}
        where = rows_of["clip_id"].map(place).to_numpy(dtype=np.intp)
        for quantity in ("similarity", "real_similarity", "excess"):
            array = np.full(len(place), np.nan)
            array[where] = rows_of[quantity]
            scale = COSINE.difference() if quantity == "excess" else COSINE
            estimate, n_clips = _over(array, np.ones(len(place), dtype=bool), scale, context)
            rows.append(keys | {"quantity": quantity} | _estimate_row(estimate, n_clips))
        share, limit = near_copies(rows_of["similarity"].to_numpy(), rows_of["real_similarity"].to_numpy())
        for quantity, estimate_of in (("near_copies", share), ("limit", limit)):
            rows.append(keys | {"quantity": quantity} | _estimate_row(estimate_of, len(rows_of)))
    return rows


def near_copies(similarity: Floats, real_similarity: Floats) -> tuple[Estimate, Estimate]:
    """The proportion of near copies: clips more similar to a retrieved clip than nearly every real clip is.

    Args:
        similarity, real_similarity: float64 (n,), cosines of generated and of real clips with their nearest neighbours; pairs with
            a NaN (a clip without direction) are left out.

    Returns:
        The proportion of ``similarity`` above the ``NEAR_COPY`` quantile of ``real_similarity``, with Wilson's interval (for a fixed
        limit), and the limit; both undefined below ``MIN_NEAR_COPY`` clips.
    """
    known = np.isfinite(similarity) & np.isfinite(real_similarity)
    similarity, real_similarity = similarity[known], real_similarity[known]
    n = len(similarity)
    few = undefined(f"{n} clips: near copies need at least {MIN_NEAR_COPY}, for a quantile of the real clips")
    if n < MIN_NEAR_COPY:
        return few, few
    limit = float(np.quantile(real_similarity, NEAR_COPY))
    test = binomtest(int((similarity > limit).sum()), n)
    ends = test.proportion_ci(LEVEL, "wilson")
    interval = Interval(float(ends.low), float(ends.high), np.nan, np.nan, "Wilson over clips")
    return Estimate(float(test.statistic), interval), Estimate(limit, no_interval("a limit, not an estimate"))
