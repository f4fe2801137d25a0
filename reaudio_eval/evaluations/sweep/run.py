"""Plan and run of the sweep."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval import plugins
from reaudio_eval.clips.collect import SystemRequest, check_names, collect_one, takes_candidates
from reaudio_eval.clips.models import Spent
from reaudio_eval.clips.retrieval import compared, with_judges
from reaudio_eval.clips.sampling import PAIRS, Sampling
from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.evaluations.alerts import evaluation_alerts, several_seeds
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.checks import check_index, check_model, check_sampling
from reaudio_eval.evaluations.loading import load_dataset
from reaudio_eval.evaluations.options import Data, fetch_options
from reaudio_eval.evaluations.planning import (
    choose_primary,
    plan_scoring,
    scoring_json,
)
from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.evaluations.scoring import generation, networks
from reaudio_eval.evaluations.sweep.analysis import chance_cells, summarise_sweep, sweep_alerts
from reaudio_eval.evaluations.sweep.cells import Axis, Cell, Settings, Value, check_factors, describe, plan_cells
from reaudio_eval.evaluations.sweep.request import SweepRequest
from reaudio_eval.evaluations.sweep.result import SweepResult
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.runs.manifest import read_manifest
from reaudio_eval.runs.store import RunStore, ScoringPlan, run_provenance, scored_only
from reaudio_eval.scores.evaluate import Evaluation, evaluate
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import LongtailAnalysis
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.config import given_choices


@dataclass(frozen=True)
class SweepPlan:
    """Everything known before work starts.

    Attributes:
        request: what was asked for.
        scoring: dataset of the reference's caption, strata, embedders and metrics.
        cells: the reference first.
        axes: the factors and their cells.
        datasets: caption number -> the dataset with that caption of each clip.
        defaults: the model's own sampling settings.
        primary: metric shown first.
    """

    request: SweepRequest
    scoring: ScoringPlan
    cells: tuple[Cell, ...]
    axes: tuple[Axis, ...]
    datasets: Mapping[int, Dataset]
    defaults: Sampling
    primary: str | None

    @property
    def weights(self) -> Path | None:
        return self.request.weights.get(self.request.model)

    def to_json(self) -> Json:
        n_prompts, cost = len(self.scoring.dataset.prompts), self.cells[0].settings.cost
        return scoring_json(self.scoring) | {
            "model": self.request.model,
            "design": self.request.design,
            "n_cells": len(self.cells),
            "n_clips": len(self.cells) * n_prompts * (self.request.sampling.seeds or 1),
            "cells": [
                {
                    "name": cell.name,
                    "reference": cell.reference,
                    "settings": cell.settings.values(),
                    "relative_cost": round(cell.settings.cost / cost, 3),  # calls of the denoiser, the reference's being 1
                }
                for cell in self.cells
            ],
            "time": "An estimate is shown once the first cell is done.",
        }


def plan(request: SweepRequest, reporter: Reporter) -> SweepPlan:
    """Load the data, choose embedders and metrics, and name the cells.

    Raises:
        ReaudioError: anything that would make the run fail later and can be known now.
    """
    weights = request.weights.get(request.model)
    defaults = _model_defaults(request.data.dataset, request.model, weights)
    _check_request(request, defaults)
    start = _start(request, defaults)
    cells, axes = plan_cells(request.model, request.over, start, request.design)
    check_names([SystemRequest(cell.name, request.model) for cell in cells])
    check_model(request.data.dataset, request.model, weights, fetch_options(request.measures, request.machine))
    check_sampling(request.data.dataset, request.sampling, {request.model: weights})
    if any(cell.settings.k for cell in cells):
        check_index(request.data.dataset, request.model, weights, request.index, Sampling())
    data, first = _sampled(request), cells[0].settings.captions
    numbers = sorted({cell.settings.captions for cell in cells} - {first})
    scoring = plan_scoring(request, reporter, dataclasses.replace(data, captions=_caption(data, first)))
    primary = choose_primary(request.primary, data.defaults().primary, scoring.tools.metrics)
    cache = scoring.options.cache_dir
    datasets = {first: scoring.dataset} | {n: load_dataset(data, cache, reporter, n) for n in numbers}
    return SweepPlan(request, scoring, cells, axes, datasets, defaults, primary)


def _caption(data: Data, number: int) -> str:
    return data.captions if data.class_prompts else str(number)


def _sampled(request: SweepRequest) -> Data:
    """The data, with the dataset's own sample where the user names none."""
    data = request.data
    if request.all_prompts or data.sample is not None or data.limit is not None:
        return data
    return dataclasses.replace(data, sample=data.defaults().sweep_sample)


def _check_request(request: SweepRequest, defaults: Sampling) -> None:
    choices = given_choices(defaults.retrieval or "none")
    weights = request.weights.get(request.model)
    candidates = takes_candidates(request.model, request.data.dataset, weights)
    check_factors(request.model, request.over, defaults, choices, candidates)
    asked: dict[str, tuple[Value, ...]] = {}
    if request.sampling.retrieval is not None or request.sampling.k:
        asked["retrieval"] = (request.sampling.retrieval or "none",)
    if request.sampling.candidates is not None:
        asked["candidates"] = (request.sampling.candidates,)
    check_factors(request.model, asked, defaults, choices, candidates)
    if request.data.class_prompts and "captions" in request.over:
        raise ReaudioError("--over captions varies the dataset's own captions: leave out --captions classes.")


def _model_defaults(dataset: str, model: str, weights: Path | None) -> Sampling:
    found = plugins.load("models", model).defaults(dataset, weights, plugins.find("models", model).variant)
    if found is None:
        raise ReaudioError(
            f"{model} does not sample, so there is nothing to vary: name a model that generates, such as re-audioldm-l "
            "(`reaudio-eval list models`)."
        )
    return found


def _start(request: SweepRequest, defaults: Sampling) -> Settings:
    """The model's settings, replaced by those that the user gave."""
    given, own = request.sampling.options(), defaults.options() | {"candidates": 1}
    names = ("k", "steps", "guidance", "retrieval", "candidates")
    values = {name: own[name] if given[name] is None else given[name] for name in names}
    return Settings(**values, seed=request.seed, captions=request.data.caption)


def run(plan: SweepPlan, reporter: Reporter) -> SweepResult:
    """Generate and score every cell, compare each with the reference, and write run directories.

    Cells that are there are neither generated nor scored again.

    Raises:
        ReaudioError: see :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    n_clips = len(plan.scoring.dataset.prompts) * (plan.request.sampling.seeds or 1)
    reporter.note(f"{len(plan.cells)} cells of {n_clips} clips: {len(plan.cells) * n_clips} clips in all")
    systems, spent = _generate(plan, reporter)
    evaluations, datasets = _evaluate(plan, systems, reporter)
    analysis, about = _analysis(plan, evaluations, datasets)
    runs, costs = _write_runs(plan, evaluations, analysis, about, spent)
    analysis = dataclasses.replace(
        analysis,
        systems=tuple(dataclasses.replace(s, run_dir=runs[s.name]) for s in analysis.systems),
        alerts=(*sweep_alerts(analysis, plan.cells, plan.defaults), *analysis.alerts),
    )
    sweep = summarise_sweep(analysis, plan.cells, plan.axes, plan.request.design, costs)
    paths = tuple(runs[cell.name] for cell in plan.cells)
    return SweepResult(sweep, paths, plan.request.page, plan.scoring.options.jobs)


def _analysis(
    plan: SweepPlan, evaluations: Mapping[int, Evaluation], datasets: Mapping[int, Dataset]
) -> tuple[LongtailAnalysis, Json]:
    """Every cell against the reference, and where the numbers come from."""
    first = plan.cells[0].settings.captions
    about = _provenance(plan, evaluations[first])
    systems = [scores.system for scores in evaluations[first].scores]
    roles: dict[str, Role] = {cell.name: "control" if cell.reference else "system" for cell in plan.cells}
    analysis = analyse(
        scores_with_roles(_in_order(plan.cells, evaluations), roles),
        scored_only(datasets[first], evaluations[first]),
        plan.scoring.strata,
        estimand=plan.request.inference,
        primary=plan.primary,
        against=plan.cells[0].name,
        pairs=[
            (cell.name, plan.cells[0].name)
            for cell in plan.cells[1:]
            if cell.name not in chance_cells(plan.axes, plan.cells[0])
        ],
        provenance=about,
        audit={name: entry for e in evaluations.values() for name, entry in e.audit.items()},
        alerts=[
            *evaluation_alerts(datasets[first], systems, evaluations[first], plan.scoring.tools, chosen=True, common=True),
            *several_seeds([scores.system for each in evaluations.values() for scores in each.scores]),
        ],
    )
    return analysis, about


def _generate(plan: SweepPlan, reporter: Reporter) -> tuple[dict[str, SystemInfo], dict[str, Spent]]:
    """The clips of every cell, and how long those generated now took."""
    how = dataclasses.replace(generation(plan.scoring.options, plan.scoring), sampling=Sampling())
    systems: dict[str, SystemInfo] = {}
    spent: dict[str, Spent] = {}
    estimated = False
    for number, cell in enumerate(plan.cells, start=1):
        reporter.note(f"Cell {number} of {len(plan.cells)}: {cell.name}")
        dataset, took, began = plan.datasets[cell.settings.captions], Spent(), time.perf_counter()
        request = _system_request(plan, cell)
        system = collect_one(request, dataset.prompts, dataset, plan.scoring.output / "clips", how, reporter, took)
        [system] = with_judges([system], networks([system], plan.scoring.tools))
        systems[cell.name] = dataclasses.replace(system, description=describe(cell.settings))
        spent[cell.name] = took
        if took.clips and not estimated:
            estimated = True
            reporter.note(_estimate(plan, number, time.perf_counter() - began))
    return systems, spent


def _system_request(plan: SweepPlan, cell: Cell) -> SystemRequest:
    """The cell's factors in place of the request's; every other option is that of the request."""
    request, settings = plan.request, cell.settings
    asked = request.sampling.plain()
    kept = {name: value for name, value in asked.items() if settings.k or name not in PAIRS}
    sampling = Sampling.of({**kept, **settings.sampling.plain()})
    return SystemRequest(cell.name, request.model, None, plan.weights, request.index, sampling, settings.seed)


def _estimate(plan: SweepPlan, n_done: int, seconds: float) -> str:
    rest = sum(cell.settings.cost for cell in plan.cells[n_done:]) / plan.cells[n_done - 1].settings.cost * seconds
    return f"This cell took {_duration(seconds)}; the other {len(plan.cells) - n_done} need about {_duration(rest)} at most."


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _evaluate(
    plan: SweepPlan, systems: Mapping[str, SystemInfo], reporter: Reporter
) -> tuple[dict[int, Evaluation], dict[int, Dataset]]:
    """Caption number -> scores of its cells, all on the same clips, and the prompts they were scored on."""
    datasets = dict(plan.datasets)

    def evaluate_caption(number: int) -> Evaluation:
        own = [systems[cell.name] for cell in plan.cells if cell.settings.captions == number]
        scoring = dataclasses.replace(plan.scoring, dataset=datasets[number])
        neighbours = compared(own)
        reuse = RunStore(scoring, neighbours, reporter).reuse
        data, tools, options = datasets[number], scoring.tools, scoring.options
        return evaluate(own, data, scoring.strata, tools, options, reporter, reuse, neighbours, common=True)

    found = {number: evaluate_caption(number) for number in datasets}
    common = set.intersection(*(set(e.clip_ids) for e in found.values()))
    for number, evaluation in found.items():
        if len(evaluation.clip_ids) > len(common):  # a clip of another caption's cells is unreadable
            kept = tuple(p for p in datasets[number].prompts if p.clip_id in common)
            datasets[number] = dataclasses.replace(datasets[number], prompts=kept)
            found[number] = evaluate_caption(number)
    return found, datasets


def _in_order(cells: Sequence[Cell], evaluations: Mapping[int, Evaluation]) -> list[SystemScores]:
    by_name = {scores.system.name: scores for e in evaluations.values() for scores in e.scores}
    return [by_name[cell.name] for cell in cells]


def _provenance(plan: SweepPlan, evaluation: Evaluation) -> Json:
    request = plan.request
    settings = {
        "model": request.model,
        "weights": None if plan.weights is None else str(plan.weights),
        "index": None if request.index is None else str(request.index),
        "design": request.design,
        "over": {name: list(values) for name, values in request.over.items()},
        "reference": describe(plan.cells[0].settings),
        "sample": _sampled(request).sample or None,
        "limit": request.data.limit,
    }
    scoring = dataclasses.replace(plan.scoring, sampling=Sampling())  # each run names its own settings
    return run_provenance(scoring, evaluation) | {"sweep": settings}


def _write_runs(
    plan: SweepPlan,
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
        for cell in plan.cells
    }
    runs: dict[str, Path] = {}
    for number, evaluation in evaluations.items():
        scoring = dataclasses.replace(plan.scoring, dataset=plan.datasets[number])
        store = RunStore(scoring, compared([scores.system for scores in evaluation.scores]))
        names = [scores.system.name for scores in evaluation.scores]
        runs |= dict(zip(names, store.write(evaluation, analysis, about, own), strict=True))
    costs = {name: _per_clip(spent[name]) or _recorded_cost(path) for name, path in runs.items()}
    return runs, costs


def _per_clip(spent: Spent) -> float | None:
    return spent.seconds / spent.clips if spent.clips else None


def _recorded_cost(run: Path) -> float | None:
    found: float | None = read_manifest(run).get("seconds_per_clip")
    return found
