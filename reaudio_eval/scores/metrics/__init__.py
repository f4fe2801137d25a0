"""Metrics: one file each, found by file name (``registry.metrics``).

A metric file holds pure functions on arrays and a module constant ``METRICS``, a tuple of the definitions below.
The name a definition carries is a pattern, ``"kl_{embedder}"``; the run fills in the embedder's registered name.
Adding a metric is adding a file here (or in a plug-in folder, see ``registry``) and its test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from reaudio_eval.features.feature_set import FeatureSet, FloatArray, IntArray, Undefined
from reaudio_eval.features.protocols import Protocol
from reaudio_eval.prompts.dataset import Prompt

Need = Literal["reference", "logits", "text", "labels", "neighbours"]


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
    """What a metric may look at. Rows of ``generated``, ``reference`` and ``prompts`` belong to the same clips in the
    same order; ``reference`` is None without real audio.

    Attributes:
        vocabulary: label ids in the order of the logits' columns; () when the embedder has no known order.
        neighbours: of each row the mean frames of what was retrieved for its prompt, float64 (k, d) with k perhaps 0 and not the
            same for all; None where no system retrieves.
    """

    generated: FeatureSet
    reference: FeatureSet | None
    prompts: tuple[Prompt, ...]
    protocol: Protocol
    seed: int = 0
    vocabulary: tuple[str, ...] = ()
    neighbours: tuple[FloatArray, ...] | None = None


@dataclass(frozen=True)
class _Metric:
    name: str
    title: str
    higher_is_better: bool
    unit: str
    source: str
    needs: frozenset[Need] = frozenset()
    frames: Literal["any", "many", "one"] = "any"  # "many": only embedders with several frames a clip (VGGish)
    only: tuple[str, ...] = ()  # embedder names; () means every embedder that gives what is needed
    in_strata: bool = True  # False: computed over all clips only
    target: float | None = None  # see ``MetricInfo``


@dataclass(frozen=True)
class ClipMetric(_Metric):
    """A value a clip. ``compute`` returns float64 (n,), NaN where a clip's value is undefined."""

    compute: Callable[[MetricInput], FloatArray] = field(kw_only=True)


@dataclass(frozen=True)
class LabelMetric(_Metric):
    """A value a (clip, label) pair, for the clips whose labels are known."""

    compute: Callable[[MetricInput], Sequence[LabelValue]] = field(kw_only=True)


@dataclass(frozen=True)
class SetMetric(_Metric):
    """A value a set of clips. ``compute`` evaluates several subsets at once (the whole set, jackknife groups, strata,
    size-matched draws), so that an implementation can share work; whatever is fixed by the whole reference (a kernel
    bandwidth) is taken from ``MetricInput.reference``, never from a subset.

    Attributes:
        size_biased: True when the expected value depends on the number of clips (Frechet, IS): strata are then compared
            only at equal n and beside a real-vs-real floor.
        interval: "jackknife" (delete-a-group), or "none" for a quantity that is itself a spread.
    """

    compute: Callable[[MetricInput, Sequence[Subset]], Sequence[float | Undefined]] = field(kw_only=True)
    size_biased: bool = field(default=False, kw_only=True)
    interval: Literal["jackknife", "none"] = field(default="jackknife", kw_only=True)


Metric = ClipMetric | LabelMetric | SetMetric
