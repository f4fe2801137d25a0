"""Core data types: system and retrieval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from reaudio_model.retrieval.records import Neighbour

SystemKind = Literal["generated", "real", "noise"]
SYSTEM_KINDS: tuple[SystemKind, ...] = ("generated", "real", "noise")  # the order in every table
Role = Literal["system", "control", "copy", "oracle", "real", "noise"]
ROLES: tuple[Role, ...] = get_args(Role)  # the order in every table


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """One row of the report.

    Attributes:
        clips: clip_id -> audio file (for the players); may be empty.
        retrieval: what it retrieved; None for a system that retrieves nothing, or whose retrieval is unknown.
        candidates: number of candidates that each clip was chosen from, by the model's CLAP.
        unused: names of the files in the user's folder that belong to no prompt, sorted.
        sampling: resolved settings of the model that generated the clips (``ModelPlugin.sampling``); None where they are unknown.
        role: in reports: a "system" that is evaluated, the "control" that systems are compared with (their control without retrieval, or a
            baseline that the user names), or a reference that is shown beside them: the "copy" of the retrieved clips, an "oracle" that is
            given the real clip, "real" audio, "noise". Real audio and noise have no other role.
        seeds: number of each seed where there are several clips for each prompt, else (). ``clips`` are those of the first.
        more_clips: clips of the seeds after the first, in order; () for a system of a finished run.
    """

    name: str
    kind: SystemKind
    n_clips: int
    clips: Mapping[str, Path] = field(default_factory=dict)
    run_dir: Path | None = None
    description: str = ""
    retrieval: Retrieval | None = None
    candidates: int = 1
    unused: tuple[str, ...] = ()
    sampling: Mapping[str, Any] | None = None
    role: Role = "system"
    seeds: tuple[int, ...] = ()
    more_clips: tuple[Mapping[str, Path], ...] = ()

    def __post_init__(self) -> None:
        if self.kind != "generated":
            object.__setattr__(self, "role", self.kind)

    @property
    def competes(self) -> bool:
        """Whether it is compared with others; references never are."""
        return self.role in ("system", "control")

    @property
    def by_seed(self) -> dict[str, Mapping[str, Path]]:
        """The clips of each seed under the name of the system, with the seed for all but the first."""
        more = zip(self.seeds[1:], self.more_clips, strict=False)
        return {self.name: self.clips} | {f"{self.name} (seed {seed})": clips for seed, clips in more}


@dataclass(frozen=True)
class Retrieval:
    """What a system retrieved for its prompts, and how.

    Attributes:
        neighbours: clip_id -> the pairs used, nearest first; () or absent for a prompt without any.
        encoder_sha256: of the network that retrieved, as ``RetrievalIndex`` names it, or "" when unknown.
        about: settings of the retrieval, JSON-able: k, key, pool, exclusion rule.
        judges: embedders of the evaluation that are the same network; filled in by the evaluation.
    """

    neighbours: Mapping[str, Sequence[Neighbour]]
    encoder_sha256: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    judges: tuple[str, ...] = ()

    @property
    def k(self) -> int:
        """The largest number of neighbours of a prompt."""
        return max((len(pairs) for pairs in self.neighbours.values()), default=0)
