"""Scores of two folders beside those of the field's packages."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.crosscheck.request import CrosscheckRequest

EVALUATIONS = (
    Evaluation(
        "crosscheck",
        CrosscheckRequest,
        f"{__name__}.run",
        "FAD, FD, KL, IS and CLAP score beside those of frechet-audio-distance, panns-inference and laion-clap, and why they differ.",
        "reaudio-eval crosscheck generated/ reference/ --checkpoint vggish=vggish-10086976.pth --output crosscheck/",
        rank=6,
    ),
)
