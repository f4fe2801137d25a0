"""Plan and run of the long-tail evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.longtail.request import LongtailRequest
from reaudio_eval.evaluations.longtail.result import LongtailResult
from reaudio_eval.evaluations.margins import planned_margin
from reaudio_eval.evaluations.planning import SystemsPlan, plan_systems
from reaudio_eval.evaluations.roles import Named
from reaudio_eval.evaluations.scoring import analyse_and_store, score_systems
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class LongtailPlan:
    """The request, and everything known before systems are scored."""

    request: LongtailRequest
    systems: SystemsPlan

    def to_json(self) -> Json:
        return self.systems.to_json()


def plan(request: LongtailRequest, reporter: Reporter) -> LongtailPlan:
    """See :func:`reaudio_eval.evaluations.planning.plan_systems` and :func:`reaudio_eval.evaluations.margins.planned_margin`."""
    systems = plan_systems(request, reporter, named=Named(request.baseline))
    margin = planned_margin(request.margin, systems.primary, systems.scoring.tools.metrics, systems.roles)
    return LongtailPlan(request, replace(systems, margin=margin))


def run(plan: LongtailPlan, reporter: Reporter) -> LongtailResult:
    """Score the systems and write their run directories.

    Raises:
        ReaudioError: see :func:`reaudio_eval.evaluations.scoring.score_systems`.
    """
    scored = score_systems(plan.systems, reporter)
    analysis, runs = analyse_and_store(plan.systems, scored)
    return LongtailResult(analysis, runs, scored.evaluation.audit, plan.request.page, plan.systems.scoring.options.jobs)
