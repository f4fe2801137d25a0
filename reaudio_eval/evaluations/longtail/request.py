"""Options of the long-tail evaluation, of its report made again, and of its figure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import (
    DATA,
    DEFAULT_ESTIMAND,
    OUTPUT,
    STATISTICS,
    SYSTEMS,
    Baseline,
    Data,
    Inference,
    Jobs,
    Machine,
    MarginOption,
    Measures,
    OutputFolder,
    OverwriteRuns,
    Page,
    Primary,
    RunFolders,
    Seed,
    Strata,
    Systems,
)
from reaudio_model.common.cli import DEFAULT_JOBS
from reaudio_model.common.options import Option

SMALLEST, LARGEST = 2.0, 30.0  # inches of a figure
Layers = Annotated[str, Option("Layers of the figure: points, bins, smooth.", panel=OUTPUT, everyday=True)]
Inches = Annotated[float, Option("Inches.", panel=OUTPUT, least=SMALLEST, most=LARGEST, everyday=True)]


@dataclass(frozen=True)
class LongtailRequest(Request):
    """Which systems to score by label frequency, and how."""

    systems: Systems = field(default_factory=Systems)
    baseline: Baseline = None
    data: Data = field(default_factory=Data)
    sampling: Sampling = field(default_factory=Sampling)
    measures: Measures = field(default_factory=Measures)
    strata: Strata = None
    primary: Primary = None
    margin: MarginOption = None
    inference: Inference = DEFAULT_ESTIMAND
    seed: Seed = 0
    output: OutputFolder = Path("reports/longtail")
    overwrite: OverwriteRuns = "only-missing"
    page: Page = field(default_factory=Page)
    machine: Machine = field(default_factory=Machine)


@dataclass(frozen=True)
class ReportRequest(Request):
    """Which runs the report is made of.

    Attributes:
        strata: other strata than the first run's, for metrics of clips and labels; set metrics are then over all clips only.
        baselines: beside runs of a bundled model, its control without retrieval by the scores that come with the package.
    """

    runs: RunFolders
    common: Annotated[bool, Option("Use only the prompts that all runs have.", panel=DATA, everyday=True)] = False
    baseline: Baseline = None
    strata: Strata = None
    primary: Primary = None
    baselines: Annotated[
        bool,
        Option(
            "Beside a bundled model show its control without retrieval by scores of the package.",
            "--baselines/--no-baselines",
            panel=SYSTEMS,
            everyday=True,
        ),
    ] = True
    inference: Inference = DEFAULT_ESTIMAND
    output: OutputFolder = Path("reports/longtail")
    page: Page = field(default_factory=Page)
    jobs: Jobs = DEFAULT_JOBS


@dataclass(frozen=True)
class PerClassRequest(Request):
    """Which runs a figure shows, and how.

    Attributes:
        output: a file (``.svg``, ``.pdf`` or ``.png``), or a stem of all three; ``<stem>.csv`` beside it holds the classes.
        metric: name; None takes the runs' primary metric.
        systems: those drawn, in this order; () draws all.
    """

    runs: RunFolders
    metric: Annotated[
        str | None, Option("Metric drawn. Default: CLAP score, else label recall.", panel="Metrics", everyday=True)
    ] = None
    systems: Annotated[
        tuple[str, ...],
        Option("Only this system, in this order; repeatable.", "--system", panel=SYSTEMS, everyday=True),
    ] = ()
    strata: Annotated[str | None, Option("Other strata along the top.", panel=STATISTICS, everyday=True)] = None
    inference: Inference = DEFAULT_ESTIMAND
    output: Annotated[
        Path,
        Option(
            "File (.svg, .pdf, .png), or a stem of all three, beside a CSV.",
            "--output -o",
            panel=OUTPUT,
            everyday=True,
        ),
    ] = Path("figures/per-class")
    show: Layers = "points,bins,smooth"
    width: Inches = 7.2
    height: Inches = 4.4
