"""Binding metric definitions to embedders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.embedders import EmbedderSpec
from reaudio_eval.features.feature_set import NO_CHECKPOINT, Undefined
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.scores.metrics import Metric
from reaudio_eval.scores.score import Has, NamedMetric, lacking
from reaudio_eval.scores.system_scores import MetricInfo
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.settings import from_mapping


def bind_metrics(
    specs: Mapping[str, EmbedderSpec], embedders: Mapping[str, ActiveEmbedder | Undefined]
) -> tuple[NamedMetric, ...]:
    """Every metric of every file with every embedder that gives what it needs.

    Raises:
        ReaudioError: two metrics with the same name.
    """
    bound: dict[str, NamedMetric] = {}
    for family, definitions in plugins.usable("metrics").items():
        for definition in definitions:
            for name, spec in specs.items():
                if _fits(definition, spec):
                    metric = _bind(definition, name, spec, embedders[name])
                    if metric.info.name in bound:
                        raise ReaudioError(f"Two metrics are called {metric.info.name!r}: rename the one in {family}.py.")
                    bound[metric.info.name] = metric
    return tuple(bound.values())


def _fits(definition: Metric, spec: EmbedderSpec) -> bool:
    frames_fit = definition.frames == "any" or (definition.frames == "many") == spec.many_frames
    network_fits = (spec.has_logits or "logits" not in definition.needs) and (
        spec.has_text or "text" not in definition.needs
    )
    scores_fit = definition.score in spec.scores if spec.scores else definition.score is None
    return frames_fit and network_fits and scores_fit and definition.vocabulary in (None, spec.vocabulary_name)


def _bind(definition: Metric, name: str, spec: EmbedderSpec, embedder: ActiveEmbedder | Undefined) -> NamedMetric:
    info = MetricInfo(
        name=definition.full_name(name),
        title=f"{definition.title} ({spec.title})",
        level=definition.level,
        higher_is_better=definition.higher_is_better,
        unit=definition.unit,
        embedder=name,
        embedder_sha256="" if isinstance(embedder, Undefined) else embedder.sha256,
        source=definition.source.replace("{embedder}", spec.source),
        target=definition.target,
        role=definition.role,
        range=definition.range,
        note=definition.note,
        neutral=definition.neutral,
    )
    missing = definition.package.missing if definition.package else None
    return NamedMetric(definition, info, embedder.reason if isinstance(embedder, Undefined) else missing)


def choose(
    metrics: Sequence[NamedMetric], wanted: Sequence[str] | None, required: Sequence[str] = ()
) -> tuple[NamedMetric, ...]:
    """The metrics asked for, by full name ("fd_panns"), name without embedder ("fd") or family, the name of the file ("fad").

    Costly metrics (``by_name``) are neither among all metrics (``wanted`` None), unless they are ``required``, nor in a family.

    Raises:
        UnknownNameError: neither a metric nor a family.
    """
    if wanted is None:
        return tuple(m for m in metrics if not m.definition.by_name or m.info.name in required)
    definitions = plugins.usable("metrics")
    families = {d.name.removesuffix("_{embedder}"): {d.name} for found in definitions.values() for d in found}
    families |= {f: {d.name for d in found if not d.by_name} for f, found in definitions.items()}
    known = {m.info.name for m in metrics} | set(families)
    for name in wanted:
        if name not in known and name in plugins.entries("metrics"):
            plugins.load("metrics", name)  # it was left out: says why
        if name not in known:
            raise UnknownNameError("metric", name, known)
    return tuple(m for m in metrics if any(n == m.info.name or m.definition.name in families.get(n, ()) for n in wanted))


def metric_families(metrics: Sequence[NamedMetric]) -> tuple[str, ...]:
    """Names of the files that define metrics, sorted: with ``plugins.modules`` the code that computes them."""
    used = {id(m.definition) for m in metrics}
    return tuple(f for f, found in plugins.usable("metrics").items() if any(id(d) in used for d in found))


def check_required(metrics: Sequence[NamedMetric], required: Sequence[str]) -> None:
    """Refuse metrics that cannot be computed.

    Raises:
        UnknownNameError: no such metric.
        ReaudioError: it has no checkpoint.
    """
    table = {m.info.name: m for m in metrics}
    for name in required:
        if name not in table:
            raise UnknownNameError("metric", name, table)
        reason = table[name].unavailable
        if reason is not None:
            raise ReaudioError(f"--require {name}: {reason}.")


def for_dataset(metrics: Sequence[NamedMetric], dataset: Dataset) -> tuple[NamedMetric, ...]:
    """The metrics; those that need what the dataset does not have are unavailable, with the reason."""
    captions = any(p.caption.strip() for p in dataset.prompts)
    labels = any(p.labels and p.labels_known for p in dataset.prompts)

    def checked(metric: NamedMetric) -> NamedMetric:
        order = plugins.load("embedders", metric.info.embedder).spec.vocabulary_name
        known = bool(dataset.vocabulary) and order is not None and order == dataset.vocabulary_name
        names = known and bool(dataset.class_names)
        has = Has(bool(dataset.references), captions, labels, vocabulary=known, class_names=names)
        reason = metric.unavailable or lacking(metric.definition.needs, has)
        return dataclasses.replace(metric, unavailable=reason)

    return tuple(map(checked, metrics))


class NothingToComputeError(ReaudioError):
    """No metric can be computed. remedy: an option and its value, by name, that changes it; {} for none."""

    def __init__(self, message: str, remedy: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.remedy = dict(remedy or {})


def require_any(metrics: Sequence[NamedMetric]) -> None:
    """Refuse an evaluation without any metric that can be computed.

    Raises:
        NothingToComputeError: with the reasons.
    """
    if any(m.unavailable is None for m in metrics):
        return
    absent = {m.info.embedder: m.unavailable for m in metrics if m.unavailable and m.unavailable.startswith(NO_CHECKPOINT)}
    others = dict.fromkeys(m.unavailable for m in metrics if m.unavailable and m.info.embedder not in absent)
    reasons = [f"there is no checkpoint of {_any_of(list(absent))}"] if absent else []
    reasons += [f"{', '.join(m.info.name for m in metrics if m.unavailable == why)} {why}" for why in others]
    what = f"No metric can be computed: {'; '.join(reasons) or 'no embedder gives what a metric needs'}."
    if not absent:
        raise NothingToComputeError(what)
    named = f"--checkpoint {next(iter(absent))}=PATH"
    if any("--allow-download" in reason for reason in absent.values()):
        raise NothingToComputeError(f"{what} Give {named} for a file that you have, or download:", {"allow_download": True})
    raise NothingToComputeError(f"{what} Give {named}.")


def _any_of(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def stored_metrics(values: Sequence[Mapping[str, Any]]) -> tuple[MetricInfo, ...]:
    """The metrics of a manifest. Where an older version did not store role, range and note, they are those of the registered metric of that
    name, or "other" without bounds.

    Raises:
        ReaudioError: an entry that is no metric.
    """
    if not all(isinstance(value, Mapping) for value in values):
        raise ReaudioError("An entry of the metrics is no object.")
    old = any("note" not in value for value in values)
    definitions = [d for found in plugins.usable("metrics").values() for d in found] if old else []
    return tuple(_stored(value, definitions) for value in values)


def _stored(value: Mapping[str, Any], definitions: Sequence[Metric]) -> MetricInfo:
    metric = from_mapping(MetricInfo, value, "metrics")
    known = next((d for d in definitions if d.full_name(metric.embedder) == metric.name), None)
    if known is None:
        return metric
    newer: dict[str, Any] = {"role": known.role, "range": known.range, "note": known.note, "neutral": known.neutral}
    return dataclasses.replace(metric, **{name: each for name, each in newer.items() if name not in value})
