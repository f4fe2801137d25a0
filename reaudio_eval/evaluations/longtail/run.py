"""``reaudio-eval longtail``: systems scored by how often each sound occurs in training, and the report of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reaudio_eval.clips.collect import Generation, collect, competes
from reaudio_eval.clips.retrieval import Compared, compared, control_of, with_judges
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.longtail.page import render_longtail
from reaudio_eval.evaluations.longtail.plan import LongtailRequest, Media, Plan, plan
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.datasets import dataset_defaults
from reaudio_eval.reports.media import INLINE_PLAYERS
from reaudio_eval.reports.rendered import RenderedReport, percent
from reaudio_eval.runs.bundled import known_baselines
from reaudio_eval.runs.directory import Json
from reaudio_eval.runs.store import RunStore, run_provenance, scored_only
from reaudio_eval.scores.evaluate import Evaluation, Options, Tools, evaluate
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.progress import Reporter


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


def longtail(request: LongtailRequest, options: Options, reporter: Reporter | None = None) -> LongtailResult:
    """Evaluate systems by label frequency and write run directories and the report.

    Raises:
        ReaudioError: see :func:`plan` and :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    reporter = reporter or Reporter(quiet=True)
    todo = plan(request, options)
    scored = score_plan(request, options, todo, reporter)
    analysis, runs = analyse_and_store(request, options, todo, scored)
    report = render_stage(analysis, request.output, request.media, options.jobs, reporter, request.players)
    return LongtailResult(analysis, report, runs, scored.evaluation.audit)


def score_plan(request: LongtailRequest, options: Options, todo: Plan, reporter: Reporter) -> Scored:
    """Collect the clips of a plan and score them; finished clips, embeddings and runs are kept.

    Raises:
        ReaudioError: see :func:`reaudio_eval.clips.collect.collect` and :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    dataset = todo.dataset
    systems = collect(
        todo.requests, dataset.prompts, dataset, request.output / "clips", _generation(request, options), reporter
    )
    systems = with_judges(systems, networks(systems, todo.tools))
    neighbours = compared(systems, request.control)
    todo = dataclasses.replace(
        todo, tools=applicable(todo.tools, bool(neighbours), options, dataset_defaults(request.dataset).metrics)
    )
    store = RunStore(request, options, todo, neighbours)
    evaluation = evaluate(systems, dataset, todo.strata, todo.tools, options, reporter, store.reuse, neighbours)
    known, left_out = _known_baselines(request, todo, evaluation, control_of(systems, request.control))
    return Scored(
        (*evaluation.scores, *known),
        scored_only(dataset, evaluation),
        evaluation,
        run_provenance(request, options, todo, evaluation),
        (*evaluation_alerts(dataset, evaluation, todo.tools), *_beside(systems), *left_out),
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


def applicable(tools: Tools, retrieves: bool, options: Options, usual: Sequence[str] | None = None) -> Tools:
    """The tools without metrics that compare with neighbours, where there are none and nobody asked for such a metric by name; ``usual``
    are those that the dataset brings, which nobody asked for."""
    if retrieves or options.metrics not in (None, usual):
        return tools
    kept = (m for m in tools.metrics if "neighbours" not in m.definition.needs or m.info.name in options.require)
    return Tools(tools.embedders, tuple(kept))


def _generation(request: LongtailRequest, options: Options) -> Generation:
    return Generation(
        options.seed,
        request.sampling,
        batch_size=options.batch_size,
        device=options.device,
        jobs=options.jobs,
        cache_dir=options.cache_dir,
    )


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


def render_stage(
    analysis: LongtailAnalysis, output: Path, media: Media, jobs: int, reporter: Reporter, players: int | None = None
) -> RenderedReport:
    """Write the report, with progress."""
    most = INLINE_PLAYERS if players is None else players
    with reporter.stage("Rendering", 100) as advance:
        return render_longtail(analysis, output, media=media, max_players=most, jobs=jobs, progress=percent(advance))


def _beside(systems: Sequence[SystemInfo]) -> list[Alert]:
    return [
        Alert("warning", f"{s.name} is no system that competes. {s.description}") for s in systems if not competes(s.name)
    ]


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
