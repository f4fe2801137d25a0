"""Scores as arrays over clips and classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from reaudio_eval.features.feature_set import IntArray
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum, stratum_of
from reaudio_eval.scores.jackknife import Floats
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_eval.statistics.scale import FREE, Scale
from reaudio_model.common.errors import ReaudioError

UBIQUITOUS_SHARE = 0.25
FIXED_SHARE, FIXED_CLIPS = 0.05, 30  # a label on more clips than both is of interest itself, not a sample of such labels

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ClassTable:
    """The clips and classes of a test set, both sorted by id, so that no result depends on the order of the input.

    Attributes:
        clip_ids: every prompt's (n,).
        labels: the classes that occur in prompts with trusted labels (C,).
        member: bool (n, C), clip carries class; no class for clips whose labels are not trusted.
        n_train: intp (C,), training clips of the class.
        log_count: float64 (C,), log10(1 + n_train).
        stratum: intp (C,), position in ``strata``.
        strata: most frequent first.
        ubiquitous: bool (C,), on more than a quarter of the clips with trusted labels.
        fixed: bool (C,), on more than ``FIXED_SHARE`` of them: their effects are fixed in every inference.
    """

    clip_ids: tuple[str, ...]
    labels: tuple[str, ...]
    member: Bools
    n_train: IntArray
    log_count: Floats
    stratum: IntArray
    strata: tuple[Stratum, ...]
    ubiquitous: Bools
    fixed: Bools

    def names(self, selected: Bools) -> tuple[str, ...]:
        """Labels of the selected classes (C,)."""
        return tuple(self.labels[i] for i in np.flatnonzero(selected))


@dataclass(frozen=True, eq=False)
class Summary:
    """One metric of one system (or a difference of two) on a :class:`ClassTable`.

    Attributes:
        clip_sums, clip_counts: float64 (n,), sum and number of the values a clip has (at most one for clip-level metrics).
        scored: bool (n, C), the (clip, class) pairs with a value.
        pair_values: float64 (n, C), their values, 0 elsewhere.
        class_counts: intp (C,), pairs of each class.
        class_means: float64 (C,), NaN for classes without a pair.
        by_label: whether each label of a clip has a value of its own.
        scale: of the values.
    """

    clip_sums: Floats
    clip_counts: Floats
    scored: Bools
    pair_values: Floats
    class_counts: IntArray
    class_means: Floats
    by_label: bool
    scale: Scale

    @property
    def defined(self) -> Bools:
        """Classes with a mean, bool (C,)."""
        return self.class_counts > 0

    def n_clips(self, classes: Bools) -> int:
        """Clips with a value that carry one of the classes."""
        return int(self.scored[:, classes].any(axis=1).sum())


def class_table(dataset: Dataset, strata: Sequence[Stratum]) -> ClassTable:
    """Clips and classes of a dataset's prompts.

    Raises:
        ReaudioError: two prompts have the same clip id.
    """
    prompts = sorted(dataset.prompts, key=lambda p: p.clip_id)
    clip_ids = tuple(p.clip_id for p in prompts)
    twice = next((a for a, b in pairwise(clip_ids) if a == b), None)
    if twice is not None:
        raise ReaudioError(f"The dataset {dataset.name!r} lists the clip {twice!r} twice: every clip id must be unique.")
    trusted = [set(p.labels) if p.labels_known else set() for p in prompts]
    labels = tuple(sorted(set().union(*trusted)))
    column = {label: i for i, label in enumerate(labels)}
    member = np.zeros((len(prompts), len(labels)), dtype=bool)
    for row, labels_of_clip in enumerate(trusted):
        member[row, [column[label] for label in labels_of_clip]] = True
    n_train = np.array([dataset.n_train(label) for label in labels], dtype=np.intp)
    position = {s: i for i, s in enumerate(strata)}
    stratum = np.array([position[stratum_of(int(n), strata)] for n in n_train], dtype=np.intp)
    n_labelled = member.any(axis=1).sum()
    n_clips = member.sum(axis=0)
    ubiquitous = n_clips > UBIQUITOUS_SHARE * n_labelled
    fixed = n_clips > max(FIXED_SHARE * n_labelled, FIXED_CLIPS)
    return ClassTable(clip_ids, labels, member, n_train, np.log10(1 + n_train), stratum, tuple(strata), ubiquitous, fixed)


def score_arrays(scores: SystemScores, table: ClassTable) -> dict[str, Floats]:
    """Values of the clip- and label-level metrics of a system that has any: (n,) or (n, C), NaN where undefined.

    Raises:
        ReaudioError: a value for a clip or label that the dataset does not list, or two values for the same one.
    """
    levels = {m.name: m.level for m in scores.metrics}
    arrays: dict[str, Floats] = {}
    for name, rows in scores.scores.groupby("metric", sort=False):
        metric = str(name)
        clip = _positions(rows["clip_id"], table.clip_ids, scores.system.name, metric)
        if levels.get(metric) == "label":
            label = _positions(rows["label"], table.labels, scores.system.name, metric)
            place, shape = clip * len(table.labels) + label, table.member.shape
            foreign = ~table.member[clip, label]
            _refuse(rows, foreign, "its prompt does not carry this label", scores.system.name, metric)
        else:
            place, shape = clip, (len(table.clip_ids),)
        _refuse(rows, pd.Series(place).duplicated().to_numpy(), "it has two values", scores.system.name, metric)
        values = rows["value"].to_numpy(dtype=np.float64)
        flat = np.full(int(np.prod(shape)), np.nan)
        flat[place] = np.where(np.isfinite(values), values, np.nan)
        arrays[metric] = flat.reshape(shape)
    return arrays


def _positions(values: pd.Series, known: tuple[str, ...], system: str, metric: str) -> IntArray:
    positions = pd.Index(known, dtype=object).get_indexer(pd.Index(values, dtype=object))
    if (positions < 0).any():
        unknown = values.iloc[int(np.argmax(positions < 0))]
        raise ReaudioError(
            f"{metric} of {system!r} has a value for {unknown!r}, which the dataset does not list: "
            "score the system again with this dataset."
        )
    return positions


def _refuse(rows: pd.DataFrame, bad: Bools, why: str, system: str, metric: str) -> None:
    if bad.any():
        row = rows.iloc[int(np.argmax(bad))]
        label = "" if pd.isna(row["label"]) else f", label {row['label']!r}"
        raise ReaudioError(f"{metric} of {system!r}, clip {row['clip_id']!r}{label}: {why}. Score the system again.")


def summarise(values: Floats, table: ClassTable, scale: Scale = FREE) -> Summary:
    """Clip sums and class means of an array of ``score_arrays``, or of a difference of two, whose values lie on ``scale``."""
    finite = np.isfinite(values)
    filled = np.where(finite, values, 0.0)
    if values.ndim == 1:
        clip_sums, clip_counts = filled, finite.astype(np.float64)
        finite, filled = finite[:, None], filled[:, None]
    else:
        clip_sums, clip_counts = filled.sum(axis=1), finite.sum(axis=1).astype(np.float64)
    scored = finite & table.member
    counts = scored.sum(axis=0)
    pair_values = np.where(scored, filled, 0.0)
    means = np.full(len(counts), np.nan)
    np.divide(pair_values.sum(axis=0), counts, out=means, where=counts > 0)
    return Summary(clip_sums, clip_counts, scored, pair_values, counts, means, values.ndim == 2, scale)


def all_metrics(systems: Sequence[SystemScores]) -> tuple[MetricInfo, ...]:
    """Every metric of any system once, in order of first appearance."""
    table: dict[str, MetricInfo] = {}
    for system in systems:
        for metric in system.metrics:
            table.setdefault(metric.name, metric)
    return tuple(table.values())
