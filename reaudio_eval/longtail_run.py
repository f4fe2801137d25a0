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
from reaudio_eval.baselines import COPY, baseline_names, known_baselines
from reaudio_eval.class_prompts import class_prompts
from reaudio_eval.datasets import DatasetOptions
from reaudio_eval.evaluate import REFERENCE, Evaluation, Options, Tools, evaluate, prepare
from reaudio_eval.generate import Generation, SystemRequest, collect, is_bound, shown_name
from reaudio_eval.models import Sampling
from reaudio_eval.neighbours import NEIGHBOURS
from reaudio_eval.protocols import get_protocol
from reaudio_eval.records import SCHEMA_VERSION, Alert, Dataset, LongtailAnalysis, Stratum, SystemInfo, SystemScores
from reaudio_eval.render.html import RenderedReport, render_longtail
from reaudio_eval.retrieved import Compared, compared, control_of, neighbours_sha256, retrieval_sha256, with_judges
from reaudio_eval.runs import Json, is_finished, overall_json, read_run, run_path, write_run
from reaudio_eval.samples import covering_sample
from reaudio_eval.strata import strata_scheme
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.progress import Reporter

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
        class_prompts: prompts made of class names, so many for each, instead of the dataset's own; 0 for its own.
        limit: only the first so many prompts.
        sample: only so many prompts, chosen over all classes (:func:`reaudio_eval.samples.covering_sample`); 0 takes all.
        primary: metric drawn first; None chooses CLAP score, else label recall.
        overwrite: finished runs are kept ("only-missing"), made anew ("always"), or their presence is an error ("never").
        media: players in the page, in a folder beside it, or none.
        control: what the clips are compared with where no system of the report retrieves; None: with nothing.
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
    class_prompts: int = 0
    limit: int | None = None
    sample: int = 0
    primary: str | None = None
    overwrite: Overwrite = "only-missing"
    media: Media = "inline"
    control: Compared | None = None


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
    dataset = load_dataset(request)
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


def load_dataset(request: LongtailRequest) -> Dataset:
    """The dataset with the prompts asked for.

    Raises:
        ReaudioError: see the dataset's ``load`` and :func:`reaudio_eval.class_prompts.class_prompts`; options that do not go together.
    """
    if request.limit is not None and request.sample:
        raise ReaudioError("--limit takes the first prompts and --sample some of every class: give one of them.")
    if request.class_prompts:
        for option, value in (("--references", request.data.references), ("--clip-manifest", request.data.clip_manifest)):
            if value is not None:
                raise ReaudioError(f"--captions classes makes its own prompts, which have no real clip: leave out {option}.")
    dataset: Dataset = registry.load("datasets", request.dataset).load(request.data)
    if request.class_prompts:
        dataset = class_prompts(dataset, request.class_prompts)
    if request.limit is not None:
        dataset = dataclasses.replace(dataset, prompts=dataset.prompts[: request.limit])
    return covering_sample(dataset, request.sample) if request.sample else dataset


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
    systems = with_judges(systems, networks(systems, todo.tools))
    neighbours = compared(systems, request.control)
    todo = dataclasses.replace(todo, tools=applicable(todo.tools, bool(neighbours), options))
    store = RunStore(request, options, todo, neighbours)
    evaluation = evaluate(systems, dataset, todo.strata, todo.tools, options, reporter, store.reuse, neighbours)
    known, left_out = _known_baselines(request, todo, evaluation, control_of(systems, request.control))
    return Scored(
        (*evaluation.scores, *known),
        scored_only(dataset, evaluation),
        evaluation,
        run_provenance(request, options, todo, evaluation),
        (*evaluation_alerts(dataset, evaluation, todo.tools), *_bounds(systems), *left_out),
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


def networks(systems: Sequence[SystemInfo], tools: Tools) -> dict[str, str]:
    """Embedder name -> identity of its network, asked only where a system says with which one it retrieved."""
    if not any(s.retrieval is not None and s.retrieval.encoder_sha256 for s in systems):
        return {}
    return {name: embedder.encoder_sha256 for name, embedder in tools.embedders.items()}


def applicable(tools: Tools, retrieves: bool, options: Options) -> Tools:
    """The tools without metrics that compare with neighbours, where there are none and nobody asked for such a metric by name."""
    if retrieves or options.metrics is not None:
        return tools
    kept = (m for m in tools.metrics if "neighbours" not in m.definition.needs or m.info.name in options.require)
    return Tools(tools.embedders, tuple(kept))


def _check_weights(request: LongtailRequest) -> None:
    for name in request.weights:
        if name not in request.models:
            raise ReaudioError(f"--weights names {name!r}, which is no --model of this command.")
    for name in request.models:
        check = getattr(registry.load("models", name), "check", None)
        if check is not None:
            check(request.dataset, request.weights.get(name), registry.find("models", name).variant)


def _generation(request: LongtailRequest, options: Options) -> Generation:
    return Generation(options.seed, request.sampling, device=options.device, jobs=options.jobs, cache_dir=options.cache_dir)


def _known_baselines(
    request: LongtailRequest, todo: Plan, evaluation: Evaluation, control: Compared | None
) -> tuple[list[SystemScores], list[Alert]]:
    """Scores that come with the package, and why some cannot be shown."""
    if request.baselines != "bundled":
        return [], []
    return known_baselines(
        todo.dataset,
        request.models,
        clip_ids=evaluation.clip_ids,
        metrics=[m.info for m in todo.tools.metrics],
        protocol=todo.protocol,
        strata=todo.strata,
        sampling=request.sampling,
        selection=todo.selection is not None,
        control=control,
    )


def render_stage(analysis: LongtailAnalysis, output: Path, media: Media, jobs: int, reporter: Reporter) -> RenderedReport:
    """Write the report, with progress."""
    with reporter.stage("Rendering", 100) as advance:
        return render_longtail(analysis, output, media=media, jobs=jobs, progress=percent(advance))


def percent(advance: Callable[[int], None]) -> Callable[[int, int, str], None]:
    """A renderer's (done, total, what) as percent steps of one stage."""
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


def scored_only(dataset: Dataset, evaluation: Evaluation) -> Dataset:
    """The dataset with the prompts that were scored."""
    kept = set(evaluation.clip_ids)
    return dataclasses.replace(dataset, prompts=tuple(p for p in dataset.prompts if p.clip_id in kept))


def evaluation_alerts(dataset: Dataset, evaluation: Evaluation, tools: Tools) -> list[Alert]:
    """What a reader must know of the clips that were scored."""
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

    def __init__(
        self, request: LongtailRequest, options: Options, todo: Plan, neighbours: Mapping[str, Compared] | None = None
    ) -> None:
        self.request = request
        self.options = options
        self.todo = todo
        self.neighbours = neighbours or {}
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
            "neighbours": self._neighbours(system, clip_ids, content.get(NEIGHBOURS, {})),
            "retrieval": None if system.retrieval is None else retrieval_sha256(system.retrieval, clip_ids),
        }

    def _neighbours(self, system: SystemInfo, clip_ids: Sequence[str], content: Mapping[str, str]) -> Json | None:
        """What a system's clips are compared with: the names and the bytes of the clips."""
        if system.name not in self.neighbours:
            return None
        of = self.neighbours[system.name]
        return {"of": of.of} | {
            c: [[n.pair.clip_id, content.get(str(n.pair.audio))] for n in of.neighbours.get(c, ())] for c in clip_ids
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

    def write(
        self,
        evaluation: Evaluation,
        analysis: LongtailAnalysis,
        about: Mapping[str, Any],
        own: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> tuple[Path, ...]:
        """Write the runs that are not there; ``own``: system name -> more for its manifest, where it wins. Their folders."""
        paths = []
        dataset = scored_only(self.todo.dataset, evaluation)
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
                **(own or {}).get(scores.system.name, {}),
            }
            if scores.system.name in self.neighbours:
                sha = neighbours_sha256(self.neighbours[scores.system.name], evaluation.clip_ids)
                manifest |= {"neighbours_sha256": sha}
            audited = (scores.system.name, REFERENCE, NEIGHBOURS)
            audit = {name: evaluation.audit[name] for name in audited if name in evaluation.audit}
            metrics = overall_json(analysis, scores.system.name)
            write_run(path, scores, dataset, self.todo.strata, metrics, audit, manifest)
        return tuple(paths)


def run_provenance(request: LongtailRequest, options: Options, todo: Plan, evaluation: Evaluation) -> Json:
    """Where the numbers come from, for the report and the manifests."""
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
        "sampling": dataclasses.asdict(request.sampling),
    }
