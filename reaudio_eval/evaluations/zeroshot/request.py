"""Options of the zero-shot evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import (
    DATA,
    DEFAULT_ESTIMAND,
    SYSTEMS,
    Data,
    Inference,
    Machine,
    Measures,
    OutputFolder,
    OverwriteRuns,
    Page,
    Primary,
    Seed,
    Strata,
    Systems,
)
from reaudio_model.common.options import Option

FEW_SHOT = 19  # training clips; as in reaudio_eval.prompts.regimes, which is not imported for --help


@dataclass(frozen=True)
class ZeroshotRequest(Request):
    """Which systems to score on classes without training clips, and how.

    Attributes:
        few_shot: a class with 1 to this many training clips is few-shot; 0: no few-shot classes.
        every_prompt: use every prompt of the split, not only those with a zero-shot or few-shot class.
        trained_on: system -> "dataset", "all", "nothing", a corpus, or a file of labels (``training_labels.from_option``).
        control: the system without retrieval among those evaluated; None takes the bundled one where it is present.
        copied: the retrieved clips submitted unchanged, among the systems evaluated; None takes ``copy-retrieved`` where it is present.
        oracle: beside a bundled system that retrieves, its oracle.
        pool_labels: CSV (label, n_pool) of the retrieval pool, where that is not the dataset's default pool.
    """

    systems: Systems = field(default_factory=Systems)
    control: Annotated[
        str | None,
        Option(
            "The system without retrieval. Default: the bundled one beside a bundled model.",
            "--control --twin",
            panel=SYSTEMS,
            everyday=True,
            metavar="NAME",
        ),
    ] = None
    copied: Annotated[
        str | None,
        Option("The retrieved clips submitted unchanged. Default: copy-retrieved.", panel=SYSTEMS, metavar="NAME"),
    ] = None
    oracle: Annotated[
        bool,
        Option(
            "Beside a bundled model: an oracle, conditioned on the real clip of each prompt.",
            "--oracle/--no-oracle",
            panel=SYSTEMS,
        ),
    ] = True
    trained_on: Annotated[
        dict[str, str],
        Option(
            "What a system was trained on: dataset, all, nothing, audioset, wavcaps, or a file with a label or label name per line; "
            "repeatable. Default: as the model declares; unknown for --clips and --weights.",
            metavar="NAME=WHAT",
            panel=SYSTEMS,
            everyday=True,
        ),
    ] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    few_shot: Annotated[
        int,
        Option("A class with 1 to N training clips is few-shot; 0: no few-shot classes.", panel=DATA, everyday=True),
    ] = FEW_SHOT
    every_prompt: Annotated[
        bool, Option("Use every prompt, not only those with a zero-shot or few-shot class.", "--all", panel=DATA)
    ] = False
    pool_labels: Annotated[
        Path | None,
        Option("CSV (label, n_pool) of the retrieval pool. Default: the dataset's pool; unknown with --index.", panel=DATA),
    ] = None
    sampling: Sampling = field(default_factory=Sampling)
    measures: Measures = field(default_factory=Measures)
    strata: Strata = None
    primary: Primary = None
    inference: Inference = DEFAULT_ESTIMAND
    seed: Seed = 0
    output: OutputFolder = Path("reports/zeroshot")
    overwrite: OverwriteRuns = "only-missing"
    page: Page = field(default_factory=Page)
    machine: Machine = field(default_factory=Machine)
