"""Core data types: metric and scores of one system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import pandas as pd

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import COPIES, SEED_VALUES

Level = Literal["clip", "label", "set"]
# What a metric measures, whatever its name: a cosine of clip and caption (the CLAP score) or of a clip's predicted classes and caption,
# the rank or probability of a label, a divergence of class probabilities, a distance of sets of features, clarity and variety of a set,
# a spread over splits, copying of retrieved clips, quality of a clip alone.
Role = Literal[
    "text_similarity", "tag_similarity", "label_accuracy", "label_recall", "label_probability", "divergence", "distance", "diversity",
    "spread", "copying", "quality", "other",
]  # fmt: skip


class Range(NamedTuple):
    """Values that a metric can take; None: no bound on that side."""

    low: float | None = None
    high: float | None = None


UNBOUNDED = Range()


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """Name and meaning of a metric.

    Attributes:
        name: key in every file, carries the embedder: "kl_panns".
        title: for people: "KL divergence (PANNs)".
        level: "clip" (a value a clip), "label" (a value a clip and label) or "set" (a value a set of clips).
        higher_is_better: direction.
        unit: "nats", "cosine", "probability", ... or "".
        embedder: registered name of its embedding model.
        embedder_sha256: its checkpoint, or "".
        source: paper and equation, or the implementation matched.
        target: the ideal value of a metric of which neither more nor less is better, else None; ``higher_is_better`` then only
            tells which side is worse.
        role: what it measures.
        range: its possible values, [low, high].
        note: sentences that a reader needs where the number stands, or "".
        neutral: no value is better than another; ``higher_is_better`` then means nothing.
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
    role: Role = "other"
    range: Range = UNBOUNDED
    note: str = ""
    neutral: bool = False

    @property
    def directed(self) -> bool:
        """Whether one side is better, so that systems can be ranked by it."""
        return self.target is None and not self.neutral

    @property
    def better(self) -> Literal["higher", "lower", "neither"]:
        """Which side is better, for sentences."""
        return "neither" if self.neutral else "higher" if self.higher_is_better else "lower"


class ScoredClips(NamedTuple):
    """Clips that the numbers of a system count, sorted by id.

    own: of metrics of clips and labels: its clips that could be read, and whose real clip could.
    sets: of metrics of sets of clips, which depend on the number of clips: those of ``own`` that every system has.
    """

    own: tuple[str, ...]
    sets: tuple[str, ...]


@dataclass(frozen=True)
class SystemScores:
    """Scores of one system.

    Attributes:
        system: the system.
        metrics: every metric attempted, in display order.
        scores: ``frames.scores.SCORES``.
        set_values: ``frames.scores.SET_VALUES``.
        undefined: metric name -> why it has no value for this system at all.
        copies: ``frames.scores.COPIES``; empty without neighbours.
        neighbours_of: the system that retrieved them: this one, another for a system that retrieves nothing, or "".
        seed_values: ``frames.scores.SEED_VALUES``; empty where there is one clip for each prompt.
        set_clip_ids: the clips that ``set_values`` count, where not all that are scored; else None.
        seed: of the groups that the replicates in ``set_values`` leave out; other seeds leave out other groups, which do not pair.
    """

    system: SystemInfo
    metrics: tuple[MetricInfo, ...]
    scores: pd.DataFrame
    set_values: pd.DataFrame
    undefined: Mapping[str, str] = field(default_factory=dict)
    copies: pd.DataFrame = field(default_factory=COPIES.empty)
    neighbours_of: str = ""
    seed: int = 0
    seed_values: pd.DataFrame = field(default_factory=SEED_VALUES.empty)
    set_clip_ids: frozenset[str] | None = None
