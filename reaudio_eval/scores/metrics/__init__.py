"""Metrics: pure functions on arrays, one file each.

A file has ``METRICS``, a tuple of the definitions below; its name is the family's (see ``reaudio_eval.plugins``). A definition is bound to
every embedder that gives what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

from reaudio_eval.features.feature_set import FeatureSet, FloatArray, IntArray, Undefined
from reaudio_eval.features.protocols import Protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.system_scores import UNBOUNDED, Level, Range, Role
from reaudio_model.common.packages import Package

Need = Literal["reference", "logits", "text", "labels", "neighbours", "captions", "class_names"]


class Subset(NamedTuple):
    """Rows of the generated and of the reference features that enter one evaluation of a set metric."""

    generated: IntArray
    reference: IntArray


class LabelValue(NamedTuple):
    """The value of a label-level metric for one clip (row of the features) and one of its labels."""

    row: int
    label: str
    value: float


@dataclass(frozen=True)
class MetricInput:
    """Input of a metric. Rows of ``generated``, ``reference`` and ``prompts`` belong to the same clips in the
    same order; ``reference`` is None without real audio.

    Attributes:
        vocabulary: label ids in the order of the logits' columns; () when the embedder has no known order.
        neighbours: of each row the mean frames of what was retrieved for its prompt, float64 (k, d) with k perhaps 0 and not the
            same for all; None where no system retrieves.
        class_names: display names of ``vocabulary``, in its order; () where they are not known.
    """

    generated: FeatureSet
    reference: FeatureSet | None
    prompts: tuple[Prompt, ...]
    protocol: Protocol
    seed: int = 0
    vocabulary: tuple[str, ...] = ()
    neighbours: tuple[FloatArray, ...] | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Metric:
    """What all definitions have.

    Attributes:
        name: pattern of the full name, "kl_{embedder}".
        title, higher_is_better, unit, source, target, role, range, note, neutral: see
            :class:`reaudio_eval.scores.system_scores.MetricInfo`.
        needs: what the embedder and the data must give.
        frames: "many" or "one": only embedders with several frames a clip (VGGish), or with one.
        in_strata: False: computed over all clips only.
        by_name: True: costly, computed only where it is asked for by its own name (--metric fd_inf).
        names: embedder -> full name, where it is not the pattern's.
        vocabulary: only embedders whose logits have this order ("audioset-527"); None: any.
        score: only embedders whose frames are scores, with one of this name (``EmbedderSpec.scores``); None: only embedders whose frames
            are embeddings.
        package: an optional package that ``compute`` needs, or None.
    """

    name: str
    title: str
    higher_is_better: bool
    unit: str
    source: str
    needs: frozenset[Need] = frozenset()
    frames: Literal["any", "many", "one"] = "any"
    in_strata: bool = True
    target: float | None = None
    role: Role = field(default="other", kw_only=True)
    range: Range = field(default=UNBOUNDED, kw_only=True)
    note: str = field(default="", kw_only=True)
    names: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    vocabulary: str | None = field(default=None, kw_only=True)
    score: str | None = field(default=None, kw_only=True)
    neutral: bool = field(default=False, kw_only=True)
    package: Package | None = field(default=None, kw_only=True)
    by_name: bool = field(default=False, kw_only=True)

    def full_name(self, embedder: str) -> str:
        """The name with an embedder, as in every file: "kl_panns"."""
        return self.names.get(embedder, self.name.format(embedder=embedder))


@dataclass(frozen=True)
class ClipMetric(_Metric):
    """One value per clip. ``compute`` returns float64 (n,), NaN where a clip's value is undefined."""

    level: ClassVar[Level] = "clip"
    compute: Callable[[MetricInput], FloatArray] = field(kw_only=True)


@dataclass(frozen=True)
class LabelMetric(_Metric):
    """One value per (clip, label) pair, for the clips whose labels are known."""

    level: ClassVar[Level] = "label"
    compute: Callable[[MetricInput], Sequence[LabelValue]] = field(kw_only=True)


@dataclass(frozen=True)
class SetMetric(_Metric):
    """One value per set of clips. ``compute`` evaluates several subsets at once (the whole set, jackknife groups, strata,
    size-matched draws), so that an implementation can share work; whatever is fixed by the whole reference (a kernel
    bandwidth) is taken from ``MetricInput.reference``, never from a subset.

    Attributes:
        size_biased: True when the expected value depends on the number of clips (Frechet, IS): strata are then compared
            only at equal n and with a real-vs-real floor.
        interval: "jackknife" (delete-a-group), or "none" for a quantity that is itself a spread.
        replicates: the values of all clips (rows) with each of the metric's own groups left out, for a metric on which the jackknife of
            random groups is wrong; as many for every set of clips. None: random groups.
    """

    level: ClassVar[Level] = "set"
    compute: Callable[[MetricInput, Sequence[Subset]], Sequence[float | Undefined]] = field(kw_only=True)
    size_biased: bool = field(default=False, kw_only=True)
    interval: Literal["jackknife", "none"] = field(default="jackknife", kw_only=True)
    replicates: Callable[[MetricInput, IntArray], Sequence[float | Undefined]] | None = field(default=None, kw_only=True)


Metric = ClipMetric | LabelMetric | SetMetric
