"""Zero-shot evaluation: classes without training clips."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.zeroshot.request import ZeroshotRequest

EVALUATIONS = (
    Evaluation(
        "zeroshot",
        ZeroshotRequest,
        f"{__name__}.run",
        "Score systems on classes without training clips, or with few, and write zeroshot.html, run directories, figures and tables.\n\n"
        "A command that was stopped continues where it was when it is given again.",
        "reaudio-eval zeroshot --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or [bold]"
        "reaudio-eval zeroshot --dataset audiocaps --data-root audiocaps/ --references audio/test --clips Mine=out/ "
        "--trained-on Mine=dataset --clips Plain=plain/ --trained-on Plain=dataset --control Plain "
        "--checkpoint panns=Cnn14_16k_mAP=0.438.pth --output reports/zeroshot",
        rank=2,
    ),
)
