"""``reaudio-eval longtail``: systems scored by how often each sound occurs in training, and the report of it."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reaudio_eval import provenance, registry
from reaudio_eval.analysis import analyse
from reaudio_eval.baselines import COPY, baseline_names, read_baseline
from reaudio_eval.datasets import DatasetOptions
from reaudio_eval.evaluate import REFERENCE, Evaluation, Options, Tools, evaluate, prepare
from reaudio_eval.generate import Generation, SystemRequest, collect, is_bound, shown_name
from reaudio_eval.models import Sampling
from reaudio_eval.protocols import get_protocol
from reaudio_eval.records import SCHEMA_VERSION, Alert, Dataset, LongtailAnalysis, Stratum, SystemInfo, SystemScores
from reaudio_eval.render.html import RenderedReport, render_longtail
from reaudio_eval.runs import Json, is_finished, overall_json, read_run, run_path, write_run
from reaudio_eval.strata import strata_scheme
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature import bundled

OTHERWISE = (
    f"comes with the package, made with {bundled.STEPS} steps and guidance {bundled.GUIDANCE:g}; the other systems were sampled as this "
    "command says, so what stands between them is not retrieval alone. --baselines fresh makes it anew."
)
Overwrite = Literal["never", "only-missing", "always"]
Media = Literal["inline", "folder", "none"]
Baselines = Literal["bundled", "fresh", "none"]


@dataclass(frozen=True)
class LongtailRequest:
    """What to evaluate and where to put it.

    Attributes:
        dataset: registered dataset name.
        data: its files.
        clips: system name -> folder of its clips (file stem = clip id).
        models: registered models that make clips themselves.
        weights: model name -> the user's weights of it.
        index: the user's retrieval index, for models with weights of the user's.
        sampling: how models sample.
        baselines: beside a bundled model on its own dataset: "bundled" takes the scores that come with the package, "fresh" generates
            those systems anew, "none" leaves them out.
        real, noise: also score the real audio (ceiling) and a noise floor, where there are references.
        strata: scheme name or edges ("log10", "lvis", "10,100,1000").
        output: report and run directories.
        limit: only the first so many prompts.
        primary: metric drawn first; None chooses CLAP score, else label recall.
        overwrite: finished runs are kept ("only-missing"), made anew ("always"), or their presence is an error ("never").
        media: players in the page, in a folder beside it, or none.
    """

    dataset: str
    data: DatasetOptions
    output: Path
    clips: Mapping[str, Path] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    weights: Mapping[str, Path] = field(default_factory=dict)
    index: Path | None = None
    sampling: Sampling = field(default_factory=Sampling)
    baselines: Baselines = "bundled"
    real: bool = True
    noise: bool = True
    strata: str = "log10"
    limit: int | None = None
    primary: str | None = None
    overwrite: Overwrite = "only-missing"
    media: Media = "inline"


@dataclass(frozen=True)
class LongtailResult:
    """What came out.

    Attributes:
        analysis: all numbers, as DataFrames.
        report: files written.
        runs: run directory of each system, in the order of ``analysis.systems``.
        audit: system name (or "reference") -> what was odd about its files.
    """

    analysis: LongtailAnalysis
    report: RenderedReport
    runs: tuple[Path, ...]
    audit: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """Everything known before work starts; what ``--dry-run`` prints. selection: of which prompts, where not all of the split."""

    dataset: Dataset
    strata: tuple[Stratum, ...]
    tools: Tools
    requests: tuple[SystemRequest, ...]
    protocol: str
    selection: str | None = None


@dataclass(frozen=True)
class Scored:
    """What an analysis starts from.

    Attributes:
        scores: of every system, those that come with the package last.
        dataset: with the prompts that were scored.
        evaluation: what was scored now.
        about: provenance.
        alerts: known before the analysis.
        store: writes the run directories.
    """

    scores: tuple[SystemScores, ...]
    dataset: Dataset
    evaluation: Evaluation
    about: Json
    alerts: tuple[Alert, ...]
    store: RunStore


def plan(request: LongtailRequest, options: Options) -> Plan:
    """Load the dataset, choose strata, embedders and metrics, and name the systems.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    if not request.clips and not request.models:
        raise ReaudioError("No system to evaluate: give --clips NAME=FOLDER or --model NAME (`reaudio-eval list models`).")
    if request.limit is not None and request.limit < 1:
        raise ReaudioError(f"--limit must be 1 or more, not {request.limit}.")
    _check_weights(request)
    dataset: Dataset = registry.load("datasets", request.dataset).load(request.data)
    if request.limit is not None:
        dataset = dataclasses.replace(dataset, prompts=dataset.prompts[: request.limit])
    requests = [SystemRequest(name, "clips", folder) for name, folder in request.clips.items()]
    requests += [
        SystemRequest(shown_name(name), name, None, request.weights.get(name), request.index) for name in request.models
    ]
    if request.baselines != "none":
        beside = baseline_names(dataset, request.models)
        requests += [SystemRequest(name, name) for name in beside if request.baselines == "fresh" or name == COPY]
    for name, wanted in (("real", request.real and bool(dataset.references)), ("noise", request.noise)):
        if wanted and name not in request.models:
            requests.append(SystemRequest(name, name))
    for each in requests:
        registry.load("models", each.model)
    return Plan(
        dataset, strata_scheme(request.strata, dataset.train_counts), prepare(options), tuple(requests), options.protocol
    )


def longtail(request: LongtailRequest, options: Options, reporter: Reporter | None = None) -> LongtailResult:
    """Evaluate systems by label frequency and write run directories and the report.

    Raises:
        ReaudioError: see :func:`plan` and :func:`reaudio_eval.evaluate.evaluate`.
    """
    reporter = reporter or Reporter(quiet=True)
    todo = plan(request, options)
    scored = score_plan(request, options, todo, reporter)
    analysis, runs = analyse_and_store(request, options, todo, scored)
    report = render_stage(analysis, request.output, request.media, options.jobs, reporter)
    return LongtailResult(analysis, report, runs, scored.evaluation.audit)


def score_plan(request: LongtailRequest, options: Options, todo: Plan, reporter: Reporter) -> Scored:
    """Collect the clips of a plan and score them; finished clips, embeddings and runs are kept.

    Raises:
        ReaudioError: see :func:`reaudio_eval.generate.collect` and :func:`reaudio_eval.evaluate.evaluate`.
    """
    dataset = todo.dataset
    systems = collect(
        todo.requests, dataset.prompts, dataset, request.output / "clips", _generation(request, options), reporter
    )
    store = RunStore(request, options, todo)
    evaluation = evaluate(systems, dataset, todo.strata, todo.tools, options, reporter, store.reuse)
    known, left_out = _known_baselines(request, todo, evaluation)
    return Scored(
        (*evaluation.scores, *known),
        _scored_only(dataset, evaluation),
        evaluation,
        _provenance(request, options, todo, evaluation),
        (*_alerts(dataset, evaluation, todo.tools), *_bounds(systems), *left_out),
        store,
    )


def analyse_and_store(
    request: LongtailRequest, options: Options, todo: Plan, scored: Scored
) -> tuple[LongtailAnalysis, tuple[Path, ...]]:
    """The long-tail analysis of what was scored, and its run directories, written."""
    analysis = analyse(
        scored.scores,
        scored.dataset,
        todo.strata,
        seed=options.seed,
        primary=request.primary,
        provenance=scored.about,
        audit=scored.evaluation.audit,
        alerts=scored.alerts,
    )
    runs = scored.store.write(scored.evaluation, analysis, scored.about)
    places = {scores.system.name: run for scores, run in zip(scored.evaluation.scores, runs, strict=True)}
    placed = tuple(dataclasses.replace(s, run_dir=places.get(s.name, s.run_dir)) for s in analysis.systems)
    return dataclasses.replace(analysis, systems=placed), runs


def _check_weights(request: LongtailRequest) -> None:
    for name in request.weights:
        if name not in request.models:
            raise ReaudioError(f"--weights names {name!r}, which is no --model of this command.")


def _generation(request: LongtailRequest, options: Options) -> Generation:
    return Generation(options.seed, request.sampling, device=options.device, jobs=options.jobs, cache_dir=options.cache_dir)


def _known_baselines(request: LongtailRequest, todo: Plan, evaluation: Evaluation) -> tuple[list[SystemScores], list[Alert]]:
    """Scores that come with the package, and why some cannot be shown."""
    scores: list[SystemScores] = []
    notes: list[Alert] = []
    if request.baselines == "bundled":
        for name in baseline_names(todo.dataset, request.models):
            if name == COPY:
                continue
            found = read_baseline(
                name,
                clip_ids=evaluation.clip_ids,
                metrics=[m.info for m in todo.tools.metrics],
                protocol=todo.protocol,
                strata=todo.strata,
                selection=todo.selection is not None,
            )
            if isinstance(found, str):
                notes.append(Alert("note", found))
            else:
                scores.append(found)
                if request.sampling.steps is not None or request.sampling.guidance is not None:
                    notes.append(Alert("warning", f"{name} {OTHERWISE}"))
    return scores, notes


def render_stage(analysis: LongtailAnalysis, output: Path, media: Media, jobs: int, reporter: Reporter) -> RenderedReport:
    """Write the report, with progress."""
    with reporter.stage("Rendering", 100) as advance:
        return render_longtail(analysis, output, media=media, jobs=jobs, progress=_percent(advance))


def _percent(advance: Callable[[int], None]) -> Callable[[int, int, str], None]:
    """Render's (done, total, what) as percent steps of one stage."""
    shown = 0

    def progress(done: int, total: int, _what: str) -> None:
        nonlocal shown
        percent = 100 * done // max(total, 1)
        if percent > shown:
            advance(percent - shown)
            shown = percent

    return progress


def _bounds(systems: Sequence[SystemInfo]) -> list[Alert]:
    return [Alert("warning", f"{s.name} is no system that competes. {s.description}") for s in systems if is_bound(s.name)]


def _scored_only(dataset: Dataset, evaluation: Evaluation) -> Dataset:
    kept = set(evaluation.clip_ids)
    return dataclasses.replace(dataset, prompts=tuple(p for p in dataset.prompts if p.clip_id in kept))


def _alerts(dataset: Dataset, evaluation: Evaluation, tools: Tools) -> list[Alert]:
    found = [Alert("note", note) for note in dataset.notes]
    measured = {m.info.name for m in tools.metrics if m.unavailable is None}
    left_out = len(dataset.prompts) - len(evaluation.clip_ids)
    if left_out:
        found.append(
            Alert(
                "warning",
                f"{left_out} of {len(dataset.prompts)} prompts are left out of every system alike, because a clip of at least one "
                "system (or the real clip) is missing or unreadable; the audit lists them.",
            )
        )
    for name, width in evaluation.widths.items():
        if f"fd_{name}" in measured and len(evaluation.clip_ids) < 2 * width:
            found.append(
                Alert(
                    "note",
                    f"fd_{name} rests on {len(evaluation.clip_ids)} clips for {width} dimensions, so its size is mostly that of the "
                    "sample: compare it only within this report and beside its floor. KAD does not have this bias.",
                )
            )
    return found


class RunStore:
    """Run directories of one request: which are finished, and writing the others."""

    def __init__(self, request: LongtailRequest, options: Options, todo: Plan) -> None:
        self.request = request
        self.options = options
        self.todo = todo
        self.started = datetime.datetime.now(datetime.UTC)

    def config(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, Mapping[str, str]]) -> Json:
        """Everything a system's numbers depend on."""
        dataset, tools = self.todo.dataset, self.todo.tools
        wanted = set(clip_ids)
        files = {name: {c: content[name][c] for c in clip_ids} for name in (system.name, REFERENCE) if name in content}
        return {
            "schema_version": SCHEMA_VERSION,
            "code": provenance.code_sha256(),
            "prompts": sorted(
                [p.clip_id, p.caption, sorted(p.labels), p.labels_known] for p in dataset.prompts if p.clip_id in wanted
            ),
            "train_counts": dict(dataset.train_counts),
            "system": system.kind,
            "files": files,
            "protocol": dataclasses.asdict(get_protocol(self.options.protocol)),
            "embedders": {name: e.sha256 for name, e in tools.embedders.items()},
            "metrics": [[m.info.name, m.unavailable is None] for m in tools.metrics],
            "strata": [dataclasses.asdict(s) for s in self.todo.strata],
            "seed": self.options.seed,
        }

    def path(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, Mapping[str, str]]) -> Path:
        return run_path(self.request.output, self.todo.dataset.name, system.name, self.config(system, clip_ids, content))

    def reuse(
        self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, Mapping[str, str]]
    ) -> SystemScores | None:
        """Scores of a finished run with the same configuration."""
        path = self.path(system, clip_ids, content)
        if self.request.overwrite == "always" or not is_finished(path):
            return None
        if self.request.overwrite == "never":
            raise ReaudioError(f"{path} exists already; choose another --output or --overwrite only-missing.")
        return dataclasses.replace(read_run(path).scores, system=system)

    def write(self, evaluation: Evaluation, analysis: LongtailAnalysis, about: Mapping[str, Any]) -> tuple[Path, ...]:
        paths = []
        dataset = _scored_only(self.todo.dataset, evaluation)
        for scores in evaluation.scores:
            path = self.path(scores.system, evaluation.clip_ids, evaluation.content)
            paths.append(path)
            if is_finished(path) and self.request.overwrite == "only-missing":
                continue
            manifest = {
                "created": self.started.isoformat(timespec="seconds"),
                "seconds": round((datetime.datetime.now(datetime.UTC) - self.started).total_seconds(), 1),
                "seed": self.options.seed,
                "clip_ids_sha256": canonical_sha256(list(evaluation.clip_ids)),
                "selection": self.todo.selection,
                **about,
            }
            audit = {name: evaluation.audit[name] for name in (scores.system.name, REFERENCE) if name in evaluation.audit}
            metrics = overall_json(analysis, scores.system.name)
            write_run(path, scores, dataset, self.todo.strata, metrics, audit, manifest)
        return tuple(paths)


def _provenance(request: LongtailRequest, options: Options, todo: Plan, evaluation: Evaluation) -> Json:
    protocol = get_protocol(options.protocol)
    return {
        **provenance.describe(options.device),
        "dataset_detail": {
            "name": todo.dataset.name,
            "split": todo.dataset.split,
            "n_prompts": len(todo.dataset.prompts),
            "n_scored": len(evaluation.clip_ids),
            "list_sha256": todo.dataset.list_sha256,
            "labels_propagated": todo.dataset.propagated,
        },
        "protocol": {"name": protocol.name, "source": protocol.source},
        "embedders": {
            name: {"checkpoint": e.checkpoint.name, "sha256": e.sha256, "sample_rate": e.sample_rate}
            for name, e in todo.tools.embedders.items()
        },
        "strata_scheme": request.strata,
    }
