"""Options of the generation of clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import OUTPUT, SYSTEMS, Data, Index, Machine, Seed, Weights
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class GenerateRequest(Request):
    """Which systems make clips of which prompts. Each system has a folder of its own, ``OUTPUT/NAME/<clip_id>.wav``."""

    data: Data = field(default_factory=Data)
    models: Annotated[
        tuple[str, ...],
        Option("A registered model (see `list models`); repeatable.", "--model", panel=SYSTEMS, everyday=True),
    ] = ()
    external: Annotated[
        dict[str, str],
        Option(
            "A program that reads a CSV of prompts (clip_id, caption, seed) and writes <clip_id>.wav into a folder; repeatable.",
            metavar="NAME='COMMAND {prompts} {out}'",
            panel=SYSTEMS,
            everyday=True,
        ),
    ] = field(default_factory=dict)
    weights: Weights = field(default_factory=dict)
    index: Index = None
    allow_download: Annotated[bool, Option("Fetch published weights that are missing.", panel=SYSTEMS, everyday=True)] = (
        False
    )
    sampling: Sampling = field(default_factory=Sampling)
    output: Annotated[Path, Option("Folder of the clips.", "--output -o", panel=OUTPUT, everyday=True)] = Path("clips")
    overwrite: Annotated[
        bool, Option("Make existing clips anew, and replace those of other settings.", "--overwrite", panel=OUTPUT)
    ] = False
    seed: Seed = 0
    machine: Machine = field(default_factory=Machine)

    def check(self) -> None:
        if self.machine.feature_store is not None:
            raise ReaudioError("--feature-store holds features, and `generate` computes none: leave it out.")
        if self.machine.where.is_ray and not self.models:
            raise ReaudioError("--executor ray runs models, and a program of --external runs here: leave it out.")
        if not self.models and not self.external:
            raise ReaudioError(
                "No system to make clips with: give --model NAME (`reaudio-eval list models`) or --external NAME='COMMAND {prompts} {out}'."
            )
        if "clips" in self.models:
            raise ReaudioError("The model clips reads a folder and makes nothing: name a model that generates.")
