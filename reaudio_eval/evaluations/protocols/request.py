"""Options of the comparison of protocols."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import DATA, OUTPUT, Machine, Measures, Seed, SkipBadRows
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class ProtocolsRequest(Request):
    """Which folders to score, and how. ``--protocol`` names the one that the others are compared with."""

    generated: Annotated[Path, Option("Folder of generated clips.", "ARGUMENT", "GENERATED")]
    reference: Annotated[Path, Option("Folder of real clips; files pair by name without suffix.", "ARGUMENT", "REFERENCE")]
    captions: Annotated[
        Path | None, Option("CSV with clip_id (or file) and caption, for CLAP score.", panel=DATA, everyday=True)
    ] = None
    limit: Annotated[int | None, Option("Only the first N clips.", panel=DATA, least=1, everyday=True)] = None
    skip_bad_rows: SkipBadRows = False
    measures: Measures = field(default_factory=Measures)
    output: Annotated[
        Path | None, Option("Folder of protocols.json and the table as CSV. Default: no files.", panel=OUTPUT, everyday=True)
    ] = None
    seed: Seed = 0
    machine: Machine = field(default_factory=Machine)
