"""The nouns: prompts, features, strata, alerts, the analysis of a run; and the version of every file written.

Nothing here imports torch. Shapes use n for clips, d for embedding width, C for the classes of a tagger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from reaudio_eval.retrieval_records import COPY_COLUMNS, CopyingAnalysis, Retrieval

SCHEMA_VERSION = 1

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.intp]
SystemKind = Literal["generated", "real", "noise"]
Level = Literal["clip", "label", "set"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing to generate.

    Attributes:
        clip_id: unique in a dataset; the stem of the clip's file.
        caption: the text a system was given.
        labels: label ids (AudioSet mids for AudioCaps), in no particular order; empty when unknown.
        labels_known: False when the labels cannot be trusted (an ambiguous match). Such a clip counts in the
            overall numbers and in no stratum.
        source_id: the recording that the real clip was cut from (a youtube_id), or "" when unknown.
    """

    clip_id: str
    caption: str
    labels: tuple[str, ...] = ()
    labels_known: bool = True
    source_id: str = ""


def prompt_list_sha256(prompts: Iterable[Prompt]) -> str:
    """SHA-256 (hex) of the sorted (clip_id, caption) list: which "test set" a number belongs to."""
    rows = sorted((p.clip_id, p.caption) for p in prompts)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Prompts, reference audio and how often each label occurs in training.

    Attributes:
        name, split: e.g. "audiocaps", "test".
        prompts: in the dataset's own order.
        train_counts: label id -> number of training clips that carry it. A label not listed has 0.
        label_names: label id -> display name.
        references: clip_id -> file of the real clip; may be empty or partial.
        vocabulary: the label ids in the order of a tagger's outputs, or () if there is none.
        vocabulary_name: name of that order ("audioset-527"); taggers with the same name share it.
        propagated: whether labels were propagated to their ontology parents.
        file_names: naming scheme -> file stem -> clip_id: how files of these clips may be called (``naming.match_names``);
            empty when a file is always called after its clip id.
        notes: sentences the report prints (what was resolved, what was left out).
        banner: a sentence that the report says before anything else, or "".
        pool_counts: label id -> number of clips with it that the default retrieval pool holds; a label not listed has 0. None
            where nobody knows.
    """

    name: str
    split: str
    prompts: tuple[Prompt, ...]
    train_counts: Mapping[str, int]
    label_names: Mapping[str, str]
    references: Mapping[str, Path] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()
    vocabulary_name: str | None = None
    propagated: bool = False
    file_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    banner: str = ""
    pool_counts: Mapping[str, int] | None = None

    @cached_property
    def list_sha256(self) -> str:
        return prompt_list_sha256(self.prompts)

    def n_train(self, label: str) -> int:
        return int(self.train_counts.get(label, 0))

    def n_pool(self, label: str) -> int | None:
        """Clips with this label in the retrieval pool; None where the pool is unknown."""
        return None if self.pool_counts is None else int(self.pool_counts.get(label, 0))


@dataclass(frozen=True)
class FeatureSet:
    """What one embedder says about one system's clips; rows follow ``clip_ids``.

    Attributes:
        clip_ids: length n.
        frames: float32 (sum(frame_counts), d), the clips' embedding frames one after the other.
        frame_counts: intp (n,), at least 1 each (1 for embedders with one vector a clip).
        logits: float32 (n, C) before softmax or sigmoid, or None.
        text: float32 (n, d), the embedding of each clip's caption, or None.
        embedder: registered name, e.g. "panns".
        sha256: of the checkpoint.
        vocabulary_name: order of the logits, e.g. "audioset-527", or None.
    """

    clip_ids: tuple[str, ...]
    frames: npt.NDArray[np.float32]
    frame_counts: IntArray
    embedder: str
    sha256: str
    logits: npt.NDArray[np.float32] | None = None
    text: npt.NDArray[np.float32] | None = None
    vocabulary_name: str | None = None

    def __len__(self) -> int:
        return len(self.clip_ids)

    @cached_property
    def offsets(self) -> IntArray:
        """intp (n + 1,): clip i owns frames[offsets[i]:offsets[i + 1]]."""
        return np.concatenate([[0], np.cumsum(self.frame_counts)]).astype(np.intp)

    @cached_property
    def clip_means(self) -> npt.NDArray[np.float64]:
        """float64 (n, d): the mean frame of each clip (the clip-level embedding)."""
        sums = np.add.reduceat(self.frames.astype(np.float64), self.offsets[:-1], axis=0)
        means: npt.NDArray[np.float64] = sums / self.frame_counts[:, None]
        return means


@dataclass(frozen=True, slots=True)
class Stratum:
    """Classes whose training count lies in [low, high): half-open, in clips; high None means no upper end."""

    name: str
    low: int
    high: int | None

    def contains(self, n_train: int) -> bool:
        return n_train >= self.low and (self.high is None or n_train < self.high)

    @property
    def range_text(self) -> str:
        if self.high is None:
            return f"{self.low:,} or more"
        if self.high == self.low + 1:
            return f"{self.low:,}"
        return f"{self.low:,} to {self.high - 1:,}"


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """How a column is called and read.

    Attributes:
        name: key in every file, carries the embedder: "kl_panns".
        title: for people: "KL divergence (PANNs)".
        level: "clip" (a value a clip), "label" (a value a clip and label) or "set" (a value a set of clips).
        higher_is_better: direction.
        unit: "nats", "cosine", "probability", ... or "".
        embedder: registered name of the network behind it.
        embedder_sha256: its checkpoint, or "".
        source: paper and equation, or the implementation matched.
        target: the ideal value of a metric of which neither more nor less is better, else None; ``higher_is_better`` then only
            says on which side a reader should worry.
    """

    name: str
    title: str
    level: Level
    higher_is_better: bool
    unit: str
    embedder: str
    embedder_sha256: str = ""
    source: str = ""
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a reader must know before believing a number. level: "warning" or "note"."""

    level: Literal["warning", "note"]
    message: str


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """One row of the report.

    Attributes:
        clips: clip_id -> audio file (for the players); may be empty.
        retrieval: what it retrieved; None for a system that retrieves nothing, or does not say.
        candidates: of how many clips each was chosen, by the CLAP of the model.
    """

    name: str
    kind: SystemKind
    n_clips: int
    clips: Mapping[str, Path] = field(default_factory=dict)
    run_dir: Path | None = None
    description: str = ""
    retrieval: Retrieval | None = None
    candidates: int = 1


@dataclass(frozen=True)
class SystemScores:
    """What the score stage knows of one system.

    Attributes:
        system: who.
        metrics: every metric attempted, in display order.
        scores: a row per clip-level or label-level value, columns ``SCORE_COLUMNS``.
        set_values: a row per set metric and subset, columns ``SET_COLUMNS``.
        undefined: metric name -> why it has no value for this system at all.
        copies: how near each clip is to what was retrieved for its prompt, columns ``COPY_COLUMNS``; empty without neighbours.
        neighbours_of: whose neighbours these are: the system's own name, another's for a system that retrieves nothing, or "".
        seed: of the groups that the replicates in ``set_values`` leave out; other seeds leave out other groups, which do not pair.
    """

    system: SystemInfo
    metrics: tuple[MetricInfo, ...]
    scores: pd.DataFrame
    set_values: pd.DataFrame
    undefined: Mapping[str, str] = field(default_factory=dict)
    copies: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COPY_COLUMNS)))
    neighbours_of: str = ""
    seed: int = 0


# clip_id str | metric str | label str or None (clip level) | value float64, NaN where undefined
SCORE_COLUMNS: Sequence[str] = ("clip_id", "metric", "label", "value")

# metric str | stratum str ("all" for every clip; else clips by their rarest label) | value float64 or NaN
# replicates list[float]: delete-a-group jackknife values, same groups for every system ([] if not available)
# ci_low, ci_high float64 or NaN | ci_method str | n_clips int
# floor float64 or NaN: the metric between two disjoint halves of the real clips, floor_n clips each
# matched float64 or NaN: between generated clips of one half and real clips of the other, floor_n each: the number to
#   read beside the floor | floor_n int | reason str or None: why value is NaN
SET_COLUMNS: Sequence[str] = (
    "metric", "stratum", "value", "replicates", "ci_low", "ci_high", "ci_method", "n_clips",
    "floor", "matched", "floor_n", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class LongtailAnalysis:
    """Everything the long-tail report shows. Undefined numbers are NaN in frames, with a ``reason`` column beside.

    Frames (columns in order):
        labels:     label, name, n_train, n_test, stratum
        strata_sizes: stratum, low, high, n_classes_train, n_classes_test, n_clips_any, n_clips_rarest
        overall:    system, metric, value, ci_low, ci_high, ci_method, n_clips, floor, matched, floor_n, reason
        by_stratum: system, metric, stratum, value, ci_low, ci_high, ci_method, n_classes, n_clips, normalised, floor, reason
                    (clip/label metrics: macro over classes; set metrics: clips partitioned by rarest label;
                    normalised = (value - noise) / (real - noise) where both exist, else NaN)
        per_class:  system, metric, label, name, n_train, stratum, n_clips, value, normalised
        curve:      system, metric, n_train, value, ci_low, ci_high     (smooth of class scores on log10(1 + n_train))
        bins:       system, metric, n_train, value, ci_low, ci_high, n_classes     (binned class means)
        trend:      system, metric, statistic, value, ci_low, ci_high, n_classes, reason
                    statistic in {"slope", "gap_head_tail", "ratio_tail_head", "spearman", "kendall", "worst_10pct",
                    "macro", "micro", "frequency_weighted", "macro_without_ubiquitous", "harmonic_strata"}
        paired:     metric, quantity, system_a, system_b, difference, ci_low, ci_high, p_value, p_holm,
                    detectable, n_clips, n_classes, reason
                    (difference = a - b; quantity in {"all", a stratum's name, "gap_head_tail", "slope"})
        clip_scores: system, clip_id, metric, value     (label-level metrics averaged over the clip's labels)
    """

    dataset_name: str
    split: str
    list_sha256: str
    systems: tuple[SystemInfo, ...]
    metrics: tuple[MetricInfo, ...]
    primary: str | None
    strata: tuple[Stratum, ...]
    prompts: tuple[Prompt, ...]
    labels: pd.DataFrame
    strata_sizes: pd.DataFrame
    overall: pd.DataFrame
    by_stratum: pd.DataFrame
    per_class: pd.DataFrame
    curve: pd.DataFrame
    bins: pd.DataFrame
    trend: pd.DataFrame
    paired: pd.DataFrame
    clip_scores: pd.DataFrame
    tail_shape: Mapping[str, float]
    alerts: tuple[Alert, ...] = ()
    references: Mapping[str, Path] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    audit: Mapping[str, Any] = field(default_factory=dict)
    banner: str = ""
    copying: CopyingAnalysis = field(default_factory=CopyingAnalysis)

    def metric(self, name: str) -> MetricInfo:
        return next(m for m in self.metrics if m.name == name)


@dataclass(frozen=True)
class Comparison:
    """What the comparison of several runs shows beyond the analysis of their systems.

    Attributes:
        analysis: of all systems on the common clips.
        baseline: name of the system that others are compared with.
        compared: names of the systems whose differences, figures and clips are shown, in order.
        classes: ``class_differences.class_differences``.
        strata: ``class_differences.against_baseline``.
        published: ``published.published``, without rows where none are shown.
        runs: a row a system: system, run, seed, created, n_clips (of the run), version, code_sha256, list_sha256, protocol.
    """

    analysis: LongtailAnalysis
    baseline: str
    compared: tuple[str, ...]
    classes: pd.DataFrame
    strata: pd.DataFrame
    published: pd.DataFrame
    runs: pd.DataFrame
