"""Scores of one folder of clips against another."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.folders.request import ScoreRequest

EVALUATIONS = (
    Evaluation(
        "score",
        ScoreRequest,
        f"{__name__}.run",
        "Every metric for two folders: FAD, FD, KL, IS, KAD, CLAP score, with intervals and an audit of the files.",
        "reaudio-eval score generated/ reference/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --captions test.csv",
        rank=5,
    ),
)
