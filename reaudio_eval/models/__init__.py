"""Models: whatever makes clips. One file each, found by file name (``registry.models``).

A model file has ``KIND`` ("generated", "real" or "noise") and
``clips(request: ClipRequest) -> Mapping[str, Path]``: clip_id -> audio file, made (or found) for the prompts asked for.
A clip that could not be made or found is left out of the mapping; the audit lists it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.records import Dataset, Prompt


@dataclass(frozen=True)
class ClipRequest:
    """What a model is asked for.

    Attributes:
        prompts: for which clips.
        dataset: where they come from (training counts, references).
        output: a folder of its own to write clips to, as ``<clip_id>.wav``; never the user's.
        source: the folder given on the command line (``--clips NAME=FOLDER``), or None.
        seed: run seed; the seed of a clip is ``reaudio_model.common.seeds.clip_seed(seed, clip_id)``.
    """

    prompts: tuple[Prompt, ...]
    dataset: Dataset
    output: Path
    source: Path | None = None
    seed: int = 0
