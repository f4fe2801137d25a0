"""Listening test: export of a blind test, analysis of its answers."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.listening.request import AnswersRequest, ListeningRequest

EVALUATIONS = (
    Evaluation(
        "listening export",
        ListeningRequest,
        f"{__name__}.export",
        "Make a blind listening test from runs: forms/listener-N.html for participants, key.json to keep.",
        "reaudio-eval listening export reports/longtail --output test --prompts 20 --forms 4 --per-prompt 2",
        function="export_listening_test",
        rank=8,
        group_summary="Listening test: export of a blind test, analysis of its answers.",
    ),
    Evaluation(
        "listening analyse",
        AnswersRequest,
        f"{__name__}.analyse",
        "Analyse the answers: means and differences of systems, agreement of listeners, and how well metrics predict ratings.",
        "reaudio-eval listening analyse test answers/ --output reports/listening",
        function="analyse_listening_test",
        rank=8,
    ),
)
