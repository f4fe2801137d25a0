"""Models: whatever makes clips. One file each, found by file name (``registry.models``).

A model file has ``KIND`` ("generated", "real" or "noise"), perhaps ``VARIANTS`` (see ``registry``), and
``clips(request: ClipRequest) -> Mapping[str, Path]``: clip_id -> audio file, made (or found) for the prompts asked for.
It may have ``check(dataset: str, weights: Path | None, variant: str)``, which raises before anything is loaded what can be known then.
A clip that could not be made or found is left out of the mapping; the audit lists it.

It may say what it was trained on, ``TRAINED_ON`` (see ``training_labels``), for the zero-shot report; and that it is no system that
competes, ``NOT_A_SYSTEM``, a sentence why: then it is shown as "NAME (not a system)" everywhere.
A model that samples, and so can be swept, has ``defaults(variant: str, weights: Path | None) -> Sampling``: every setting that it uses
unless told otherwise, k 0 and retrieval "none" where it retrieves nothing.
One that can make several candidates of each clip and keep the one that its own CLAP finds nearest to the prompt
(``Sampling.candidates``) says ``CANDIDATES = True``.
A model that retrieves may also have ``retrieved(request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None``, asked after
``clips`` with what that returned: what was retrieved for the prompts (:class:`reaudio_eval.clips.system.Retrieval`), or
None where nothing was. The run keeps it, and the report looks for leaks and copies in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.progress import Reporter


@dataclass
class Spent:
    """What making clips took; a model that generates adds to it. clips: computed; seconds: of computing them, nothing else."""

    clips: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class ClipRequest:
    """What a model is asked for.

    Attributes:
        prompts: for which clips.
        dataset: where they come from (training counts, references).
        output: a folder of its own to write clips to, as ``<clip_id>.wav``; never the user's.
        source: the folder given on the command line (``--clips NAME=FOLDER``), or None.
        seed: run seed; the seed of a clip is ``reaudio_model.common.seeds.clip_seed(seed, clip_id)``.
        variant: which of the file's ``VARIANTS`` is meant; "" in a file without.
        weights: the user's weights of this model (``--weights NAME=FOLDER``), or None.
        index: the user's retrieval index (``--index``), or None.
        sampling: what the user said about sampling.
        spent: where a model that generates adds what it took.
        kept: where a model may keep what is costly to load for the next request of the same command.
        batch_size, device, jobs, cache_dir, reporter: as in ``evaluate.Options``; a model that generates shows its progress.
    """

    prompts: tuple[Prompt, ...]
    dataset: Dataset
    output: Path
    source: Path | None = None
    seed: int = 0
    variant: str = ""
    weights: Path | None = None
    index: Path | None = None
    sampling: Sampling = field(default_factory=Sampling)
    spent: Spent = field(default_factory=Spent)
    kept: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 16
    device: str = "auto"
    jobs: int = 2
    cache_dir: Path | None = None
    reporter: Reporter = field(default_factory=lambda: Reporter(quiet=True))
