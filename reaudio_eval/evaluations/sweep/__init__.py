"""Sweep: one model at many sampling settings."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.sweep.request import SweepRequest

EVALUATIONS = (
    Evaluation(
        "sweep",
        SweepRequest,
        f"{__name__}.run",
        "Vary how one model samples and write sweep.html: curves by stratum, and the effect of each setting.\n\n"
        "The generation options, --seed and --captions set the reference. On the miniature a sample of 65 prompts, one of every class, is "
        "used unless --sample, --limit or --all-prompts chooses otherwise. A command that was stopped continues where it was when it is "
        "given again, and a value added to --over computes its cells only.",
        "reaudio-eval sweep --model re-audioldm-l --over k=0,1,3 --over retrieval=none,audio,audio+text --over guidance=1,3,5[/bold] "
        "(the bundled miniature, nothing needed; a finished cell is never made again)[bold]",
        rank=3,
    ),
)
