"""Plan and run of the comparison of runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.clips.roles import competing, controls
from reaudio_eval.clips.system import Role, SystemInfo
from reaudio_eval.evaluations.alerts import run_alerts
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.compare.comparison import Comparison
from reaudio_eval.evaluations.compare.request import CompareRequest
from reaudio_eval.evaluations.compare.result import CompareResult
from reaudio_eval.evaluations.margins import common_margin, margin_alerts
from reaudio_eval.evaluations.roles import scores_with_roles
from reaudio_eval.frames.evaluations import COMPARED_RUNS
from reaudio_eval.prompts.dataset import Dataset
from reaudio_eval.prompts.strata import Stratum, strata_scheme
from reaudio_eval.runs import comparable
from reaudio_eval.runs.directory import Run
from reaudio_eval.runs.provenance import SHARED_KEYS
from reaudio_eval.runs.published import published
from reaudio_eval.runs.together import put_together
from reaudio_eval.scores.binding import NothingToComputeError
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.class_differences import against_baseline, class_differences
from reaudio_eval.statistics.class_table import all_metrics
from reaudio_eval.statistics.computed import check_primary, metrics_with_values, planned
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.margins import Margin
from reaudio_eval.statistics.primary import default_primary
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.progress import Reporter

PUBLISHED_DATASET = "audiocaps"


@dataclass(frozen=True)
class Common:
    """The runs of a comparison, checked, with distinct names, on the clips of any of them or of all.

    Attributes:
        runs: in the order given; real audio and noise once.
        scores: one a run.
        dataset: the prompts of these clips.
        baseline, compared: names of systems.
        alerts: what a reader must know.
    """

    runs: tuple[Run, ...]
    scores: tuple[SystemScores, ...]
    dataset: Dataset
    baseline: str
    compared: tuple[str, ...]
    alerts: tuple[Alert, ...]

    def to_json(self) -> Json:
        """What ``compare --dry-run`` prints."""
        return {
            "n_clips": len(self.dataset.prompts),
            "baseline": self.baseline,
            "compared": list(self.compared),
            "systems": {run.scores.system.name: str(run.path) for run in self.runs},
            "metrics": planned(self.scores, all_metrics(self.scores)),
            "alerts": [{"level": a.level, "message": a.message} for a in self.alerts],
        }


def gather(
    paths: Sequence[Path], *, common: bool = False, baseline: str | None = None, systems: Sequence[str] = ()
) -> Common:
    """Read runs, check that they can be compared, and put them together; ``common``: on the clips that all have.

    Raises:
        ReaudioError: no run, runs that cannot be compared (``comparable.check``), fewer than two systems, a baseline that has no clip in
            common with any other, or with ``common`` no clip that all have.
        UnknownNameError: no system is called ``baseline`` or one of ``systems``.
    """
    every, left_out = comparable.read_runs(paths)
    runs = comparable.distinct(every)
    comparable.check(runs)
    together = put_together(runs, common=common)
    base, compared = _sides(runs, baseline, systems)
    notes = [Alert("note", note) for note in dict.fromkeys(note for run in runs for note in run.dataset.notes)]
    alerts = [
        *run_alerts(runs),
        *comparable.reference_files_alerts(every),
        *comparable.reference_alerts(every, together.clip_ids),
        *(_fewer_clips(runs, together.clip_ids) if common else []),
        *left_out,
        *comparable.notes(runs),
        *notes,
    ]
    own = [s if run.strata == runs[0].strata else _overall_sets(s) for run, s in zip(runs, together.scores, strict=True)]
    scores = scores_with_roles(own, _roles([run.scores.system for run in runs], base))
    _require_metric(scores, base, compared)
    return Common(tuple(runs), scores, together.dataset, base, compared, tuple(alerts))


def _sides(runs: Sequence[Run], baseline: str | None, systems: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The baseline, and the systems compared with it: those asked for, else the others, without references if there are more."""
    kinds = {run.scores.system.name: run.scores.system.kind for run in runs if run.scores.system.kind != "noise"}
    infos = [run.scores.system for run in runs]
    generated = [name for name, kind in kinds.items() if kind == "generated"]
    if len(kinds) < 2 or not generated:
        raise ReaudioError(
            f"There is nothing to compare: the runs hold {', '.join(kinds) or 'no system'}. Name runs of at least two systems "
            "(noise does not count)."
        )
    usual = [*(s.name for s in controls(infos)), *competing(infos), *generated]
    base = usual[0] if baseline is None else one_of("system", baseline, kinds)
    for name in systems:
        one_of("system", name, kinds)
    if base in systems:
        raise ReaudioError(f"--system {base} is the baseline: name another one with --baseline.")
    groups = ([name for name in names if name != base] for names in (competing(infos), generated, kinds))
    return base, tuple(dict.fromkeys(systems)) or tuple(next(group for group in groups if group))


def _roles(systems: Sequence[SystemInfo], base: str) -> dict[str, Role]:
    """System -> role: the baseline is the only control, unless it is a reference."""
    own: dict[str, Role] = {s.name: "system" if s.competes else s.role for s in systems}
    return own | {base: "control"} if own[base] == "system" else own


def _require_metric(scores: Sequence[SystemScores], base: str, compared: Sequence[str]) -> None:
    """Refuse systems without a clip and a metric that the baseline has too."""
    clips = {each.system.name: set(each.scores["clip_id"]) for each in scores if not each.scores.empty}
    others = [clips[name] for name in compared if name in clips]
    if base in clips and others and not any(clips[base] & other for other in others):
        raise ReaudioError(
            f"{base} has no clip in common with {' or '.join(compared)}, so nothing can be compared: name another --baseline, or score "
            "the systems on the same prompts."
        )
    known = {each.system.name: metrics_with_values(each) for each in scores}
    if any(known[base] & known[name] for name in compared):
        return
    listed = "; ".join(f"{name} has {', '.join(sorted(known[name])) or 'none'}" for name in (base, *compared))
    raise NothingToComputeError(
        f"No metric has values of {base} and of a system compared with it: {listed}. Score all of them in one command "
        "(`reaudio-eval longtail --clips NAME=FOLDER`, repeated)."
    )


def _fewer_clips(runs: Sequence[Run], clip_ids: Sequence[str]) -> list[Alert]:
    longer = [run for run in runs if len(run.dataset.prompts) > len(clip_ids)]
    if not longer:
        return []
    names = ", ".join(f"{run.scores.system.name} ({len(run.dataset.prompts)})" for run in longer)
    return [
        Alert(
            "warning",
            f"Everything here is over the {len(clip_ids)} clips that all runs have in common; {names} had more. "
            f"{comparable.SET_METRICS} of those are left out: they are values of all clips of a run.",
        )
    ]


def _overall_sets(scores: SystemScores) -> SystemScores:
    """Without the set metrics of strata, which were computed for other strata than the comparison's."""
    return dataclasses.replace(scores, set_values=scores.set_values[scores.set_values["stratum"] == "all"])


@dataclass(frozen=True)
class ComparePlan:
    """The request, and the runs restricted to their common clips."""

    request: CompareRequest
    common: Common

    def to_json(self) -> Json:
        return self.common.to_json() | {"output": str(self.request.output)}


def plan(request: CompareRequest, reporter: Reporter) -> ComparePlan:
    """Read the runs and check them; see :func:`gather`."""
    common = gather(request.runs, common=request.common, baseline=request.baseline, systems=request.systems)
    roles = {each.system.name: each.system.role for each in common.scores}
    if request.margin is not None and roles[common.baseline] != "control":
        raise ReaudioError(
            f"--margin compares systems with a system, and {common.baseline} is a reference: name another --baseline."
        )
    return ComparePlan(request, common)


def run(plan: ComparePlan, reporter: Reporter) -> CompareResult:
    """Compare the systems of several runs on the clips that all have.

    Raises:
        UnknownNameError: no such metric or strata scheme.
    """
    request, given = plan.request, plan.common
    own = given.runs[0].strata
    strata = own if request.strata is None else strata_scheme(request.strata, given.dataset.train_counts)
    scores = given.scores if strata == own else tuple(map(_overall_sets, given.scores))
    check_primary(request.primary, planned(given.scores, all_metrics(given.scores)))
    with reporter.stage("Comparing", 2) as advance:
        analysis = _analysis(given, scores, strata, request)
        advance(1)
        classes = class_differences(scores, given.baseline, given.dataset, strata)
        advance(1)
    landmarks = [s.name for s in analysis.systems if s.kind == "real" and s.name not in (given.baseline, *given.compared)]
    comparison = Comparison(
        analysis,
        given.baseline,
        given.compared,
        classes[classes["system"].isin(given.compared)].reset_index(drop=True),
        against_baseline(analysis.paired, analysis.metrics, given.baseline, given.compared, landmarks),
        _published(request, given.dataset),
        _run_frame(given.runs),
    )
    return CompareResult(comparison, request.page, request.jobs)


def _published(request: CompareRequest, dataset: Dataset) -> pd.DataFrame:
    shown = dataset.name == PUBLISHED_DATASET if request.published is None else request.published
    rows = published()
    return rows if shown else rows.iloc[:0]


def _analysis(
    given: Common, scores: Sequence[SystemScores], strata: Sequence[Stratum], request: CompareRequest
) -> LongtailAnalysis:
    first, *others = (run.manifest for run in given.runs)
    shared = {k: first[k] for k in SHARED_KEYS if k in first and all(m.get(k) == first[k] for m in others)}
    compared = [run for run in given.runs if run.scores.system.name in (given.baseline, *given.compared)]
    margin = common_margin(compared) if request.margin is None else Margin(request.margin)
    return analyse(
        scores,
        given.dataset,
        strata,
        estimand=request.inference,
        primary=request.primary or default_primary(given.dataset.name, scores),
        pairs=[(system, given.baseline) for system in given.compared],
        margin=margin,
        provenance=shared,
        audit={name: entry for run in given.runs for name, entry in run.audit.items()},
        alerts=[*given.alerts, *margin_alerts(margin, {run.scores.system.name: run.manifest for run in compared})],
    )


def _run_frame(runs: Sequence[Run]) -> pd.DataFrame:
    return COMPARED_RUNS.frame(
        [
            {
                "system": run.scores.system.name,
                "run": str(run.path),
                "seed": run.scores.seed,
                "created": run.manifest.get("created", ""),
                "n_clips": len(run.dataset.prompts),
                "version": run.manifest.get("reaudio_eval", ""),
                "code_sha256": run.manifest.get("code_sha256", ""),
                "list_sha256": run.dataset.list_sha256,
                "protocol": comparable.protocol_name(run),
            }
            for run in runs
        ]
    )
