"""Long-tail report from finished runs: plan and run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.evaluations.alerts import first_names, run_alerts
from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.longtail.request import ReportRequest
from reaudio_eval.evaluations.longtail.result import LongtailResult
from reaudio_eval.evaluations.margins import common_margin
from reaudio_eval.evaluations.packaged import packaged_scores
from reaudio_eval.evaluations.roles import scores_against
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs import comparable
from reaudio_eval.runs.directory import Run
from reaudio_eval.runs.find import RunSet
from reaudio_eval.runs.provenance import SHARED_KEYS
from reaudio_eval.runs.together import Together, put_together
from reaudio_eval.scores.binding import NothingToComputeError
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_eval.statistics.analysis import Alert, LongtailAnalysis
from reaudio_eval.statistics.class_table import all_metrics
from reaudio_eval.statistics.computed import SHOWN, check_primary, planned
from reaudio_eval.statistics.context import Estimand
from reaudio_eval.statistics.longtail import analyse
from reaudio_eval.statistics.margins import Margin
from reaudio_eval.statistics.primary import default_primary
from reaudio_model.common.errors import UnknownNameError
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class ReportPlan:
    """The request, the runs that the report is made of, their scores, and notes on those left out."""

    request: ReportRequest
    runs: tuple[Run, ...]
    together: Together
    left_out: tuple[Alert, ...] = ()

    @property
    def metrics(self) -> dict[str, str]:
        """Metric -> "will be shown", or why not."""
        return planned(self.together.scores, all_metrics(self.together.scores))

    def to_json(self) -> Json:
        return {
            "n_clips": len(self.together.clip_ids),
            "systems": {run.scores.system.name: str(run.path) for run in self.runs},
            "metrics": self.metrics,
            "output": str(self.request.output),
        }


def plan(request: ReportRequest, reporter: Reporter) -> ReportPlan:
    """Read the runs.

    Raises:
        ReaudioError: see :func:`report_runs` and :func:`reaudio_eval.runs.together.put_together`; no metric has a value.
    """
    runs, left_out = report_runs(request.runs)
    found = ReportPlan(request, runs, put_together(runs, common=request.common), left_out)
    metrics = found.metrics
    check_primary(request.primary, metrics)
    if SHOWN not in metrics.values():
        raise NothingToComputeError(
            f"No metric has a value in these runs: {'; '.join(dict.fromkeys(metrics.values())) or 'none was asked for'}. "
            "Score the clips again with the checkpoint."
        )
    return found


def report_runs(paths: Sequence[Path]) -> tuple[tuple[Run, ...], tuple[Alert, ...]]:
    """The runs that belong in one report, and a note on earlier runs of the same systems.

    Raises:
        ReaudioError: see :meth:`reaudio_eval.runs.find.RunSet.read`, :meth:`~reaudio_eval.runs.find.RunSet.for_report` and
            :func:`reaudio_eval.runs.comparable.check`.
    """
    every = RunSet.read(paths)
    chosen = every.for_report()
    comparable.check(chosen.runs)
    earlier = every.over_all_prompts().paths_not_in(chosen)
    if not earlier:
        return chosen.runs, ()
    shown = first_names(list(map(str, earlier)))
    note = f"Left out, since a later run of the same system is there: {shown}. Name a run directory to show it."
    return chosen.runs, (Alert("note", note),)


def run(plan: ReportPlan, reporter: Reporter) -> LongtailResult:
    """Analyse the runs together.

    Raises:
        UnknownNameError: no run has the metric that is to be shown first, or no system is the baseline.
    """
    request = plan.request
    analysis = analyse_runs(
        plan.runs,
        plan.together,
        primary=request.primary,
        strata=request.strata,
        estimand=request.inference,
        bundled=request.baselines,
        baseline=request.baseline,
        margin=common_margin(plan.runs),
        alerts=plan.left_out,
    )
    return LongtailResult(analysis, tuple(r.path for r in plan.runs), analysis.audit, request.page, request.jobs)


def analyse_runs(
    runs: Sequence[Run],
    together: Together,
    *,
    primary: str | None = None,
    strata: str | None = None,
    estimand: Estimand = "sampled-classes",
    only: str | None = None,
    bundled: bool = True,
    baseline: str | None = None,
    margin: Margin | None = None,
    alerts: Sequence[Alert] = (),
) -> LongtailAnalysis:
    """The analysis of several runs.

    Args:
        runs: of :meth:`reaudio_eval.runs.find.RunSet.for_report`.
        together: their prompts and scores.
        primary: metric shown first; by default the dataset's, else as in ``statistics.primary.choose_primary``.
        strata: another scheme for per-clip and per-label metrics; set metrics are then over all clips only.
        estimand: see :func:`reaudio_eval.statistics.longtail.analyse`.
        only: the one metric wanted, which saves the work for the others.
        alerts: more of them.
        baseline: name of the system that the others are compared with, or None.
        margin: of the runs, or None.
        bundled: add the no-retrieval control of a bundled model from the scores that come with the package.

    Raises:
        UnknownNameError: no run has the metric ``only`` or ``primary``, or no system is called ``baseline``.
        ReaudioError: ``baseline`` is a reference.
    """
    first, dataset = runs[0], together.dataset
    scheme = first.strata if strata is None else strata_scheme(strata, dataset.train_counts)
    shipped, left_out = packaged_scores(runs, together, scheme) if bundled else ([], [])
    scores = [s if only is None else one_metric(s, only) for s in (*together.scores, *shipped)]
    if only is not None and not any(s.metrics for s in scores):
        raise UnknownNameError("metric", only, sorted({m.name for r in runs for m in r.scores.metrics}))
    if strata is not None:
        scores = [dataclasses.replace(s, set_values=s.set_values[s.set_values["stratum"] == "all"]) for s in scores]
    return analyse(
        scores_against(scores, baseline),
        dataset,
        scheme,
        estimand=estimand,
        primary=primary or default_primary(dataset.name, scores),
        margin=margin,
        provenance={k: first.manifest[k] for k in SHARED_KEYS if k in first.manifest},
        audit={name: entry for r in runs for name, entry in r.audit.items()},
        alerts=[
            *run_alerts(runs),
            *(Alert("note", note) for note in dict.fromkeys(note for run in runs for note in run.dataset.notes)),
            *comparable.reference_files_alerts(runs),
            *comparable.notes(runs),
            *left_out,
            *alerts,
        ],
    )


def one_metric(scores: SystemScores, name: str) -> SystemScores:
    """The scores of one metric; none if it is not there."""
    return dataclasses.replace(
        scores,
        metrics=tuple(m for m in scores.metrics if m.name == name),
        scores=scores.scores[scores.scores["metric"] == name],
        set_values=scores.set_values[scores.set_values["metric"] == name],
    )
