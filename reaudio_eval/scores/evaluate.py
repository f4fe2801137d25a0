"""One evaluation: systems and prompts in, scores and an audit out. ``score`` and ``longtail`` are both this with different ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reaudio_eval import plugins
from reaudio_eval.clips.retrieval import Compared
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.audit import ClipAudit, summarise
from reaudio_eval.features.embedders import EmbedderSpec
from reaudio_eval.features.extract import ActiveEmbedder, EmbeddedClips, activate, embed_captions, embed_clips, feature_set
from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import Stratum, partition_by_rarest
from reaudio_eval.scores.metrics import Metric, MetricInput
from reaudio_eval.scores.retrieved_features import NEIGHBOURS, NeighbourFeatures
from reaudio_eval.scores.score import Floors, NamedMetric, Partition, score_system
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.files import default_cache_dir
from reaudio_model.common.progress import Reporter

REFERENCE = "reference"
Reuse = Callable[[SystemInfo, Sequence[str], Mapping[str, Mapping[str, str]]], SystemScores | None]
DEFAULT_EMBEDDERS = ("vggish", "panns", "clap")
EXAMPLES = 3  # names shown in a message
LISTEN_BATCH = 8


@dataclass(frozen=True)
class Options:
    """How to evaluate.

    Attributes:
        protocol: registered protocol name.
        embedders: registered embedder names.
        checkpoints: embedder name -> file (or CLAP folder) given by the user.
        metrics: metric names ("kl_panns") or families ("kl"); None means all that the embedders allow.
        require: metrics whose absence is an error.
        seed: of jackknife groups, size-matched draws and bootstrap; and of models that generate.
        batch_size: clips in a batch; None takes ``LISTEN_BATCH``, and in generation ``generate.GENERATE_BATCH``. It changes results by less
            than 1e-5 relative.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        jobs: threads that decode.
        cache_dir: features and converted checkpoints; content-addressed.
        allow_download: fetch missing published checkpoints.
        strict: an unreadable or missing clip is an error instead of an entry in the audit.
    """

    protocol: str = DEFAULT_PROTOCOL
    embedders: tuple[str, ...] = DEFAULT_EMBEDDERS
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    metrics: tuple[str, ...] | None = None
    require: tuple[str, ...] = ()
    seed: int = 0
    batch_size: int | None = None
    device: str = "auto"
    jobs: int = 2
    cache_dir: Path = field(default_factory=default_cache_dir)
    allow_download: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        for name, value in (("--batch-size", self.batch_size), ("--jobs", self.jobs)):
            if value is not None and value < 1:
                raise ReaudioError(f"{name} must be 1 or more, not {value}.")
        if self.seed < 0:
            raise ReaudioError(f"--seed must be 0 or more, not {self.seed}.")


@dataclass(frozen=True)
class Tools:
    """Embedders and metrics chosen for an evaluation; made before any audio is touched, so that mistakes show at once."""

    embedders: Mapping[str, ActiveEmbedder]
    metrics: tuple[NamedMetric, ...]


@dataclass(frozen=True)
class Evaluation:
    """Scores of every system on the same clips.

    Attributes:
        scores: in the order of the systems asked for.
        clip_ids: the clips scored, sorted; readable in every system and in the reference.
        audit: system name (or "reference") -> summary of its files.
        content: system name (or "reference") -> clip_id -> sha256 of the file.
        widths: embedder name -> dimensions of its features.
    """

    scores: tuple[SystemScores, ...]
    clip_ids: tuple[str, ...]
    audit: dict[str, Any]
    content: Mapping[str, Mapping[str, str]]
    widths: Mapping[str, int]


def prepare(options: Options) -> Tools:
    """Find embedders and bind metrics to them.

    Raises:
        UnknownNameError: protocol, embedder or metric.
        CheckpointError: a checkpoint that was named does not exist, or a download failed.
        ReaudioError: a required metric has no checkpoint.
    """
    protocol = get_protocol(options.protocol)
    unused = sorted(set(options.checkpoints) - set(options.embedders))
    for name in unused:
        plugins.load("embedders", name)  # did you mean?
    names = dict.fromkeys((*options.embedders, *unused))
    specs: dict[str, EmbedderSpec] = {name: plugins.load("embedders", name).SPEC for name in names}
    found = {
        name: activate(
            name,
            specs[name],
            protocol,
            checkpoint=options.checkpoints.get(name),
            cache_dir=options.cache_dir,
            device=options.device,
            allow_download=options.allow_download,
        )
        for name in names
    }
    absent = {name: e.reason for name, e in found.items() if isinstance(e, Undefined)}
    metrics = choose(bind_metrics(specs, found, absent), options.metrics)
    _check_required(metrics, options.require)
    needed = {m.info.embedder for m in metrics}
    active = {n: e for n, e in found.items() if isinstance(e, ActiveEmbedder) and n in needed}
    return Tools(active, metrics)


def bind_metrics(
    specs: Mapping[str, EmbedderSpec], found: Mapping[str, object], absent: Mapping[str, str]
) -> tuple[NamedMetric, ...]:
    """Every metric of every file with every embedder that can serve it.

    Raises:
        ReaudioError: two metrics of one name (a plug-in's, say).
    """
    bound: dict[str, NamedMetric] = {}
    for family in plugins.entries("metrics"):
        for definition in plugins.load("metrics", family).METRICS:
            for name, spec in specs.items():
                if _fits(definition, name, spec):
                    metric = NamedMetric(definition, _info(definition, name, spec, found[name]), absent.get(name))
                    if metric.info.name in bound:
                        raise ReaudioError(f"Two metrics are called {metric.info.name!r}: rename the one in {family}.py.")
                    bound[metric.info.name] = metric
    return tuple(bound.values())


def _fits(definition: Metric, name: str, spec: EmbedderSpec) -> bool:
    frames_fit = definition.frames == "any" or (definition.frames == "many") == spec.many_frames
    network_fits = (spec.has_logits or "logits" not in definition.needs) and (
        spec.has_text or "text" not in definition.needs
    )
    return frames_fit and network_fits and (not definition.only or name in definition.only)


def _info(definition: Metric, name: str, spec: EmbedderSpec, embedder: object) -> MetricInfo:
    from reaudio_eval.scores.metrics import ClipMetric, LabelMetric

    level = "clip" if isinstance(definition, ClipMetric) else "label" if isinstance(definition, LabelMetric) else "set"
    return MetricInfo(
        name=definition.name.format(embedder=name),
        title=f"{definition.title} ({spec.title})",
        level=level,  # type: ignore[arg-type]
        higher_is_better=definition.higher_is_better,
        unit=definition.unit,
        embedder=name,
        embedder_sha256=embedder.sha256 if isinstance(embedder, ActiveEmbedder) else "",
        source=definition.source,
        target=definition.target,
    )


def choose(metrics: Sequence[NamedMetric], wanted: Sequence[str] | None) -> tuple[NamedMetric, ...]:
    """The metrics asked for, by full name or family.

    Raises:
        UnknownNameError: neither a metric nor a family.
    """
    if wanted is None:
        return tuple(metrics)
    families = {f: {d.name for d in plugins.load("metrics", f).METRICS} for f in plugins.entries("metrics")}
    known = {m.info.name for m in metrics} | set(families)
    for name in wanted:
        if name not in known:
            raise UnknownNameError("metric", name, known)
    return tuple(m for m in metrics if any(n == m.info.name or m.definition.name in families.get(n, ()) for n in wanted))


def _check_required(metrics: Sequence[NamedMetric], required: Sequence[str]) -> None:
    table = {m.info.name: m for m in metrics}
    for name in required:
        if name not in table:
            raise UnknownNameError("metric", name, table)
        reason = table[name].unavailable
        if reason is not None:
            raise ReaudioError(f"--require {name}: {reason}.")


def evaluate(
    systems: Sequence[SystemInfo],
    dataset: Dataset,
    strata: Sequence[Stratum],
    tools: Tools,
    options: Options,
    reporter: Reporter,
    reuse: Reuse | None = None,
    neighbours: Mapping[str, Compared] | None = None,
) -> Evaluation:
    """Score systems on the clips that all of them, and the reference, have.

    ``reuse`` is asked first for the scores of a finished run with the same inputs. ``neighbours``: system name -> what its clips are
    compared with by the metrics that look at it (``retrieved.compared``).

    Raises:
        ReaudioError: no clip is left, or ``options.strict`` and a clip is unreadable or missing.
    """
    files = {s.name: dict(s.clips) for s in systems}
    if dataset.references:
        files[REFERENCE] = {
            p.clip_id: dataset.references[p.clip_id] for p in dataset.prompts if p.clip_id in dataset.references
        }
    near = NeighbourFeatures(neighbours or {}, tools.metrics)
    if near.files:
        files[NEIGHBOURS] = near.files
    clips = embed_clips(
        files, list(tools.embedders.values()), options.cache_dir, options.batch_size or LISTEN_BATCH, options.jobs, reporter
    )
    audits = {name: clips.audit(name, [p.clip_id for p in dataset.prompts]) for name in files if name != NEIGHBOURS}
    prompts = _common(dataset.prompts, audits, options.strict)
    ids = tuple(p.clip_id for p in prompts)
    text = {
        name: embed_captions(e, [p.caption for p in prompts], reporter)
        for name, e in tools.embedders.items()
        if e.spec.has_text
    }
    partition = Partition(partition_by_rarest(prompts, dataset.n_train, strata))
    floors = Floors()
    scored = []
    with reporter.stage("Scoring", len(systems)) as advance:
        for system in systems:
            scores = reuse(system, ids, clips.content) if reuse else None
            if scores is None:
                inputs = {
                    name: replace(
                        _inputs(embedder, clips, system.name, prompts, text.get(name), dataset, options),
                        neighbours=near.vectors(name, clips, system.name, ids),
                    )
                    for name, embedder in tools.embedders.items()
                }
                scores = near.with_copies(score_system(system, tools.metrics, inputs, partition, floors), inputs, clips)
            scored.append(scores)
            advance(1)
    return Evaluation(
        tuple(scored),
        ids,
        {name: summarise(entries) for name, entries in [*audits.items(), *near.audits(clips).items()]},
        clips.content,
        {name: next(iter(features.values())).frames.shape[1] for name, features in clips.features.items()},
    )


def _inputs(
    embedder: ActiveEmbedder,
    clips: EmbeddedClips,
    system: str,
    prompts: tuple[Prompt, ...],
    text: np.ndarray[Any, np.dtype[np.float32]] | None,
    dataset: Dataset,
    options: Options,
) -> MetricInput:
    ids = tuple(p.clip_id for p in prompts)
    generated = feature_set(embedder, clips, system, ids, text)
    reference: FeatureSet | None = feature_set(embedder, clips, REFERENCE, ids, text) if dataset.references else None
    known_order = embedder.spec.vocabulary_name is not None and embedder.spec.vocabulary_name == dataset.vocabulary_name
    return MetricInput(
        generated,
        reference,
        prompts,
        get_protocol(options.protocol),
        options.seed,
        dataset.vocabulary if known_order else (),
    )


def _common(prompts: Sequence[Prompt], audits: Mapping[str, Sequence[ClipAudit]], strict: bool) -> tuple[Prompt, ...]:
    """Prompts whose clip is readable everywhere, sorted by clip id (Inception Score depends on the order)."""
    bad = {name: [a for a in entries if a.status != "ok"] for name, entries in audits.items()}
    if strict:
        lines = [f"{name}: {a.clip_id} ({a.reason})" for name, entries in bad.items() for a in entries]
        if lines:
            more = f" and {len(lines) - EXAMPLES} more" if len(lines) > EXAMPLES else ""
            raise ReaudioError(
                f"--strict: {len(lines)} clips are missing or unreadable: {'; '.join(lines[:EXAMPLES])}{more}. "
                "Repair them, or leave out --strict to score the rest."
            )
    left_out = {a.clip_id for entries in bad.values() for a in entries}
    kept = sorted((p for p in prompts if p.clip_id not in left_out), key=lambda p: p.clip_id)
    if not kept:
        counts = ", ".join(f"{name}: {len(e) - len(bad[name])} of {len(e)} readable" for name, e in audits.items())
        raise ReaudioError(f"No clip is readable in every system ({counts}). Name each file after its clip id.")
    return tuple(kept)
