"""Zero-shot evaluation: classes without training clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.zeroshot.request import ZeroshotRequest
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    from reaudio_eval.evaluations.zeroshot.result import ZeroshotResult
    from reaudio_eval.evaluations.zeroshot.run import ZeroshotPlan


class Zeroshot(Evaluation[ZeroshotRequest, "ZeroshotPlan", "ZeroshotResult"]):
    """Score systems on classes without training clips, or with few, and write zeroshot.html, run directories, figures and tables.

    A command that was stopped continues where it was when it is given again.
    """

    name = "zeroshot"
    rank = 2
    request = ZeroshotRequest
    example = (
        "reaudio-eval zeroshot --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or [bold]"
        "reaudio-eval zeroshot --dataset audiocaps --data-root audiocaps/ --references audio/test --clips Mine=out/ "
        "--trained-on Mine=dataset --clips Plain=plain/ --trained-on Plain=dataset --control Plain --output reports/zeroshot"
    )

    def plan(self, request: ZeroshotRequest, reporter: Reporter) -> ZeroshotPlan:
        from reaudio_eval.evaluations.zeroshot.run import plan

        return plan(request, reporter)

    def run(self, plan: ZeroshotPlan, reporter: Reporter) -> ZeroshotResult:
        from reaudio_eval.evaluations.zeroshot.run import run

        return run(plan, reporter)


EVALUATIONS = (Zeroshot(),)
