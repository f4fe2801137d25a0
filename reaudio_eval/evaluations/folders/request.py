"""Options of the scores of two folders."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from reaudio_eval.evaluations.base import Request
from reaudio_eval.evaluations.options import DATA, FolderPair, Machine, Measures, Seed
from reaudio_model.common.options import Option


@dataclass(frozen=True)
class ScoreRequest(Request):
    """Which folders to score, and how. Files pair by name without suffix; folders are never written to."""

    folders: FolderPair
    class_list: Annotated[
        Path | None, Option("AudioSet's class_labels_indices.csv, for the tag-text score of captions.", panel=DATA)
    ] = None
    measures: Measures = field(default_factory=Measures)
    seed: Seed = 0
    machine: Machine = field(default_factory=Machine)
