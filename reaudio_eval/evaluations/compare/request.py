"""Options of the comparison of runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import (
    DATA,
    DEFAULT_ESTIMAND,
    OUTPUT,
    STATISTICS,
    SYSTEMS,
    Inference,
    Jobs,
    MarginOption,
    OutputFolder,
    Page,
    Primary,
    RunFolders,
)
from reaudio_model.common.cli import DEFAULT_JOBS
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class CompareRequest(Request):
    """Which runs to compare, and with which baseline.

    Attributes:
        runs: of one or several evaluations.
        baseline: the system that others are compared with; by default the control among them, else the first that is no reference.
        systems: those whose differences, figures and clips are shown; by default all but the baseline and references.
        common: restrict runs over different clips to those that all have, instead of comparing each two systems on the clips that both
            have. Metrics of clips are restricted exactly; metrics of sets of clips become undefined for runs that had more.
        margin: in place of the one that the runs were scored with.
        published: show published numbers in a table of their own; None: where the dataset is AudioCaps.
    """

    runs: RunFolders
    baseline: Annotated[
        str | None,
        Option(
            "System that others are compared with. Default: the control among them, else the first.",
            metavar="NAME",
            panel=SYSTEMS,
            everyday=True,
        ),
    ] = None
    systems: Annotated[
        tuple[str, ...],
        Option(
            "Show differences, figures and clips of this system only; repeatable. Default: all but references.",
            "--system",
            "NAME",
            panel=SYSTEMS,
            everyday=True,
        ),
    ] = ()
    common: Annotated[
        bool, Option("Use only the prompts that all runs have.", "--common --intersect", panel=DATA, everyday=True)
    ] = False
    strata: Annotated[
        str | None,
        Option(
            "Other strata than the first run's (set metrics are then over all clips only).", panel=STATISTICS, everyday=True
        ),
    ] = None
    primary: Primary = None
    margin: MarginOption = None
    inference: Inference = DEFAULT_ESTIMAND
    published: Annotated[
        bool | None,
        Option(
            "Published numbers in a table apart. Default: on AudioCaps only.",
            "--published/--no-published",
            panel=OUTPUT,
            everyday=True,
        ),
    ] = None
    output: OutputFolder = Path("reports/compare")
    page: Page = field(default_factory=Page)
    jobs: Jobs = DEFAULT_JOBS
