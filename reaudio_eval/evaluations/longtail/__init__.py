"""Long-tail evaluation: scores by label frequency."""

from __future__ import annotations

from reaudio_eval.evaluations.base import Evaluation
from reaudio_eval.evaluations.longtail.request import LongtailRequest, PerClassRequest, ReportRequest

EVALUATIONS = (
    Evaluation(
        "longtail",
        LongtailRequest,
        f"{__name__}.run",
        "Score systems by label frequency and write longtail.html, run directories, figures and tables.\n\n"
        "A command that was stopped continues where it was when it is given again.",
        "reaudio-eval longtail --model re-audioldm-l[/bold] (the bundled miniature, nothing needed), or [bold]"
        "reaudio-eval longtail --dataset audiocaps --data-root audiocaps/ --references audio/test --clips MyModel=out/ "
        "--clips Tango=tango/ --checkpoint panns=Cnn14_16k_mAP=0.438.pth --output reports/test",
        rank=1,
    ),
    Evaluation(
        "report",
        ReportRequest,
        f"{__name__}.rerender",
        "Make the long-tail report again from run directories; needs neither networks nor embeddings.",
        "reaudio-eval report reports/test --output reports/again",
        rank=6,
    ),
    Evaluation(
        "plot per-class",
        PerClassRequest,
        f"{__name__}.plots",
        "Class scores against training frequency: one point per class, binned means, and a smooth with its band, for every system.",
        "reaudio-eval plot per-class reports/longtail --metric clap_score_miniature -o figures/clap",
        function="plot_per_class",
        rank=7,
        group_summary="One figure alone, from finished runs.",
    ),
)
