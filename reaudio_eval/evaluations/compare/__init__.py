"""Comparison of systems from several runs."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.compare.request import CompareRequest

EVALUATIONS = (
    Evaluation(
        "compare",
        CompareRequest,
        f"{__name__}.run",
        "Compare systems of several runs on the same clips and write compare.html, tables (CSV, LaTeX) and figures.\n\n"
        "Needs neither networks nor embeddings. Runs with other protocols, checkpoints, captions or training counts are refused.",
        "reaudio-eval compare reports/tango reports/ours --baseline tango --output reports/compare",
        rank=4,
    ),
)
