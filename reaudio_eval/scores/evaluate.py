"""Scoring systems on the prompts of a dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.clips.retrieval import Compared
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.active import ActiveEmbedder, activate
from reaudio_eval.features.audit import ClipAudit, summarise
from reaudio_eval.features.cache import cache_log, check_cache_dir
from reaudio_eval.features.extract import embed_clips
from reaudio_eval.features.object_store import ObjectStore
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, get_protocol
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum, partition_by_rarest
from reaudio_eval.scores.binding import bind_metrics, check_required, choose, for_dataset, require_any
from reaudio_eval.scores.inputs import REFERENCE, Inputs
from reaudio_eval.scores.retrieved_features import NEIGHBOURS, NeighbourFeatures
from reaudio_eval.scores.score import NamedMetric, score_system
from reaudio_eval.scores.set_metrics import Floors, Partition
from reaudio_eval.scores.system_scores import ScoredClips, SystemScores
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.files import as_path, default_cache_dir
from reaudio_model.common.limits import MAX_SECONDS
from reaudio_model.common.progress import Reporter

Reuse = Callable[[SystemInfo, ScoredClips, Mapping[str, Mapping[str, str]]], SystemScores | None]
DEFAULT_EMBEDDERS = ("vggish", "panns", "clap")
EXAMPLES = 3  # names shown in a message
EMBED_BATCH = 8


@dataclass(frozen=True)
class Options:
    """How to evaluate.

    Attributes:
        protocol: registered protocol name.
        embedders: registered embedder names.
        checkpoints: embedder name -> file (or CLAP folder) given by the user; strings are accepted, ``~`` is expanded.
        metrics: metric names ("kl_panns") or families ("kl"); None means all that the embedders allow.
        require: metrics whose absence is an error.
        seed: of jackknife groups and size-matched draws, and of models that generate.
        batch_size: clips in a batch; None takes ``EMBED_BATCH``, and in generation ``collect.GENERATE_BATCH``. It changes results by
            less than 1e-5 relative.
        device: "auto", "cpu", "cuda", "cuda:1", ...
        jobs: threads that decode.
        cache_dir: of features and converted checkpoints.
        allow_download: fetch missing published checkpoints.
        strict: a missing, unreadable or truncated clip is an error instead of an entry in the audit.
        max_seconds: longer clips are unreadable.
        executor: where networks run.
        store: object store that features are shared in, or None.
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
    max_seconds: float = MAX_SECONDS
    executor: Executor = LOCAL
    store: ObjectStore | None = None

    def __post_init__(self) -> None:
        for name, value in (("--batch-size", self.batch_size), ("--jobs", self.jobs)):
            if value is not None and value < 1:
                raise ReaudioError(f"{name} must be 1 or more, not {value}.")
        if not 0 < self.max_seconds < math.inf:
            raise ReaudioError(f"--max-seconds must be more than 0 and finite, not {self.max_seconds:g}.")
        if self.seed < 0:
            raise ReaudioError(f"--seed must be 0 or more, not {self.seed}.")
        for name in ("embedders", "metrics", "require"):  # one name may be given as text
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else value)
        object.__setattr__(self, "checkpoints", {name: as_path(path) for name, path in self.checkpoints.items()})
        object.__setattr__(self, "cache_dir", check_cache_dir(as_path(self.cache_dir)))


@dataclass(frozen=True)
class Tools:
    """Embedders and metrics of an evaluation, found before any audio is read, so that mistakes are reported at once."""

    embedders: Mapping[str, ActiveEmbedder]
    metrics: tuple[NamedMetric, ...]


@dataclass(frozen=True)
class Evaluation:
    """Scores of every system on its clips.

    Attributes:
        scores: in the order of the systems asked for.
        clips: system name -> the clips that its numbers count.
        audit: system name (or "reference") -> summary of its files; clips of further seeds have names of their own
            (``SystemInfo.by_seed``).
        content: the same names -> clip_id -> sha256 of the file.
        widths: embedder name -> dimensions of its features.
    """

    scores: tuple[SystemScores, ...]
    clips: Mapping[str, ScoredClips]
    audit: dict[str, Any]
    content: Mapping[str, Mapping[str, str]]
    widths: Mapping[str, int]

    @cached_property
    def clip_ids(self) -> tuple[str, ...]:
        """Every clip that is scored in any system, sorted."""
        return tuple(sorted({clip_id for clips in self.clips.values() for clip_id in clips.own}))

    @property
    def set_clip_ids(self) -> tuple[str, ...]:
        """The clips that metrics of sets of clips count, sorted: those that every system has."""
        return next((clips.sets for clips in self.clips.values()), ())


NO_CLIPS = Evaluation((), {}, {}, {}, {})


def prepare(options: Options, dataset: Dataset | None = None, *, needed: bool = True) -> Tools:
    """Find the embedders and bind the metrics to them; with a dataset, also check what the metrics need of it.

    Args:
        options: of the user.
        dataset: whose clips will be scored, or None.
        needed: refuse an evaluation in which no metric can be computed.

    Raises:
        UnknownNameError: protocol, embedder or metric.
        CheckpointError: a checkpoint that was named does not exist, or a download failed.
        ReaudioError: a required metric has no checkpoint, or needs what the dataset does not have.
        NothingToComputeError: no metric can be computed.
    """
    protocol = get_protocol(options.protocol)
    unused = sorted(set(options.checkpoints) - set(options.embedders))
    names = dict.fromkeys((*options.embedders, *unused))
    specs = {name: plugins.load("embedders", name).spec for name in names}
    found = {
        name: activate(
            name,
            specs[name],
            protocol,
            checkpoint=options.checkpoints.get(name),
            cache_dir=options.cache_dir,
            device=options.device,
            allow_download=options.allow_download,
            store=options.store,
        )
        for name in names
    }
    metrics = choose(bind_metrics(specs, found), options.metrics, options.require)
    metrics = metrics if dataset is None else for_dataset(metrics, dataset)
    check_required(metrics, options.require)
    if needed:
        require_any(metrics)
    used = {m.info.embedder for m in metrics if m.unavailable is None}
    active = {n: e for n, e in found.items() if isinstance(e, ActiveEmbedder) and n in used}
    return Tools(active, metrics)


def evaluate(
    systems: Sequence[SystemInfo],
    dataset: Dataset,
    strata: Sequence[Stratum],
    tools: Tools,
    options: Options,
    reporter: Reporter,
    reuse: Reuse | None = None,
    neighbours: Mapping[str, Compared] | None = None,
    common: bool = False,
) -> Evaluation:
    """Score systems, each on the clips that it and the reference have; metrics of sets of clips on those that all systems have.

    Args:
        systems: with their clips.
        dataset: prompts and references.
        strata: for set metrics.
        tools: from :func:`prepare`.
        options: the options of :func:`prepare`.
        reporter: shows progress.
        reuse: gives the scores of a finished run with the same inputs, or None.
        neighbours: system name -> the retrieved clips that its clips are compared with (``clips.retrieval.compared``).
        common: score every system on the clips that all of them have.

    Raises:
        ReaudioError: a system has no readable clip, or with ``common`` no clip that all have; or ``options.strict`` and a clip is missing,
            unreadable or truncated.
    """
    near = NeighbourFeatures(neighbours or {}, tools.metrics)
    files = _files(systems, dataset, near)
    batch_size = options.batch_size or EMBED_BATCH
    embedders = list(tools.embedders.values())
    clips = embed_clips(
        files, embedders, options.cache_dir, batch_size, options.jobs, reporter, options.max_seconds,
        executor=options.executor, store=options.store,
    )  # fmt: skip
    audits = {name: clips.audit(name, [p.clip_id for p in dataset.prompts]) for name in files if name != NEIGHBOURS}
    scored = scored_clips(audits, {s.name: tuple(s.by_seed) for s in systems}, options.strict, common)
    inputs = Inputs.of(clips, near, scored, dataset, tools.embedders, options.protocol, options.seed, reporter)
    cache_log(options.cache_dir).report(reporter)
    return Evaluation(
        _score(systems, tools, inputs, scored, strata, reuse, reporter),
        scored,
        {name: summarise(entries) for name, entries in [*audits.items(), *near.audits(clips).items()]},
        clips.content,
        {name: next(iter(features.values())).frames.shape[1] for name, features in clips.features.items()},
    )


def _score(
    systems: Sequence[SystemInfo],
    tools: Tools,
    inputs: Inputs,
    clips: Mapping[str, ScoredClips],
    strata: Sequence[Stratum],
    reuse: Reuse | None,
    reporter: Reporter,
) -> tuple[SystemScores, ...]:
    floors, scored, embedders = Floors(), [], tuple(tools.embedders.values())
    common_prompts = inputs.prompts_of(next((found.sets for found in clips.values()), ()))
    partition = Partition(partition_by_rarest(common_prompts, inputs.dataset.n_train, strata))
    with reporter.stage("Scoring", len(systems)) as advance:
        for system in systems:
            own, sets = clips[system.name]
            counted = replace(system, n_clips=len(own))
            scores = reuse(counted, clips[system.name], inputs.clips.content) if reuse else None
            if scores is None:
                given, *more = inputs.of_seeds(system, embedders, own)
                common = None if own == sets else inputs.of_seeds(system, embedders, sets) if sets else []
                scores = score_system(counted, tools.metrics, given, partition, floors, more, common)
                scores = inputs.near.with_copies(scores, given, inputs.clips)
            scored.append(replace(scores, set_clip_ids=None if own == sets else frozenset(sets)))
            advance(1)
    return tuple(scored)


def _files(systems: Sequence[SystemInfo], dataset: Dataset, near: NeighbourFeatures) -> dict[str, dict[str, Path]]:
    """System (``SystemInfo.by_seed``; or ``REFERENCE``, ``NEIGHBOURS``) -> clip_id -> file."""
    named = [(name, clips) for s in systems for name, clips in s.by_seed.items()]
    files = {name: dict(clips) for name, clips in named}
    if len(files) < len(named):
        twice = next(name for i, (name, _) in enumerate(named) if name in dict(named[:i]))
        raise ReaudioError(f"{twice!r} is a system and the clips of a seed of another: rename the system.")
    if dataset.references:
        known = (p.clip_id for p in dataset.prompts if p.clip_id in dataset.references)
        files[REFERENCE] = {clip_id: dataset.references[clip_id] for clip_id in known}
    return files | ({NEIGHBOURS: near.files} if near.files else {})


def scored_clips(
    audits: Mapping[str, Sequence[ClipAudit]], systems: Mapping[str, Sequence[str]], strict: bool, common: bool
) -> dict[str, ScoredClips]:
    """System -> the clips that its numbers count, sorted by clip id (Inception Score depends on the order).

    Args:
        audits: clips of a system and seed (or ``REFERENCE``) -> an entry for every prompt.
        systems: system -> names of its clips in ``audits``, one for each seed; a prompt needs a clip of every seed.
        strict: refuse missing, unreadable and truncated clips.
        common: every system counts the clips that all have.

    Raises:
        ReaudioError: a clip that ``strict`` refuses; a system without a readable clip, or with ``common`` no clip that all have.
    """
    if strict:
        _refuse_incomplete(audits)
    readable = {name: {a.clip_id for a in entries if a.status == "ok"} for name, entries in audits.items()}
    real = [readable[REFERENCE]] if REFERENCE in readable else []
    own = {name: set.intersection(*(readable[each] for each in seeds), *real) for name, seeds in systems.items()}
    sets = set.intersection(*own.values()) if own else set()
    if not sets and (common or not all(own.values())):
        counts = ", ".join(f"{name}: {len(readable[name])} of {len(entries)} readable" for name, entries in audits.items())
        remedy = "Leave out --common" if all(own.values()) else "Name each file after its clip id"
        raise ReaudioError(f"No clip is readable in every system ({counts}). {remedy}.")
    in_order = tuple(sorted(sets))
    return {name: ScoredClips(in_order if common else tuple(sorted(ids)), in_order) for name, ids in own.items()}


def _refuse_incomplete(audits: Mapping[str, Sequence[ClipAudit]]) -> None:
    """Raise ReaudioError where a clip is missing, unreadable or truncated."""
    refused = {name: [a for a in entries if a.status != "ok" or "truncated" in a.flags] for name, entries in audits.items()}
    lines = [f"{name}: {a.clip_id} ({a.reason})" for name, entries in refused.items() for a in entries]
    if lines:
        more = f" and {len(lines) - EXAMPLES} more" if len(lines) > EXAMPLES else ""
        n_clips = "1 clip is" if len(lines) == 1 else f"{len(lines):,} clips are"
        raise ReaudioError(
            f"--strict: {n_clips} missing, unreadable or not whole: {'; '.join(lines[:EXAMPLES])}{more}. "
            "Repair them, or leave out --strict to score the rest."
        )
