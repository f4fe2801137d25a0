"""Comparison of systems from several runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.compare.request import CompareRequest
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    from reaudio_eval.evaluations.compare.result import CompareResult
    from reaudio_eval.evaluations.compare.run import ComparePlan


class Compare(Evaluation[CompareRequest, "ComparePlan", "CompareResult"]):
    """Compare systems of several runs on the same clips and write compare.html, tables (CSV, LaTeX) and figures.

    Needs neither networks nor embeddings. Runs with other protocols, checkpoints, captions or training counts are refused.
    """

    name = "compare"
    rank = 4
    request = CompareRequest
    example = "reaudio-eval compare reports/tango reports/ours --baseline tango --output reports/compare"

    def plan(self, request: CompareRequest, reporter: Reporter) -> ComparePlan:
        from reaudio_eval.evaluations.compare.run import plan

        return plan(request)

    def run(self, plan: ComparePlan, reporter: Reporter) -> CompareResult:
        from reaudio_eval.evaluations.compare.run import run

        return run(plan, reporter)


EVALUATIONS = (Compare(),)
