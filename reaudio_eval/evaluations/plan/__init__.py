"""Plan of an evaluation: classes, prompts and seeds that an effect needs."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.plan.request import PlanRequest

EVALUATIONS = (
    Evaluation(
        "plan",
        PlanRequest,
        f"{__name__}.run",
        "How many classes, prompts of each class and seeds are needed to find an effect, or with --margin to exclude one.\n\n"
        "The spread of the difference of two systems comes from a pilot (run directories) or from --class-sd, --clip-sd and --seed-sd. "
        "Reports of each design are simulated and tested as the pages test: t test of the mean over classes, Holm's correction.",
        "reaudio-eval plan reports/longtail --effect 0.05[/bold], [bold]"
        "reaudio-eval plan --effect 0.05 --class-sd 0.1 --clip-sd 0.3 --tests 4[/bold] or [bold]"
        "reaudio-eval plan reports/longtail --margin 0.05 --seeds 1,3 --per-class 2,4",
        rank=8,
    ),
)
