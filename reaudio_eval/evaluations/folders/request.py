"""Options of the scores of two folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import DATA, Machine, Measures, Seed, SkipBadRows
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class ScoreRequest(Request):
    """Which folders to score, and how. Files pair by name without suffix; folders are never written to."""

    generated: Annotated[Path, Option("Folder of generated clips.", "ARGUMENT", "GENERATED")]
    reference: Annotated[Path, Option("Folder of real clips; files pair by name without suffix.", "ARGUMENT", "REFERENCE")]
    captions: Annotated[
        Path | None, Option("CSV with clip_id (or file) and caption, for CLAP score.", panel=DATA, everyday=True)
    ] = None
    class_list: Annotated[
        Path | None, Option("AudioSet's class_labels_indices.csv, for the tag-text score of captions.", panel=DATA)
    ] = None
    limit: Annotated[int | None, Option("Only the first N clips.", panel=DATA, least=1, everyday=True)] = None
    skip_bad_rows: SkipBadRows = False
    measures: Measures = field(default_factory=Measures)
    seed: Seed = 0
    machine: Machine = field(default_factory=Machine)
