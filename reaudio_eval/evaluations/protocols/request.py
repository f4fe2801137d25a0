"""Options of the comparison of protocols."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import OUTPUT, FolderPair, Machine, Measures, Seed
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class ProtocolsRequest(Request):
    """Which folders to score, and how. ``--protocol`` names the one that the others are compared with."""

    folders: FolderPair
    measures: Measures = field(default_factory=Measures)
    output: Annotated[
        Path | None, Option("Folder of protocols.json and the table as CSV. Default: no files.", panel=OUTPUT, everyday=True)
    ] = None
    seed: Seed = 0
    machine: Machine = field(default_factory=Machine)
