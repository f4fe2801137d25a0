"""The long-tail analysis: scores of several systems in, every number of the report out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.statistics import LONGTAIL_FRAMES
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum, check_strata, partition_by_rarest, stratum_of
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics import caveats
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.class_table import ClassTable, all_metrics, class_table, score_arrays
from reaudio_eval.statistics.copying import copying_analysis
from reaudio_eval.statistics.estimates import Context
from reaudio_eval.statistics.intervals import Draws, gini, imbalance_ratio
from reaudio_eval.statistics.paired import paired_rows
from reaudio_eval.statistics.primary import choose_primary
from reaudio_eval.statistics.rows import Row, block
from reaudio_eval.statistics.thresholds import MIN_CLASSES
from reaudio_model.common.errors import ReaudioError

MIN_SPAN = 0.05  # of the overall distance from noise to the real clips; below it a class's normalised score is noise itself
_KEPT_CLIP_TABLES = 4


def analyse(
    systems: Sequence[SystemScores],
    dataset: Dataset,
    strata: Sequence[Stratum],
    *,
    seed: int = 0,
    n_draws: int = 2000,
    primary: str | None = None,
    against: str | None = None,
    min_classes: int = MIN_CLASSES,
    provenance: Mapping[str, Any] | None = None,
    audit: Mapping[str, Any] | None = None,
    alerts: Sequence[Alert] = (),
) -> LongtailAnalysis:
    """Everything the long-tail report shows.

    Overall numbers are means over clips with a clip bootstrap, numbers by stratum are means over classes with a class
    bootstrap (``stats``). Bootstrap samples depend on the seed and on the names of clips and classes only: another system in
    the run, or another order of systems, prompts or rows, changes no number but ``p_holm``.

    Args:
        systems: scored on the same clips.
        dataset: the prompts of those clips, and training counts.
        strata: from ``strata.strata_scheme``.
        seed: of the bootstrap, 0 or more.
        n_draws: bootstrap samples.
        primary: name of the metric the verdict rests on; by default the CLAP score, else label recall, else the first
            clip-level metric, else the first.
        against: name of the system that all others are compared with; None compares every two. See ``comparisons.paired_rows``.
        min_classes: strata with fewer classes get means without intervals and tests.
        provenance, audit: passed through to the report.
        alerts: known already; those found here are appended.

    Raises:
        ReaudioError: no system, two of the same name, strata that do not partition the counts, scores that do not belong
            to the dataset.
        UnknownNameError: no metric is called ``primary``.
    """
    _check(systems, strata)
    table = class_table(dataset, strata)
    context = Context(table, Draws(seed, n_draws), Draws(seed, n_draws, keep=_KEPT_CLIP_TABLES), min_classes)
    values = {s.system.name: score_arrays(s, table) for s in systems}
    metrics = all_metrics(systems)
    frames = _system_frames(systems, values, metrics, dataset, context)
    rows = [row for metric in metrics for row in paired_rows(metric, systems, values, context, against)]
    frames["paired"] = LONGTAIL_FRAMES["paired"].frame(rows)
    frames["labels"] = _labels(dataset, table)
    frames["strata_sizes"] = _strata_sizes(frames["labels"], dataset, table)
    copying = copying_analysis(systems, dataset, metrics, values, context)
    chosen = choose_primary(metrics, frames["overall"], primary)
    infos = {s.system.name: s.system for s in systems}
    return LongtailAnalysis(
        dataset_name=dataset.name,
        split=dataset.split,
        list_sha256=dataset.list_sha256,
        systems=tuple(infos.values()),
        metrics=metrics,
        primary=chosen.name if chosen else None,
        strata=tuple(strata),
        prompts=dataset.prompts,
        tail_shape=_tail_shape(dataset, table),
        alerts=(
            *alerts,
            *caveats.leaks(copying.leaks, infos),
            *caveats.judges(infos, metrics),
            *caveats.reranked(infos, metrics),
            *caveats.unheard(audit or {}),
            *_alerts(frames, chosen, infos, dataset, table),
        ),
        references=dataset.references,
        provenance=provenance or {},
        audit=audit or {},
        banner=dataset.banner,
        copying=copying,
        labels=frames["labels"],
        strata_sizes=frames["strata_sizes"],
        overall=frames["overall"],
        by_stratum=frames["by_stratum"],
        per_class=frames["per_class"],
        curve=frames["curve"],
        bins=frames["bins"],
        trend=frames["trend"],
        paired=frames["paired"],
        clip_scores=frames["clip_scores"],
    )


def _check(systems: Sequence[SystemScores], strata: Sequence[Stratum]) -> None:
    check_strata(strata)
    names = [s.system.name for s in systems]
    if not names:
        raise ReaudioError("There is no system to analyse: name at least one with --model or --clips NAME=FOLDER.")
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ReaudioError(f"Two systems are called {twice[0]!r}: give each a name of its own.")


def _system_frames(
    systems: Sequence[SystemScores],
    values: Mapping[str, Mapping[str, Floats]],
    metrics: Sequence[MetricInfo],
    dataset: Dataset,
    context: Context,
) -> dict[str, pd.DataFrame]:
    """The frames with a block for each system and metric."""
    rows: dict[str, list[Row]] = {
        n: [] for n in ("overall", "by_stratum", "per_class", "curve", "bins", "trend", "clip_scores")
    }
    for system in systems:
        for metric in metrics:
            array = values[system.system.name].get(metric.name)
            who = {"system": system.system.name, "metric": metric.name}
            for name, new in block(system, metric, array, dataset, context).items():
                rows[name] += [row | who for row in new]
    frames = {name: LONGTAIL_FRAMES[name].frame(content) for name, content in rows.items()}
    infos = sorted((s.system for s in systems), key=lambda s: s.name)
    for name, keys in (("by_stratum", ["metric", "stratum"]), ("per_class", ["metric", "label"])):
        frames[name]["normalised"] = normalised(frames[name], keys, frames["overall"], infos)
    return frames


def normalised(rows: pd.DataFrame, keys: list[str], overall: pd.DataFrame, systems: Sequence[SystemInfo]) -> Floats:
    """(value - noise) / (real - noise): 0 for noise, 1 for real audio, on the judge's own scale for that class or stratum.

    NaN without a real and a noise system (the first of each by name), and where the judge hardly prefers the real clips: by
    less than ``MIN_SPAN`` of its preference over all clips.

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

    def of(system: str, table: pd.DataFrame, by: list[str]) -> Floats:
        """The values of a system, one for each row of ``rows``."""
        own = table[table["system"] == system].set_index(by)["value"]
        place = pd.MultiIndex.from_frame(rows[by]) if len(by) > 1 else pd.Index(rows[by[0]])
        return own.reindex(place).to_numpy(dtype=np.float64)

    overall_span = of(real, overall, ["metric"]) - of(noise, overall, ["metric"])
    floor = of(noise, rows, keys)
    span = of(real, rows, keys) - floor
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
        own = labels[labels["stratum"] == stratum.name]
        rows.append(
            {
                "stratum": stratum.name,
                "low": stratum.low,
                "high": stratum.high,
                "n_classes_train": int((own["n_train"] > 0).sum()),
                "n_classes_test": int((own["n_test"] > 0).sum()),
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
    found = [*caveats.small_strata(frames["strata_sizes"])] if table.labels else []
    if primary is not None:
        found += caveats.coarse_tail(frames["paired"], primary, systems, table)
    found += caveats.ubiquitous_labels(table, dataset, frames["trend"], primary, systems)
    return found
