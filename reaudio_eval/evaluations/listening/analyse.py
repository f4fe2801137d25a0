"""Analysis of listening answers: plan and run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reaudio_eval.evaluations.base import Json
from reaudio_eval.evaluations.listening.analysis import analyse_answers
from reaudio_eval.evaluations.listening.material import metrics_of, scores_of
from reaudio_eval.evaluations.listening.records import Key, read_key
from reaudio_eval.evaluations.listening.request import AnswersRequest
from reaudio_eval.evaluations.listening.result import ListeningResult
from reaudio_eval.runs.find import RunSet
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class AnswersPlan:
    """The request, and the key of the test with the metrics that are compared."""

    request: AnswersRequest
    key: Key

    def to_json(self) -> Json:
        return {
            "test_id": self.key.test_id,
            "systems": [s.name for s in self.key.systems],
            "n_prompts": len(self.key.prompts),
            "metrics": [m.name for m in self.key.metrics],
            "answers": [str(path) for path in self.request.answers],
            "output": str(self.request.output),
        }


def plan(request: AnswersRequest, reporter: Reporter) -> AnswersPlan:
    """Read the key.

    Raises:
        ReaudioError: no key, or runs without a score of a clip of this test.
    """
    key = read_key(request.test)
    return AnswersPlan(request, with_scores_of(key, request.runs) if request.runs else key)


def run(plan: AnswersPlan, reporter: Reporter) -> ListeningResult:
    """Analyse the answers.

    Raises:
        ReaudioError: files that are no answers to this test, or every participant is excluded.
    """
    request = plan.request
    with reporter.stage("Analysing", 1) as advance:
        analysis = analyse_answers(
            plan.key, request.answers, keep_all=request.keep_all, max_failed=request.max_failed, seed=request.seed
        )
        advance(1)
    return ListeningResult(analysis)


def with_scores_of(key: Key, runs: Sequence[Path]) -> Key:
    """The key with the metrics of other runs of the same systems, for instance scored again with more embedders.

    Raises:
        ReaudioError: no run, or none of a system of this test.
    """
    newest = RunSet.read(runs).newest().runs
    scores = scores_of(newest, [s.name for s in key.systems], [p.clip_id for p in key.prompts])
    if not scores:
        raise ReaudioError("These runs hold no score of a clip of this test: give runs of the systems that were rated.")
    return replace(key, metrics=metrics_of(newest), scores=scores)
