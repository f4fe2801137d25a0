"""Long-tail evaluation: scores by label frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.longtail.request import LongtailRequest, PerClassRequest, ReportRequest
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    from reaudio_eval.evaluations.longtail.plots import PerClassPlan, PerClassPlot
    from reaudio_eval.evaluations.longtail.rerender import ReportPlan
    from reaudio_eval.evaluations.longtail.result import LongtailResult
    from reaudio_eval.evaluations.longtail.run import LongtailPlan


class Longtail(Evaluation[LongtailRequest, "LongtailPlan", "LongtailResult"]):
    """Score systems by label frequency and write longtail.html, run directories, figures and tables.

    A command that was stopped continues where it was when it is given again.
    """

    name = "longtail"
    rank = 1
    request = LongtailRequest
    example = (
        "reaudio-eval longtail --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or [bold]"
        "reaudio-eval longtail --dataset audiocaps --data-root audiocaps/ --references audio/test --clips MyModel=out/ "
        "--clips Tango=tango/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --output reports/test"
    )

    def plan(self, request: LongtailRequest, reporter: Reporter) -> LongtailPlan:
        from reaudio_eval.evaluations.longtail.run import plan

        return plan(request, reporter)

    def run(self, plan: LongtailPlan, reporter: Reporter) -> LongtailResult:
        from reaudio_eval.evaluations.longtail.run import run

        return run(plan, reporter)


class Report(Evaluation[ReportRequest, "ReportPlan", "LongtailResult"]):
    """Make the long-tail report again from run directories; needs neither networks nor embeddings."""

    name = "report"
    rank = 6
    request = ReportRequest
    example = "reaudio-eval report reports/test --output reports/again"

    def plan(self, request: ReportRequest, reporter: Reporter) -> ReportPlan:
        from reaudio_eval.evaluations.longtail.rerender import plan

        return plan(request)

    def run(self, plan: ReportPlan, reporter: Reporter) -> LongtailResult:
        from reaudio_eval.evaluations.longtail.rerender import run

        return run(plan)


class PerClass(Evaluation[PerClassRequest, "PerClassPlan", "PerClassPlot"]):
    """Class scores against training frequency: one point per class, binned means, and a smooth with its band, for every system."""

    name = "plot per-class"
    rank = 7
    group_summary = "One figure alone, from finished runs."
    function = "plot_per_class"
    request = PerClassRequest
    example = "reaudio-eval plot per-class reports/longtail --metric clap_score_miniature -o figures/clap"

    def plan(self, request: PerClassRequest, reporter: Reporter) -> PerClassPlan:
        from reaudio_eval.evaluations.longtail.plots import plan

        return plan(request)

    def run(self, plan: PerClassPlan, reporter: Reporter) -> PerClassPlot:
        from reaudio_eval.evaluations.longtail.plots import run

        return run(plan)


EVALUATIONS = (Longtail(), Report(), PerClass())
