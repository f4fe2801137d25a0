"""Plan and run of the cross-check."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval import plugins
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.crosscheck.compare import Row, caption_embeddings, rows, side
from reaudio_eval.evaluations.crosscheck.packages import PACKAGES, Package
from reaudio_eval.evaluations.crosscheck.readings import Features, embed_readings, readings
from reaudio_eval.evaluations.crosscheck.request import CrosscheckRequest
from reaudio_eval.evaluations.crosscheck.result import Crosscheck
from reaudio_eval.evaluations.folder_pair import folder_pair
from reaudio_eval.evaluations.planning import planned_metrics
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.protocols import get_protocol
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.scores.binding import require_any
from reaudio_eval.scores.evaluate import EMBED_BATCH, Options, Tools, prepare
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.statistics.analysis import Alert, NotComputed
from reaudio_model.common.audio import decode_many
from reaudio_model.common.errors import AudioError, ReaudioError, UnknownNameError
from reaudio_model.common.files import default_cache_dir
from reaudio_model.common.progress import Reporter

Pair = tuple[NamedMetric, NamedMetric]  # ours, the package's


@dataclass(frozen=True)
class CrosscheckPlan:
    """The request, and the clips, embedders and metrics.

    Attributes:
        files: "generated" and "reference" -> clip id -> file, the same ids in both.
        pairs: package -> its metrics; ours is unavailable where the package's is.
    """

    request: CrosscheckRequest
    options: Options
    dataset: Dataset
    files: Mapping[str, Mapping[str, Path]]
    tools: Tools
    pairs: Mapping[Package, Sequence[Pair]]

    def to_json(self) -> Json:
        return {
            "protocol": self.options.protocol,
            "n_clips": len(self.files["generated"]),
            "embedders": {name: str(e.checkpoint) for name, e in self.tools.embedders.items()},
            "metrics": planned_metrics([own for pairs in self.pairs.values() for own, _ in pairs]),
            "cache_dir": str(self.options.cache_dir),
        }


def plan(request: CrosscheckRequest, reporter: Reporter) -> CrosscheckPlan:
    """Pair the files and find packages and checkpoints.

    Raises:
        ReaudioError: a folder is missing or empty, no name is in both, or a caption is missing.
        NothingToComputeError: no package, or none with a checkpoint.
    """
    dataset, system = folder_pair(request.folders)
    ids = sorted(system.clips.keys() & dataset.references.keys())
    files = {"generated": system.clips, "reference": dataset.references}
    options = _options(request)
    tools = prepare(options, dataset, needed=False)
    pairs: dict[Package, list[Pair]] = {package: [] for package in PACKAGES}
    for package in PACKAGES:
        for pattern in package.metrics:
            own, other = (_named(tools.metrics, pattern, name) for name in (package.ours, package.theirs))
            reason = _not_installed(package) or own.unavailable or other.unavailable
            pairs[package].append((dataclasses.replace(own, unavailable=reason), other))
    require_any([own for every in pairs.values() for own, _ in every])
    paired = {name: {clip_id: clips[clip_id] for clip_id in ids} for name, clips in files.items()}
    return CrosscheckPlan(request, options, dataset, paired, tools, pairs)


def _not_installed(package: Package) -> str | None:
    needed = plugins.load("embedders", package.theirs).spec.package
    return None if needed is None else needed.missing


def _named(metrics: Sequence[NamedMetric], pattern: str, embedder: str) -> NamedMetric:
    return next(m for m in metrics if m.definition.name == pattern and m.info.embedder == embedder)


def _options(request: CrosscheckRequest) -> Options:
    known = [p.ours for p in PACKAGES]
    for name in request.checkpoints:
        if name not in known:
            raise UnknownNameError("embedder of a package", name, known)
    given = {n: request.checkpoints[p.ours] for p in PACKAGES if p.ours in request.checkpoints for n in (p.ours, p.theirs)}
    machine = request.machine
    return Options(
        protocol=request.protocol,
        embedders=tuple(name for p in PACKAGES for name in (p.ours, p.theirs)),
        checkpoints=given,
        metrics=tuple(_full_names()),
        seed=request.seed,
        batch_size=machine.batch_size,
        device=machine.device,
        jobs=machine.jobs,
        cache_dir=machine.cache_dir or default_cache_dir(),
        allow_download=request.allow_download,
    )


def _full_names() -> list[str]:
    definitions = {d.name: d for found in plugins.usable("metrics").values() for d in found}
    return [definitions[m].full_name(name) for p in PACKAGES for name in (p.ours, p.theirs) for m in p.metrics]


def run(plan: CrosscheckPlan, reporter: Reporter) -> Crosscheck:
    """Score the folders with our networks and with those of the packages.

    Raises:
        ReaudioError: no pair of clips is readable, or a package fails.
    """
    ids, left_out = _readable(plan, reporter)
    if not ids:
        raise ReaudioError(f"No clip is readable in both folders: {left_out[0]}")
    found: list[Row] = []
    every = [own for pairs in plan.pairs.values() for own, _ in pairs]
    missing = [NotComputed(own.info, own.unavailable) for own in every if own.unavailable]
    warnings = [Alert("warning", note) for note in (*plan.dataset.notes, *left_out)]
    for package, wanted in plan.pairs.items():
        if pairs := [each for each in wanted if each[0].unavailable is None]:
            own, undefined = _compare(plan, package, pairs, ids, reporter)
            found, missing = [*found, *own], [*missing, *undefined]
            warnings += [Alert("warning", n) for n in plan.tools.embedders[package.ours].checkpoint_notes]
    return Crosscheck(plan.options.protocol, len(ids), tuple(found), tuple(missing), tuple(warnings))


def _readable(plan: CrosscheckPlan, reporter: Reporter) -> tuple[tuple[str, ...], list[str]]:
    """The clips that can be read in both folders, sorted, and a sentence for each file that cannot."""
    ids = set(plan.files["generated"])
    left_out = []
    for name, files in plan.files.items():
        with reporter.stage(f"Reading {name} clips", len(files)) as advance:
            for clip_id, audio in zip(files, decode_many(files.values(), plan.options.jobs), strict=True):
                if isinstance(audio, AudioError):
                    ids.discard(clip_id)
                    left_out.append(f"{clip_id} is left out: {audio}")
                advance(1)
    return tuple(sorted(ids)), left_out


def _compare(
    plan: CrosscheckPlan,
    package: Package,
    pairs: Sequence[Pair],
    ids: tuple[str, ...],
    reporter: Reporter,
) -> tuple[list[Row], list[NotComputed]]:
    ours, theirs = (plan.tools.embedders[name] for name in (package.ours, package.theirs))
    ways = readings(package, ours, plan.options.seed)
    prompts = _prompts(plan.dataset, ids)
    text = caption_embeddings(ours, prompts, reporter), caption_embeddings(theirs, prompts, reporter)
    networks = _features(ours, plan.options), _features(theirs, plan.options)
    sides = {}
    for name in (
        ("generated", "reference") if any("reference" in ours.definition.needs for ours, _ in pairs) else ("generated",)
    ):
        clips = [(clip_id, plan.files[name][clip_id]) for clip_id in ids]
        with reporter.stage(f"{package.name}: {name} clips", len(ids)) as advance:
            features = embed_readings(clips, plan.options.jobs, ways, *networks, advance)
        sides[name] = side(ids, features, ours, theirs, text)
    protocol = get_protocol(plan.options.protocol)
    what = [way.what for way in ways]
    return rows(package, pairs, sides["generated"], sides.get("reference"), prompts, protocol, what)


def _features(embedder: ActiveEmbedder, options: Options) -> Features:
    _ = embedder.network  # imported before the package's own functions are: guarded against its downloads
    return Features(embedder, options.batch_size or EMBED_BATCH)


def _prompts(dataset: Dataset, ids: Sequence[str]) -> tuple[Prompt, ...]:
    known = {p.clip_id: p for p in dataset.prompts}
    return tuple(known[clip_id] for clip_id in ids)
