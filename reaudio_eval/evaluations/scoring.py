"""Scoring of planned systems: clips, features, scores, run directories."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.clips.collect import Generation, collect
from reaudio_eval.clips.retrieval import Compared, compared, control_of, with_judges
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.alerts import (
    evaluation_alerts,
    failed_models,
    same_names,
    several_seeds,
    upper_references,
)
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.margins import margin_alerts
from reaudio_eval.evaluations.planning import SystemsPlan
from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.runs.bundled import known_baselines
from reaudio_eval.runs.store import RunStore, ScoringPlan, run_provenance, scored_only, with_prompts
from reaudio_eval.runs.together import with_sets
from reaudio_eval.scores.evaluate import NO_CLIPS, Evaluation, Options, Tools, evaluate
from reaudio_eval.scores.external.joined import with_external
from reaudio_eval.scores.external.scores import ExternalScores
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.longtail import analyse
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class Scored:
    """Input of an analysis.

    Attributes:
        scores: of every system, with the roles of the plan, those that come with the package last.
        dataset: with the prompts that were scored.
        evaluation: what was scored now; its systems have their own roles, which run directories keep.
        provenance: where the numbers come from.
        alerts: known before the analysis.
        store: writes the run directories.
    """

    scores: tuple[SystemScores, ...]
    dataset: Dataset
    evaluation: Evaluation
    provenance: Json
    alerts: tuple[Alert, ...]
    store: RunStore


def score_systems(plan: SystemsPlan, reporter: Reporter) -> Scored:
    """Collect the clips of a plan and score them; finished clips, features and runs are kept.

    Raises:
        ReaudioError: see :func:`reaudio_eval.clips.collect.collect` and :func:`reaudio_eval.scores.evaluate.evaluate`.
    """
    scoring, options = plan.scoring, plan.scoring.options
    dataset, external = _scored_prompts(scoring)
    folder = scoring.output / "clips"
    collected = collect(plan.systems, dataset.prompts, dataset, folder, generation(options, scoring), reporter)
    systems: Sequence[SystemInfo] = collected.systems
    systems = with_judges(systems, networks(systems, scoring.tools))
    neighbours = compared(systems, plan.control)
    tools = applicable(scoring.tools, bool(neighbours), options, plan.default_metrics)
    scoring = dataclasses.replace(scoring, dataset=dataset, tools=tools, external=external)
    store = RunStore(scoring, neighbours, reporter)
    evaluation = NO_CLIPS
    if systems:
        evaluation = evaluate(
            systems, dataset, scoring.strata, tools, options, reporter, store.reuse, neighbours, scoring.common
        )
    known, left_out = _known_baselines(plan, tools, evaluation, control_of(systems, plan.control))
    if systems and scoring.common:
        external = external.restricted(evaluation.clip_ids)
    evaluation = with_external(evaluation, external, options.seed)
    return Scored(
        scores_with_roles((*evaluation.scores, *known), plan.roles),
        scored_only(dataset, evaluation),
        evaluation,
        run_provenance(scoring, evaluation),
        (
            *evaluation_alerts(dataset, systems, evaluation, tools, chosen=scoring.of_some_prompts, common=scoring.common),
            *failed_models(collected.failed),
            *upper_references([scores.system for scores in evaluation.scores]),
            *same_names(external, [scores.system.name for scores in evaluation.scores], tools),
            *several_seeds([scores.system for scores in (*evaluation.scores, *known)]),
            *left_out,
        ),
        store,
    )


def _scored_prompts(scoring: ScoringPlan) -> tuple[Dataset, ExternalScores]:
    """The prompts to score, and the scores of tables on them; with ``common`` the prompts that every system of the tables has."""
    external = scoring.external.restricted([p.clip_id for p in scoring.dataset.prompts])
    if not scoring.common or not external.scores:
        return scoring.dataset, external
    common = external.common_clips
    if not common:
        counts = ", ".join(f"{name}: {len(external.clip_ids(name))}" for name in external.scores)
        raise ReaudioError(
            f"No prompt has a value of every system and metric of --scores ({counts} prompts): leave out --common."
        )
    return with_prompts(scoring.dataset, tuple(common)), external.restricted(common)


def analyse_and_store(plan: SystemsPlan, scored: Scored) -> tuple[LongtailAnalysis, tuple[Path, ...]]:
    """The long-tail analysis of what was scored, and its run directories, written."""
    competes = {s.system.name for s in scored.scores if s.system.competes}
    competitors = {name: manifest for name, manifest in scored.store.reused.items() if name in competes}
    analysis = analyse(
        scored.scores,
        scored.dataset,
        plan.scoring.strata,
        estimand=plan.estimand,
        primary=plan.primary,
        margin=plan.margin,
        provenance=scored.provenance,
        audit=scored.evaluation.audit,
        alerts=[*scored.alerts, *margin_alerts(plan.margin, competitors)],
    )
    runs = scored.store.write(scored.evaluation, analysis, scored.provenance)
    places = {scores.system.name: run for scores, run in zip(scored.evaluation.scores, runs, strict=True)}
    placed = tuple(dataclasses.replace(s, run_dir=places.get(s.name, s.run_dir)) for s in analysis.systems)
    return dataclasses.replace(analysis, systems=placed), runs


def networks(systems: Sequence[SystemInfo], tools: Tools) -> dict[str, str]:
    """Embedder name -> identity of its network, computed only where a system names the one that it retrieved with."""
    if not any(s.retrieval is not None and s.retrieval.encoder_sha256 for s in systems):
        return {}
    return {name: embedder.encoder_sha256 for name, embedder in tools.embedders.items()}


def applicable(tools: Tools, retrieves: bool, options: Options, defaults: Sequence[str] | None = None) -> Tools:
    """The tools without metrics that compare with neighbours, where there are none and nobody asked for such a metric by name;
    ``defaults`` are the metrics of the dataset, which nobody asked for."""
    if retrieves or options.metrics not in (None, defaults):
        return tools
    kept = (m for m in tools.metrics if "neighbours" not in m.definition.needs or m.info.name in options.require)
    return Tools(tools.embedders, tuple(kept))


def generation(options: Options, plan: ScoringPlan) -> Generation:
    """How the models of a plan generate."""
    return Generation(
        options.seed,
        plan.sampling,
        batch_size=options.batch_size,
        device=options.device,
        jobs=options.jobs,
        cache_dir=options.cache_dir,
        executor=options.executor,
        allow_download=options.allow_download,
    )


def _known_baselines(
    plan: SystemsPlan, tools: Tools, evaluation: Evaluation, control: Compared | None
) -> tuple[list[SystemScores], list[Alert]]:
    """Scores that come with the package, and why some cannot be shown."""
    if plan.baselines != "bundled":
        return [], []
    found, left_out = known_baselines(
        plan.dataset,
        plan.models,
        clip_ids=evaluation.clip_ids,
        metrics=[m.info for m in tools.metrics],
        protocol=plan.scoring.options.protocol,
        strata=plan.scoring.strata,
        sampling=plan.scoring.sampling,
        selection=plan.scoring.selection is not None,
        control=control,
    )
    return [with_sets(scores, evaluation.clip_ids, evaluation.set_clip_ids) for scores in found], left_out
