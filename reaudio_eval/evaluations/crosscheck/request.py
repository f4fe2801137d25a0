"""Options of the cross-check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import DEFAULT_PROTOCOL, METRICS, OUTPUT, FolderPair, Machine, Seed
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class CrosscheckRequest(Request):
    """Which folders to score, and how. Files pair by name without suffix; folders are never written to."""

    folders: FolderPair
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

    def check(self) -> None:
        if self.machine.where.is_ray or self.machine.feature_store is not None:
            raise ReaudioError(
                "`crosscheck` runs the packages in this process and shares no features: leave out --executor and --feature-store."
            )
