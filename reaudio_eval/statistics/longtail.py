"""Long-tail analysis: from scores to every number of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from reaudio_eval.clips.roles import competing
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.statistics import LONGTAIL_FRAMES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum, check_strata, partition_by_rarest, stratum_of
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics import caveats
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis, NotComputed
from reaudio_eval.statistics.class_table import ClassTable, Summary, all_metrics, class_table, score_arrays, summarise
from reaudio_eval.statistics.computed import over_all_clips_only, split_metrics, why_no_strata
from reaudio_eval.statistics.context import Context, Estimand
from reaudio_eval.statistics.copying import copying_analysis
from reaudio_eval.statistics.families import Family, Pair, confirmatory_family, corrected, family_name
from reaudio_eval.statistics.intervals import gini, imbalance_ratio
from reaudio_eval.statistics.margins import Margin, check_margin, with_margin
from reaudio_eval.statistics.paired import paired_rows
from reaudio_eval.statistics.primary import choose_primary
from reaudio_eval.statistics.rows import Row, block
from reaudio_eval.statistics.scale import Scale
from reaudio_eval.statistics.thresholds import MIN_CLASSES
from reaudio_model.common.errors import ReaudioError

MIN_SPAN = 0.05  # proportion of the overall difference of real audio and noise; below it a normalised score is unstable


def analyse(
    systems: Sequence[SystemScores],
    dataset: Dataset,
    strata: Sequence[Stratum],
    *,
    estimand: Estimand = "sampled-classes",
    primary: str | None = None,
    against: str | None = None,
    pairs: Sequence[Pair] | None = None,
    margin: Margin | None = None,
    min_classes: int = MIN_CLASSES,
    provenance: Mapping[str, Any] | None = None,
    audit: Mapping[str, Any] | None = None,
    alerts: Sequence[Alert] = (),
) -> LongtailAnalysis:
    """Every number of the long-tail report.

    Overall numbers are means over clips, numbers by stratum are means over classes. Nothing is random: further systems or another order
    change no number but ``p_holm``.

    Args:
        systems: each with scores of all prompts or some of them.
        dataset, strata: the prompts of those clips with training counts, and strata that partition the counts.
        estimand: whether classes are a sample of such classes, or those of interest.
        primary: metric shown first; see :func:`~reaudio_eval.statistics.primary.choose_primary` for the default.
        against: see :func:`~reaudio_eval.statistics.paired.paired_rows`.
        pairs: of the confirmatory family; by default systems against their controls and against each other
            (:func:`~reaudio_eval.statistics.families.named_pairs`).
        margin: of the primary metric, for tests of non-inferiority and equivalence; one of another metric is not used.
        min_classes: strata with fewer classes have means without intervals and tests.
        provenance, audit, alerts: passed on to the report; further alerts are appended.

    Raises:
        ReaudioError: no system, two of the same name, strata that do not partition the counts, scores of another dataset, or a margin that
            the primary metric cannot have.
        UnknownNameError: no metric is called ``primary``.
    """
    _check(systems, strata)
    scored = _Scored.of(systems, dataset, strata, estimand, min_classes)
    frames = _system_frames(scored)
    metrics, left_out = split_metrics(systems, scored.metrics, frames)
    scored = scored._replace(metrics=metrics)
    frames |= _class_frames(scored)
    chosen = choose_primary(metrics, frames["overall"], primary, [each.metric for each in left_out])
    family = confirmatory_family(chosen, [s.system for s in systems], scored.context.table, min_classes, pairs)
    rows = _paired_rows(scored, family, against)
    if margin is not None:
        margin = None if chosen is None or margin.metric not in ("", chosen.name) else check_margin(margin.value, chosen)
    if margin is not None and chosen is not None:
        rows = with_margin(rows, {s.system.name: s.system.role for s in systems}, chosen, margin)
    frames["paired"] = corrected(LONGTAIL_FRAMES["paired"].frame(rows), scored.metrics)
    return _analysis(scored, frames, chosen, family, margin, left_out, provenance or {}, audit or {}, alerts)


class _Scored(NamedTuple):
    """Scores as arrays; ``values``: system -> metric -> array of ``class_table.score_arrays``."""

    systems: Sequence[SystemScores]
    dataset: Dataset
    metrics: tuple[MetricInfo, ...]
    values: Mapping[str, Mapping[str, Floats]]
    context: Context

    @classmethod
    def of(
        cls,
        systems: Sequence[SystemScores],
        dataset: Dataset,
        strata: Sequence[Stratum],
        estimand: Estimand,
        min_classes: int,
    ) -> _Scored:
        table = class_table(dataset, strata)
        context = Context(table, min_classes, estimand)
        values = {s.system.name: score_arrays(s, table) for s in systems}
        return cls(systems, dataset, all_metrics(systems), values, context)


def _paired_rows(scored: _Scored, family: Family, against: str | None) -> list[Row]:
    """Every paired difference with its family."""
    competitors = set(competing([s.system for s in scored.systems]))
    rows = [row for m in scored.metrics for row in paired_rows(m, scored.systems, scored.values, scored.context, against)]
    for row in rows:
        test = (row["metric"], row["quantity"], row["system_a"], row["system_b"])
        row["family"] = family_name(family, competitors, *test)
    return rows


def _analysis(
    scored: _Scored,
    frames: Mapping[str, pd.DataFrame],
    primary: MetricInfo | None,
    family: Family,
    margin: Margin | None,
    left_out: tuple[NotComputed, ...],
    provenance: Mapping[str, Any],
    audit: Mapping[str, Any],
    alerts: Sequence[Alert],
) -> LongtailAnalysis:
    dataset, table = scored.dataset, scored.context.table
    copying = copying_analysis(scored.systems, dataset, scored.metrics, scored.values, scored.context)
    systems = {s.system.name: s.system for s in scored.systems}
    no_strata = why_no_strata(dataset, scored.metrics, frames["by_stratum"])
    return LongtailAnalysis(
        dataset_name=dataset.name,
        split=dataset.split,
        list_sha256=dataset.list_sha256,
        systems=tuple(systems.values()),
        metrics=scored.metrics,
        primary=primary.name if primary else None,
        family=family,
        margin=margin,
        strata=table.strata,
        prompts=dataset.prompts,
        tail_shape=_tail_shape(dataset, table),
        alerts=(
            *caveats.without_strata(no_strata),
            *caveats.training_prompts(dataset.prompts),
            *caveats.different_prompts(scored.systems, dataset.prompts),
            *alerts,
            *caveats.leaks(copying.leaks, systems),
            *caveats.shared_networks(systems, scored.metrics),
            *caveats.reranked(systems, scored.metrics),
            *caveats.unreadable_neighbours(audit),
            *_alerts(frames, primary, systems, dataset, table),
        ),
        references=dataset.references,
        provenance=provenance,
        audit=audit,
        banner=dataset.banner,
        copying=copying,
        no_strata=no_strata,
        not_computed=left_out,
        **frames,
    )


def _check(systems: Sequence[SystemScores], strata: Sequence[Stratum]) -> None:
    check_strata(strata)
    names = [s.system.name for s in systems]
    if not names:
        raise ReaudioError("There is no system to analyse: name at least one with --model or --clips NAME=FOLDER.")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ReaudioError(f"Two systems are called {twice[0]!r}: give each a name of its own.")


def _system_frames(scored: _Scored) -> dict[str, pd.DataFrame]:
    """The frames with rows for each system and metric."""
    rows: dict[str, list[Row]] = {
        n: [] for n in ("overall", "by_stratum", "per_class", "curve", "bins", "trend", "clip_scores")
    }
    summaries = _summaries(scored)
    for system in scored.systems:
        for metric in scored.metrics:
            summary = summaries.get((system.system.name, metric.name))
            keys = {"system": system.system.name, "metric": metric.name}
            for name, new in block(system, metric, summary, scored.dataset, scored.context).items():
                rows[name] += [row | keys for row in new]
    frames = {name: LONGTAIL_FRAMES[name].frame(content) for name, content in rows.items()}
    whole = frames["by_stratum"]["metric"].isin(over_all_clips_only(scored.systems))
    frames["by_stratum"] = frames["by_stratum"][~whole].reset_index(drop=True)
    systems = sorted((s.system for s in scored.systems), key=lambda s: s.name)
    for name, keys_of_rows in (("by_stratum", ["metric", "stratum"]), ("per_class", ["metric", "label"])):
        frames[name]["normalised"] = normalised(frames[name], keys_of_rows, frames["overall"], systems)
    return frames


def _summaries(scored: _Scored) -> dict[tuple[str, str], Summary]:
    """(system, metric) -> its values, where there are any, with their models fitted."""
    summaries = {
        (system, metric.name): summarise(values[metric.name], scored.context.table, Scale.of(metric.range))
        for system, values in scored.values.items()
        for metric in scored.metrics
        if metric.level != "set" and metric.name in values and np.isfinite(values[metric.name]).any()
    }
    scored.context.prepare(summaries.values())
    return summaries


def _class_frames(scored: _Scored) -> dict[str, pd.DataFrame]:
    labels = _labels(scored.dataset, scored.context.table)
    return {"labels": labels, "strata_sizes": _strata_sizes(labels, scored.dataset, scored.context.table)}


def normalised(rows: pd.DataFrame, keys: list[str], overall: pd.DataFrame, systems: Sequence[SystemInfo]) -> Floats:
    """(value - noise) / (real - noise), within the class or stratum: 0 for noise, 1 for real audio.

    NaN without a real and a noise system (the first of each by name), and where the metric hardly separates them: by less than
    ``MIN_SPAN`` of their difference over all clips.

    Args:
        rows: frame with "system", "value" and ``keys``, the first of which is "metric".
        overall: the frame of that name.
        systems: sorted by name.
    """
    out = np.full(len(rows), np.nan)
    real = next((s.name for s in systems if s.kind == "real"), None)
    noise = next((s.name for s in systems if s.kind == "noise"), None)
    if real is None or noise is None or rows.empty:
        return out

    def values_of(system: str, table: pd.DataFrame, by: list[str]) -> Floats:
        """The values of a system, one for each row of ``rows``."""
        values = table[table["system"] == system].set_index(by)["value"]
        place = pd.MultiIndex.from_frame(rows[by]) if len(by) > 1 else pd.Index(rows[by[0]])
        return values.reindex(place).to_numpy(dtype=np.float64)

    overall_span = values_of(real, overall, ["metric"]) - values_of(noise, overall, ["metric"])
    floor = values_of(noise, rows, keys)
    span = values_of(real, rows, keys) - floor
    usable = span * np.sign(overall_span) > MIN_SPAN * np.abs(overall_span)
    np.divide(rows["value"].to_numpy(dtype=np.float64) - floor, span, out=out, where=usable)
    return out


def _labels(dataset: Dataset, table: ClassTable) -> pd.DataFrame:
    n_test = dict(zip(table.labels, table.member.sum(axis=0).tolist(), strict=True))
    seen = {label for label, n in dataset.train_counts.items() if n > 0}
    rows = [
        {
            "label": label,
            "name": dataset.label_names.get(label, label),
            "n_train": dataset.n_train(label),
            "n_test": n_test.get(label, 0),
            "stratum": stratum_of(dataset.n_train(label), table.strata).name,
        }
        for label in sorted(seen | set(n_test), key=lambda label: (-dataset.n_train(label), label))
    ]
    return LONGTAIL_FRAMES["labels"].frame(rows)


def _strata_sizes(labels: pd.DataFrame, dataset: Dataset, table: ClassTable) -> pd.DataFrame:
    rarest = partition_by_rarest(dataset.prompts, dataset.n_train, table.strata)
    rows = []
    for i, stratum in enumerate(table.strata):
        classes = labels[labels["stratum"] == stratum.name]
        rows.append(
            {
                "stratum": stratum.name,
                "low": stratum.low,
                "high": stratum.high,
                "n_classes_train": int((classes["n_train"] > 0).sum()),
                "n_classes_test": int((classes["n_test"] > 0).sum()),
                "n_clips_any": int(table.member[:, table.stratum == i].any(axis=1).sum()),
                "n_clips_rarest": len(rarest[stratum.name]),
            }
        )
    return LONGTAIL_FRAMES["strata_sizes"].frame(rows)


def _tail_shape(dataset: Dataset, table: ClassTable) -> dict[str, float]:
    seen = [n for n in dataset.train_counts.values() if n > 0]
    return {
        "gini": gini(seen),
        "imbalance_ratio": imbalance_ratio(seen),
        "n_classes_train": len(seen),
        "n_classes_test": len(table.labels),
    }


def _alerts(
    frames: Mapping[str, pd.DataFrame],
    primary: MetricInfo | None,
    systems: Mapping[str, SystemInfo],
    dataset: Dataset,
    table: ClassTable,
) -> list[Alert]:
    alerts = [*caveats.small_strata(frames["strata_sizes"], table.strata)] if table.labels else []
    if primary is not None:
        alerts += caveats.coarse_tail(frames["paired"], primary, systems, table)
    alerts += caveats.ubiquitous_labels(table, dataset, frames["trend"], primary, systems)
    return alerts
