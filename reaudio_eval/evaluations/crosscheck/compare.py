"""Metrics of one package beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reaudio_eval.evaluations.crosscheck.packages import Package
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.extract import as_feature_set, embed_captions
from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import Protocol
from reaudio_eval.prompts.dataset import Prompt
from reaudio_eval.scores.metrics import ClipMetric, LabelMetric, MetricInput, Subset
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.statistics.analysis import NotComputed
from reaudio_model.common.progress import Reporter

ROUNDING = 1e-4  # relative: two implementations in float32, whose features agree to 1e-5


@dataclass(frozen=True)
class Row:
    """A metric of ours and of a package.

    Attributes:
        ours: our value.
        same: the package's network on our waveforms.
        files: the package's network on the files as it reads them.
        changes: what each convention of the package changes, in words, and the package's value after it, in order.
    """

    metric: str
    package: str
    ours: float
    same: float
    files: float
    changes: tuple[tuple[str, float], ...] = ()

    def json(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "package": self.package,
            "ours": self.ours,
            "same_waveforms": self.same,
            "own_reading": self.files,
            "difference_same": self.same - self.ours,
            "difference_own": self.files - self.ours,
            "cause": self.cause,
        }

    @property
    def agrees(self) -> bool:
        """Whether the network and formula of the package give our value for our waveforms."""
        return math.isclose(self.same, self.ours, rel_tol=ROUNDING, abs_tol=ROUNDING * ROUNDING)

    @property
    def effects(self) -> list[tuple[str, float, float]]:
        """Each change of the waveform with the value after it and its effect, those within rounding left out."""
        before, found = self.same, []
        for what, value in self.changes:
            if not math.isclose(value, before, rel_tol=ROUNDING, abs_tol=ROUNDING * ROUNDING):
                found.append((what, value, value - before))
            before = value
        return found

    @property
    def cause(self) -> str:
        """Why the values differ, as the computation shows."""
        network = [] if self.agrees else [f"network or formula, unexplained ({self.same - self.ours:+.3g})"]
        return "; ".join([*network, *(f"{what} ({effect:+.3g})" for what, _, effect in self.effects)]) or "none: rounding"


@dataclass(frozen=True)
class Side:
    """Features of the generated or the real clips: of our network, and of the package's for each reading."""

    ours: FeatureSet
    theirs: Sequence[FeatureSet]


def side(
    clip_ids: tuple[str, ...],
    features: Mapping[str, tuple[ClipFeatures, list[ClipFeatures]]],
    ours: ActiveEmbedder,
    theirs: ActiveEmbedder,
    text: tuple[Any, Any],
) -> Side:
    """The arrays of one folder. text: embeddings of the captions under both networks, or None twice."""
    ways = range(len(next(iter(features.values()))[1]))
    return Side(
        as_feature_set(ours, [features[c][0] for c in clip_ids], clip_ids, text[0]),
        [as_feature_set(theirs, [features[c][1][way] for c in clip_ids], clip_ids, text[1]) for way in ways],
    )


def caption_embeddings(embedder: ActiveEmbedder, prompts: Sequence[Prompt], reporter: Reporter) -> Any:
    """float32 (n, d); None where the network has no text, or no caption is known."""
    if not embedder.spec.has_text or not all(p.caption.strip() for p in prompts):
        return None
    return embed_captions(embedder, [p.caption for p in prompts], reporter)


def rows(
    package: Package,
    metrics: Sequence[tuple[NamedMetric, NamedMetric]],
    generated: Side,
    reference: Side | None,
    prompts: tuple[Prompt, ...],
    protocol: Protocol,
    what: Sequence[str],
) -> tuple[list[Row], list[NotComputed]]:
    """Every metric of a package, and those without a value.

    Args:
        package: the package.
        metrics: ours and the package's.
        generated, reference: features of the clips; None where no metric needs real clips.
        prompts: of the clips.
        protocol: of our numbers.
        what: of each of the package's readings, in words.
    """
    found, undefined = [], []
    real = [None] * len(what) if reference is None else reference.theirs
    for ours, theirs in metrics:
        values = [
            _value(ours, MetricInput(generated.ours, None if reference is None else reference.ours, prompts, protocol))
        ]
        for own, other in zip(generated.theirs, real, strict=True):
            values.append(_package_value(package, theirs, MetricInput(own, other, prompts, protocol)))
        numbers = [each for each in values if not isinstance(each, Undefined)]
        undefined += [NotComputed(ours.info, each.reason) for each in values if isinstance(each, Undefined)][:1]
        if len(numbers) == len(values):
            changes = tuple(zip(what[1:], numbers[2:], strict=True))
            found.append(Row(ours.info.name, package.name, numbers[0], numbers[1], numbers[-1], changes))
    return found, undefined


def _package_value(package: Package, metric: NamedMetric, data: MetricInput) -> float | Undefined:
    own = _value(metric, data)
    if package.distance is None or isinstance(own, Undefined) or data.reference is None:
        return own
    return package.distance(data.generated, data.reference)


def _value(metric: NamedMetric, data: MetricInput) -> float | Undefined:
    """A metric over all clips."""
    definition = metric.definition
    assert not isinstance(definition, LabelMetric)
    if isinstance(definition, ClipMetric):
        return float(np.nanmean(definition.compute(data)))
    every = np.arange(len(data.generated))
    (value,) = definition.compute(data, [Subset(every, every)])
    return value
