"""``reaudio-eval sweep``: one checkpoint at many settings, each a system scored like any other, and what each setting changes."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.clips.collect import Generation, SystemRequest, check_names, collect_one, takes_candidates
from reaudio_eval.clips.models import Sampling, Spent
from reaudio_eval.clips.retrieval import compared, with_judges
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.longtail import plan
from reaudio_eval.evaluations.longtail import run as longtail_run
from reaudio_eval.evaluations.longtail.plan import LongtailRequest, Media, Overwrite, Plan
from reaudio_eval.evaluations.longtail.run import networks
from reaudio_eval.evaluations.sweep.analysis import Sweep, summarise_sweep, sweep_alerts
from reaudio_eval.evaluations.sweep.cells import Axis, Cell, Design, Settings, Value, check_factors, describe, plan_cells
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets import DatasetOptions, dataset_defaults
from reaudio_eval.reports.rendered import RenderedReport, percent
from reaudio_eval.runs import store as run_store
from reaudio_eval.runs.directory import MANIFEST, is_finished
from reaudio_eval.runs.store import RunStore
from reaudio_eval.scores.evaluate import Evaluation, Options, evaluate
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.progress import Reporter
from reaudio_model.config import given_choices


@dataclass(frozen=True)
class SweepRequest:
    """What to vary and where to put it.

    Attributes:
        dataset: registered dataset name.
        data: its files; ``data.captions`` is the caption of the reference.
        output: report, clips and run directories.
        model: registered model that samples.
        over: factor -> values, of :func:`reaudio_eval.evaluations.sweep.cells.parse_over`.
        design: "star" varies each factor alone, "grid" makes all combinations.
        weights: the user's weights, or None for those that come with the package.
        index: the user's retrieval index.
        sampling: settings of the reference; None takes the model's.
        strata: scheme name or edges.
        class_prompts: prompts made of class names, so many for each, instead of the dataset's own; 0 for its own.
        limit: only the first so many prompts.
        sample: prompts chosen over all classes; 0 takes all, None what the dataset says (``DatasetDefaults.sweep_sample``).
        primary: metric shown first.
        overwrite: see :class:`reaudio_eval.evaluations.longtail.plan.LongtailRequest`.
        media: players in the page, in a folder beside it, or none.
        players: clips to listen to, at most, but two prompts; None takes the report's own number.
    """

    dataset: str
    data: DatasetOptions
    output: Path
    model: str
    over: Mapping[str, tuple[Value, ...]]
    design: Design = "star"
    weights: Path | None = None
    index: Path | None = None
    sampling: Sampling = field(default_factory=Sampling)
    strata: str = "log10"
    class_prompts: int = 0
    limit: int | None = None
    sample: int | None = None
    primary: str | None = None
    overwrite: Overwrite = "only-missing"
    media: Media = "inline"
    players: int | None = None

    def as_longtail(self) -> LongtailRequest:
        """The same data and output as a request of the main job, for the pieces that both share."""
        return LongtailRequest(
            self.dataset, self.data, self.output, models=(self.model,), baselines="none", real=False, noise=False,
            strata=self.strata, class_prompts=self.class_prompts, limit=self.limit, sample=self._sample(), overwrite=self.overwrite,
        )  # fmt: skip

    def _sample(self) -> int:
        if self.sample is not None or self.limit is not None:
            return self.sample or 0
        return dataset_defaults(self.dataset).sweep_sample or 0


@dataclass(frozen=True)
class SweepPlan:
    """Everything known before work starts; what ``--dry-run`` prints.

    Attributes:
        base: dataset, strata, embedders and metrics.
        cells: the reference first.
        axes: the factors and their cells.
        datasets: caption number -> the dataset with that caption of each clip.
    """

    base: Plan
    cells: tuple[Cell, ...]
    axes: tuple[Axis, ...]
    datasets: Mapping[int, Dataset]


@dataclass(frozen=True)
class SweepResult:
    """What came out: every number, the files of the report, and the run directory of each cell in order."""

    sweep: Sweep
    report: RenderedReport
    runs: tuple[Path, ...]


def plan_sweep(request: SweepRequest, options: Options) -> SweepPlan:
    """Load the data, choose embedders and metrics, and name the cells.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    defaults = _defaults(request)
    choices = given_choices(defaults.retrieval or "none")
    candidates = takes_candidates(request.model)
    check_factors(request.model, request.over, defaults, choices, candidates)
    asked: dict[str, tuple[Value, ...]] = {}
    if request.sampling.retrieval is not None or request.sampling.k:
        asked["retrieval"] = (request.sampling.retrieval or "none",)
    if request.sampling.candidates is not None:
        asked["candidates"] = (request.sampling.candidates,)
    check_factors(request.model, asked, defaults, choices, candidates)
    if request.class_prompts and "captions" in request.over:
        raise ReaudioError("--over captions varies the dataset's own captions: leave out --captions classes.")
    start = _start(request, options, defaults)
    cells, axes = plan_cells(request.model, request.over, start, request.design)
    check_names([SystemRequest(cell.name, request.model) for cell in cells])
    longtail = request.as_longtail()
    first = cells[0].settings.captions
    base = plan.plan(dataclasses.replace(longtail, data=_with_caption(request.data, first)), options)
    if request.primary is not None:
        one_of("metric", request.primary, [m.info.name for m in base.tools.metrics])
    datasets = {first: base.dataset}
    for number in sorted({cell.settings.captions for cell in cells} - {first}):
        datasets[number] = plan.load_dataset(dataclasses.replace(longtail, data=_with_caption(request.data, number)))
    return SweepPlan(base, cells, axes, datasets)


def _with_caption(data: DatasetOptions, number: int) -> DatasetOptions:
    return dataclasses.replace(data, captions=number)


def _defaults(request: SweepRequest) -> Sampling:
    entry = plugins.find("models", request.model)
    module = plugins.load("models", request.model)
    if not hasattr(module, "defaults"):
        raise ReaudioError(
            f"{request.model} does not sample, so there is nothing to vary: name a model that generates, such as re-audioldm-l "
            "(`reaudio-eval list models`)."
        )
    found: Sampling = module.defaults(entry.variant, request.weights)
    return found


def _start(request: SweepRequest, options: Options, defaults: Sampling) -> Settings:
    """The model's settings, and in their place what the user said."""
    said = {name: value for name, value in dataclasses.asdict(request.sampling).items() if value is not None}
    usual = {**dataclasses.asdict(defaults), "candidates": 1}
    return Settings(**{**usual, **said, "seed": options.seed, "captions": request.data.captions})


def sweep(request: SweepRequest, options: Options, reporter: Reporter | None = None) -> SweepResult:
    """Generate and score every cell, compare each with the reference, and write run directories and the report.

    A call that was cut off goes on where it was; cells that are there are neither generated nor scored again.

    Raises:
        ReaudioError: see :func:`plan_sweep` and :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    from reaudio_eval.evaluations.sweep.page import PLAYERS, render_sweep

    reporter = reporter or Reporter(quiet=True)
    todo = plan_sweep(request, options)
    n_clips = len(todo.base.dataset.prompts)
    reporter.note(f"{len(todo.cells)} cells of {n_clips} clips: {len(todo.cells) * n_clips} clips in all")
    systems, spent = _generate(request, options, todo, reporter)
    evaluations, datasets = _evaluate(request, options, todo, systems, reporter)
    scores = _in_order(todo.cells, evaluations)
    first = todo.cells[0].settings.captions
    about = _about(request, options, todo, evaluations[first])
    analysis = analyse(
        scores,
        run_store.scored_only(datasets[first], evaluations[first]),
        todo.base.strata,
        seed=options.seed,
        primary=request.primary,
        against=todo.cells[0].name,
        provenance=about,
        audit={name: entry for e in evaluations.values() for name, entry in e.audit.items()},
        alerts=longtail_run.evaluation_alerts(datasets[first], evaluations[first], todo.base.tools),
    )
    runs, costs = _write_runs(request, options, todo, evaluations, analysis, about, spent)
    analysis = dataclasses.replace(
        analysis,
        systems=tuple(dataclasses.replace(s, run_dir=runs[s.name]) for s in analysis.systems),
        alerts=(*sweep_alerts(analysis, todo.cells, _defaults(request)), *analysis.alerts),
    )
    result = summarise_sweep(analysis, todo.cells, todo.axes, request.design, costs)
    most = PLAYERS if request.players is None else request.players
    with reporter.stage("Rendering", 100) as advance:
        report = render_sweep(
            result,
            request.output,
            media=request.media,
            max_players=most,
            jobs=options.jobs,
            progress=percent(advance),
        )
    return SweepResult(result, report, tuple(runs[cell.name] for cell in todo.cells))


def _generate(
    request: SweepRequest, options: Options, todo: SweepPlan, reporter: Reporter
) -> tuple[dict[str, SystemInfo], dict[str, Spent]]:
    """The clips of every cell, and what those made now took."""
    how = Generation(
        options.seed, batch_size=options.batch_size, device=options.device, jobs=options.jobs, cache_dir=options.cache_dir
    )
    systems: dict[str, SystemInfo] = {}
    spent: dict[str, Spent] = {}
    estimated = False
    for number, cell in enumerate(todo.cells, start=1):
        reporter.note(f"Cell {number} of {len(todo.cells)}: {cell.name}")
        asked = SystemRequest(
            cell.name, request.model, None, request.weights, request.index, cell.settings.sampling, cell.settings.seed
        )
        dataset, took, began = todo.datasets[cell.settings.captions], Spent(), time.perf_counter()
        system = collect_one(asked, dataset.prompts, dataset, request.output / "clips", how, reporter, took)
        [system] = with_judges([system], networks([system], todo.base.tools))
        systems[cell.name] = dataclasses.replace(system, description=describe(cell.settings))
        spent[cell.name] = took
        if took.clips and not estimated:
            estimated = True
            seconds = time.perf_counter() - began
            rest = sum(c.settings.cost for c in todo.cells[number:]) / cell.settings.cost * seconds
            reporter.note(
                f"This cell took {_duration(seconds)}; the other {len(todo.cells) - number} need about {_duration(rest)} at most."
            )
    return systems, spent


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _evaluate(
    request: SweepRequest, options: Options, todo: SweepPlan, systems: Mapping[str, SystemInfo], reporter: Reporter
) -> tuple[dict[int, Evaluation], dict[int, Dataset]]:
    """Caption number -> scores of its cells, all on the same clips, and the prompts they were scored on."""
    datasets = dict(todo.datasets)

    def run(number: int) -> Evaluation:
        own = [systems[cell.name] for cell in todo.cells if cell.settings.captions == number]
        base = dataclasses.replace(todo.base, dataset=datasets[number])
        neighbours = compared(own)
        store = RunStore(request.as_longtail(), options, base, neighbours)
        return evaluate(own, datasets[number], base.strata, base.tools, options, reporter, store.reuse, neighbours)

    found = {number: run(number) for number in datasets}
    common = set.intersection(*(set(e.clip_ids) for e in found.values()))
    for number, evaluation in found.items():
        if len(evaluation.clip_ids) > len(common):  # a clip of another caption's cells is unreadable
            kept = tuple(p for p in datasets[number].prompts if p.clip_id in common)
            datasets[number] = dataclasses.replace(datasets[number], prompts=kept)
            found[number] = run(number)
    return found, datasets


def _in_order(cells: Sequence[Cell], evaluations: Mapping[int, Evaluation]) -> list[SystemScores]:
    by_name = {scores.system.name: scores for e in evaluations.values() for scores in e.scores}
    return [by_name[cell.name] for cell in cells]


def _about(request: SweepRequest, options: Options, todo: SweepPlan, evaluation: Evaluation) -> dict[str, Any]:
    settings = {
        "model": request.model,
        "weights": None if request.weights is None else str(request.weights),
        "index": None if request.index is None else str(request.index),
        "design": request.design,
        "over": {name: list(values) for name, values in request.over.items()},
        "reference": describe(todo.cells[0].settings),
        "sample": request.as_longtail().sample or None,
        "limit": request.limit,
    }
    return run_store.run_provenance(request.as_longtail(), options, todo.base, evaluation) | {"sweep": settings}


def _write_runs(
    request: SweepRequest,
    options: Options,
    todo: SweepPlan,
    evaluations: Mapping[int, Evaluation],
    analysis: LongtailAnalysis,
    about: Mapping[str, Any],
    spent: Mapping[str, Spent],
) -> tuple[dict[str, Path], dict[str, float | None]]:
    """Run directory of each cell, and seconds a clip where they were measured, in this call or when the run was written."""
    own = {
        cell.name: {
            "seed": cell.settings.seed,
            "settings": cell.settings.values(),
            "seconds_per_clip": _per_clip(spent[cell.name]),
        }
        for cell in todo.cells
    }
    runs: dict[str, Path] = {}
    for number, evaluation in evaluations.items():
        base = dataclasses.replace(todo.base, dataset=todo.datasets[number])
        neighbours = compared([scores.system for scores in evaluation.scores])
        store = RunStore(request.as_longtail(), options, base, neighbours)
        names = [scores.system.name for scores in evaluation.scores]
        runs |= dict(zip(names, store.write(evaluation, analysis, about, own), strict=True))
    costs = {name: _per_clip(spent[name]) or _recorded_cost(path) for name, path in runs.items()}
    return runs, costs


def _per_clip(spent: Spent) -> float | None:
    return spent.seconds / spent.clips if spent.clips else None


def _recorded_cost(run: Path) -> float | None:
    if not is_finished(run):
        return None
    found: float | None = json.loads((run / MANIFEST).read_bytes()).get("seconds_per_clip")
    return found
