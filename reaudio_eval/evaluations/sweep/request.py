"""Options of the sweep."""

from __future__ import annotations

from collections.abc import Mapping
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
    Index,
    Inference,
    Machine,
    Measures,
    OutputFolder,
    OverwriteRuns,
    Page,
    Primary,
    Seed,
    Strata,
    Weights,
)
from reaudio_eval.evaluations.sweep.cells import Design, Value, parse_over
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option

OVER_HELP = (
    "A factor and its values, or a range 1..5; repeatable. Factors: k, steps, guidance, retrieval (none, audio, audio+text), "
    "candidates, seed, captions."
)


@dataclass(frozen=True)
class SweepRequest(Request):
    """Which sampling settings of one model to compare, and how.

    The generation options, --seed and --captions set the reference.

    Attributes:
        model: registered model that samples.
        over: factor -> values, as :func:`reaudio_eval.evaluations.sweep.cells.parse_over` reads them.
        design: "star" varies each factor alone, "grid" makes all combinations.
        weights: the user's weights of the model, instead of those that come with the package.
        all_prompts: the same as ``sample=0``; without it, or a sample or limit, the dataset's own sample of a sweep is used.
    """

    model: Annotated[str, Option("A registered model that generates (see `list models`).", panel=SYSTEMS, everyday=True)]
    over: Annotated[
        Mapping[str, tuple[Value, ...]],
        Option(OVER_HELP, metavar="NAME=V1,V2", panel="Generation", everyday=True, parse=parse_over),
    ] = field(default_factory=dict)
    design: Annotated[
        Design, Option("star: each factor varied alone; grid: all combinations.", panel="Generation", everyday=True)
    ] = "star"
    weights: Weights = field(default_factory=dict)
    index: Index = None
    data: Data = field(default_factory=Data)
    all_prompts: Annotated[bool, Option("The same as --sample 0.", panel=DATA)] = False
    sampling: Sampling = field(default_factory=Sampling)
    measures: Measures = field(default_factory=Measures)
    strata: Strata = None
    primary: Primary = None
    inference: Inference = DEFAULT_ESTIMAND
    seed: Seed = 0
    output: OutputFolder = Path("reports/sweep")
    overwrite: OverwriteRuns = "only-missing"
    page: Page = field(default_factory=Page)
    machine: Machine = field(default_factory=Machine)

    def check(self) -> None:
        if not self.over:
            raise ReaudioError("Nothing to vary: give --over NAME=V1,V2, for example --over k=0,1,3 (repeatable).")
        if self.all_prompts and (self.data.sample or self.data.limit is not None):
            raise ReaudioError("--all-prompts takes every prompt: leave out --sample and --limit, or --all-prompts.")
        if "seed" in self.over and (self.sampling.seeds or 1) > 1:
            raise ReaudioError("--over seed makes a setting of every seed, --seeds averages over them: give one of them.")
        for name in self.weights:
            if name != self.model:
                raise ReaudioError(f"--weights names {name!r}, which is not the --model {self.model}.")
