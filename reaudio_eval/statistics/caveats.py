"""Warnings about the numbers of a long-tail analysis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.prompts.dataset import TRAINING_SPLIT, Dataset, Prompt
from reaudio_eval.prompts.strata import Stratum, stratum_titles
from reaudio_eval.scores.retrieved_features import NEIGHBOURS
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.analysis import Alert
from reaudio_eval.statistics.class_table import UBIQUITOUS_SHARE, ClassTable
from reaudio_eval.statistics.estimates import head_and_tail
from reaudio_eval.statistics.thresholds import MIN_CLASSES, MIN_CLIPS

COARSE = 0.05  # a smallest detectable difference that hides most published gains in CLAP score


def without_strata(reason: str) -> Iterator[Alert]:
    """A report in which no metric has a value by stratum, with the reason, or "" for another one."""
    if reason:
        yield Alert("warning", reason)


def training_prompts(prompts: Sequence[Prompt]) -> Iterator[Alert]:
    """Prompts that are training data of the dataset."""
    n = sum(p.split == TRAINING_SPLIT for p in prompts)
    if n:
        yield Alert(
            "warning",
            f"{n:,} of {len(prompts):,} prompts are of the split {TRAINING_SPLIT}: a system trained on it has heard these clips and read "
            "these captions. Evaluate it on the others (--split) before you say how well it generalises.",
            first_screen=True,
        )


def different_prompts(systems: Sequence[SystemScores], prompts: Sequence[Prompt]) -> Iterator[Alert]:
    """Systems with values of different prompts, how many each has, and pairs without a common one.

    A metric that some systems do not have, such as a distance of the real audio to itself, makes no difference.
    """
    clips = _differing_clips(systems)
    if not clips:
        return
    groups: dict[frozenset[str], list[str]] = {}
    for name, own in clips.items():
        groups.setdefault(own, []).append(name)
    counts = "; ".join(f"{_listing(names)} on {len(own):,}" for own, names in groups.items())
    apart = [
        f"{_listing(groups[one])} share no prompt with {_listing(groups[other])}"
        for one, other in combinations(groups, 2)
        if not one & other
    ]
    yield Alert(
        "warning",
        f"Systems were scored on different prompts, of {len(prompts):,}: {counts}. The numbers of a system are of its own prompts, and two "
        f"systems are compared on those that both have{'; ' if apart else ''}{'; '.join(apart)}. --common uses only the prompts that all "
        "systems have.",
        first_screen=True,
    )


def _differing_clips(systems: Sequence[SystemScores]) -> dict[str, frozenset[str]]:
    """System -> clips with a value of a metric that systems have for different clips."""
    scores = [s.scores[["metric", "clip_id"]].assign(system=s.system.name) for s in systems if not s.scores.empty]
    found: dict[str, set[str]] = {}
    for _, rows in pd.concat(scores).groupby("metric", sort=False) if scores else ():
        own = {str(name): set(of_system["clip_id"]) for name, of_system in rows.groupby("system", sort=False)}
        if len({frozenset(clip_ids) for clip_ids in own.values()}) > 1:
            for name, clip_ids in own.items():
                found.setdefault(name, set()).update(clip_ids)
    return {name: frozenset(clip_ids) for name, clip_ids in found.items()}


def small_strata(strata_sizes: pd.DataFrame, strata: Sequence[Stratum]) -> Iterator[Alert]:
    """Strata with too few classes or clips."""
    titles = stratum_titles(strata)
    for row in strata_sizes.to_dict("records"):
        n_classes, n_clips, title = int(row["n_classes_test"]), int(row["n_clips_any"]), titles[row["stratum"]]
        if n_classes == 0:
            yield Alert("warning", f"No scored clip has a class of the stratum {title}: it has no numbers.")
        elif n_classes < MIN_CLASSES or n_clips < MIN_CLIPS:
            yield Alert(
                "warning",
                f"The stratum {title} holds {_n(n_classes, 'class', 'classes')} and {_n(n_clips, 'clip', 'clips')} "
                "among those scored: too few for reliable numbers.",
            )


def coarse_tail(
    paired: pd.DataFrame, metric: MetricInfo, systems: Mapping[str, SystemInfo], table: ClassTable
) -> Iterator[Alert]:
    """Whether tests in the tail find differences above ``COARSE`` only."""
    tail = table.strata[head_and_tail(table)[1]]
    rows = paired[(paired["metric"] == metric.name) & (paired["quantity"] == tail.name)].dropna(subset=["detectable"])
    rows = rows[rows["system_a"].isin(_competing(systems)) & rows["system_b"].isin(_competing(systems))]
    detectable = rows["detectable"].median()
    if detectable > COARSE:
        yield Alert(
            "warning",
            f"In the stratum {tail.title}, two systems must differ by about {detectable:.3f} in {metric.title} to be "
            f"significantly different (power 0.8, 5 % level, {_n(int(rows['n_classes'].median()), 'class', 'classes')}): a smaller "
            "difference can be neither shown nor excluded.",
        )


LEAKS = {
    "target": "the target clip",
    "same_source": "a clip of the same recording",
    "identical_caption": "an identical caption",
}


def leaks(leaked: pd.DataFrame, systems: Mapping[str, SystemInfo]) -> Iterator[Alert]:
    """Systems whose neighbours hold the answer of some prompts.

    Args:
        leaked: ``CopyingAnalysis.leaks``.
        systems: name -> system.
    """
    for name, rows in leaked.groupby("system", sort=False):
        n = dict(zip(rows["kind"], rows["n"], strict=True))
        if n["any"]:
            kinds = ", ".join(f"{what} for {_n(n[kind], 'prompt', 'prompts')}" for kind, what in LEAKS.items() if n[kind])
            retrieval, n_prompts = systems[str(name)].retrieval, int(rows["n_prompts"].iloc[0])
            k = 0 if retrieval is None else retrieval.k
            yield Alert(
                "warning",
                f"Leakage: the neighbours of {name} (k = {k:,}) include {kinds}, of {n_prompts:,}. Compare the scores on affected and "
                "clean prompts.",
            )


def unreadable_neighbours(audit: Mapping[str, Any]) -> Iterator[Alert]:
    """Retrieved clips that could not be read, by the audit of the evaluation."""
    counts = audit.get(NEIGHBOURS)
    if counts is not None and counts["n_ok"] < counts["n_clips"]:
        yield Alert(
            "warning",
            f"{counts['n_clips'] - counts['n_ok']:,} of {counts['n_clips']:,} retrieved clips are missing or unreadable (see the audit); "
            "the copying metrics use the others.",
        )


def shared_networks(systems: Mapping[str, SystemInfo], metrics: Sequence[MetricInfo]) -> Iterator[Alert]:
    """Metrics computed with the network that a system retrieves with."""
    retrievers: dict[str, list[str]] = {}
    for name, system in sorted(systems.items()):
        for embedder in () if system.retrieval is None else system.retrieval.judges:
            retrievers.setdefault(embedder, []).append(name)
    for embedder, names in sorted(retrievers.items()):
        titles = [m.title for m in metrics if m.embedder == embedder]
        if titles:
            yield Alert(
                "warning",
                f"Same network for retrieval and scoring: {_listing(names)} {'retrieve' if len(names) > 1 else 'retrieves'} with the "
                f"network of {_listing(titles)}, which can favour {'them' if len(names) > 1 else 'it'}: prefer metrics of others.",
            )


def reranked(systems: Mapping[str, SystemInfo], metrics: Sequence[MetricInfo]) -> Iterator[Alert]:
    """Systems whose clips were selected among candidates by a CLAP."""
    names = [f"{name} (of {s.candidates})" for name, s in sorted(systems.items()) if s.candidates > 1]
    if names:
        titles = [m.title for m in metrics if m.role == "text_similarity"]
        advice = f" This alone raises {_listing(titles)}: prefer a metric of another network." if titles else ""
        yield Alert(
            "warning" if titles else "note",
            f"Candidate selection: each clip of {_listing(names)} is the candidate most similar to the prompt by the model's own CLAP."
            f"{advice}",
        )


def _listing(items: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(items[:-1]), items[-1]]))


def ubiquitous_labels(
    table: ClassTable, dataset: Dataset, trend: pd.DataFrame, metric: MetricInfo | None, systems: Mapping[str, SystemInfo]
) -> Iterator[Alert]:
    """Labels on so many clips that they dominate micro averages, and the macro average without them."""
    if not table.ubiquitous.any():
        return
    share = table.member.sum(axis=0) / table.member.any(axis=1).sum()
    order = sorted(np.flatnonzero(table.ubiquitous), key=lambda i: (-share[i], table.labels[i]))
    listed = ", ".join(f"{dataset.label_names.get(table.labels[i], table.labels[i])} on {share[i]:.0%}" for i in order)
    text = f"Labels on more than {UBIQUITOUS_SHARE:.0%} of the clips: {listed}."
    parts = [] if metric is None else _without_ubiquitous(trend[trend["metric"] == metric.name], systems)
    if metric is not None and parts:
        text += f" Mean {metric.title} over the other classes: {', '.join(parts)}."
    yield Alert("note", text)


def _without_ubiquitous(trend: pd.DataFrame, systems: Mapping[str, SystemInfo]) -> list[str]:
    wide = trend.pivot(index="system", columns="statistic", values="value")
    wide = wide.reindex(columns=["macro", "macro_without_ubiquitous"]).dropna()
    rows = wide[wide.index.isin(_competing(systems))].sort_index().to_dict("index")
    return [f"{n} {row['macro_without_ubiquitous']:.3f} (over all classes {row['macro']:.3f})" for n, row in rows.items()]


def _competing(systems: Mapping[str, SystemInfo]) -> set[str]:
    return {name for name, system in systems.items() if system.competes}


def _n(n: int, singular: str, plural: str) -> str:
    return f"{n} {singular if n == 1 else plural}"
