"""Clips of systems, without scores."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.generate.request import GenerateRequest

EVALUATIONS = (
    Evaluation(
        "generate",
        GenerateRequest,
        f"{__name__}.run",
        "Clips alone, of models with published or bundled weights or of any program (--external), to score later.",
        "reaudio-eval generate --model tango --weights tango=tango/ --dataset audiocaps --data-root audiocaps/ -o clips/",
        rank=6,
    ),
)
