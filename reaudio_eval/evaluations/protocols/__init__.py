"""Scores of two folders under every protocol, with what makes them differ."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.protocols.request import ProtocolsRequest

EVALUATIONS = (
    Evaluation(
        "protocols diff",
        ProtocolsRequest,
        f"{__name__}.run",
        "The same two folders under every protocol whose checkpoints are there: one table, with the causes of each difference.",
        "reaudio-eval protocols diff generated/ reference/ --checkpoint vggish=vggish-10086976.pth --metric fad",
        rank=7,
        group_summary="What evaluation protocols change.",
    ),
)
