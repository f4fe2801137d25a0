"""Listening test: export of a blind test, analysis of its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.listening.request import AnswersRequest, ListeningRequest
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    from reaudio_eval.evaluations.listening.analyse import AnswersPlan
    from reaudio_eval.evaluations.listening.export import ListeningPlan
    from reaudio_eval.evaluations.listening.result import ListeningResult, ListeningTest


class Export(Evaluation[ListeningRequest, "ListeningPlan", "ListeningTest"]):
    """Make a blind listening test from runs: forms/listener-N.html for participants, key.json to keep."""

    name = "listening export"
    rank = 8
    group_summary = "Listening test: export of a blind test, analysis of its answers."
    function = "export_listening_test"
    request = ListeningRequest
    example = "reaudio-eval listening export reports/longtail --output test --prompts 20 --forms 4 --per-prompt 2"

    def plan(self, request: ListeningRequest, reporter: Reporter) -> ListeningPlan:
        from reaudio_eval.evaluations.listening.export import plan_listening_test

        return plan_listening_test(request)

    def run(self, plan: ListeningPlan, reporter: Reporter) -> ListeningTest:
        from reaudio_eval.evaluations.listening.export import write_listening_test

        return write_listening_test(plan, reporter)


class Analyse(Evaluation[AnswersRequest, "AnswersPlan", "ListeningResult"]):
    """Analyse the answers: means and differences of systems, agreement of listeners, and how well metrics predict ratings."""

    name = "listening analyse"
    rank = 8
    group_summary = "Listening test: export of a blind test, analysis of its answers."
    function = "analyse_listening_test"
    request = AnswersRequest
    example = "reaudio-eval listening analyse test answers/ --output reports/listening"

    def plan(self, request: AnswersRequest, reporter: Reporter) -> AnswersPlan:
        from reaudio_eval.evaluations.listening.analyse import plan

        return plan(request)

    def run(self, plan: AnswersPlan, reporter: Reporter) -> ListeningResult:
        from reaudio_eval.evaluations.listening.analyse import run

        return run(plan, reporter)


EVALUATIONS = (Export(), Analyse())
