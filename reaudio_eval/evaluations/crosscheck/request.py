"""Options of the cross-check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import DATA, DEFAULT_PROTOCOL, METRICS, OUTPUT, Machine, Seed, SkipBadRows
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class CrosscheckRequest(Request):
    """Which folders to score, and how. Files pair by name without suffix; folders are never written to."""

    generated: Annotated[Path, Option("Folder of generated clips.", "ARGUMENT", "GENERATED")]
    reference: Annotated[Path, Option("Folder of real clips; files pair by name without suffix.", "ARGUMENT", "REFERENCE")]
    captions: Annotated[
        Path | None, Option("CSV with clip_id (or file) and caption, for CLAP score.", panel=DATA, everyday=True)
    ] = None
    limit: Annotated[int | None, Option("Only the first N clips.", panel=DATA, least=1, everyday=True)] = None
    skip_bad_rows: SkipBadRows = False
    protocol: Annotated[str, Option("Of our numbers (see `list protocols`).", panel=METRICS)] = DEFAULT_PROTOCOL
    checkpoints: Annotated[
        dict[str, Path],
        Option(
            "Checkpoint of vggish, panns or clap, for us and for the package; repeatable.",
            "--checkpoint",
            metavar="NAME=PATH",
            panel=METRICS,
            everyday=True,
        ),
    ] = field(default_factory=dict)
    allow_download: Annotated[
        bool, Option("Fetch published checkpoints that are missing.", panel=METRICS, everyday=True)
    ] = False
    output: Annotated[
        Path | None,
        Option("Folder of crosscheck.json and the tables as CSV. Default: no files.", panel=OUTPUT, everyday=True),
    ] = None
    seed: Seed = 0
    machine: Machine = field(default_factory=Machine)
