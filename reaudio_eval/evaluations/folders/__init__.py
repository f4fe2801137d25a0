"""Scores of one folder of clips against another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.folders.request import ScoreRequest
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    from reaudio_eval.evaluations.folders.result import FolderScores
    from reaudio_eval.evaluations.folders.run import ScorePlan


class Score(Evaluation[ScoreRequest, "ScorePlan", "FolderScores"]):
    """Every metric for two folders: FAD, FD, KL, IS, KAD, CLAP score, with intervals and an audit of the files."""

    name = "score"
    rank = 5
    request = ScoreRequest
    example = "reaudio-eval score generated/ reference/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --captions test.csv"

    def plan(self, request: ScoreRequest, reporter: Reporter) -> ScorePlan:
        from reaudio_eval.evaluations.folders.run import plan

        return plan(request)

    def run(self, plan: ScorePlan, reporter: Reporter) -> FolderScores:
        from reaudio_eval.evaluations.folders.run import run

        return run(plan, reporter)


EVALUATIONS = (Score(),)
