"""Result of the generation of clips."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.evaluations.base import Json, Result
from reaudio_eval.frames.evaluations import GENERATE_FRAMES
from reaudio_eval.statistics.analysis import Alert
from reaudio_model.common.progress import Reporter


@dataclass(frozen=True)
class GeneratedSystem:
    """The clips of a system.

    Attributes:
        folder: of the clips, or of the folders of its seeds.
        clips: seed -> clip_id -> file.
        sampling: resolved settings, or None where they are unknown.
    """

    name: str
    folder: Path
    clips: Mapping[int, Mapping[str, Path]]
    sampling: Mapping[str, Any] | None = None


@dataclass(frozen=True, repr=False)
class GeneratedClips(Result):
    """Clips of systems.

    Attributes:
        systems: in the order that they were asked for.
        n_prompts: prompts of the dataset.
        failed: name of each model that failed -> why, where others did not.
        dataset: options of ``longtail`` that name the prompts.
    """

    systems: tuple[GeneratedSystem, ...]
    n_prompts: int
    failed: Mapping[str, str]
    dataset: tuple[str, ...]

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        rows = [
            (system.name, seed, clip_id, str(path))
            for system in self.systems
            for seed, clips in system.clips.items()
            for clip_id, path in clips.items()
        ]
        schema = GENERATE_FRAMES["clips"]
        return {"clips": schema.check(schema.cast(pd.DataFrame(rows, columns=schema.names)))}

    @property
    def alerts(self) -> Sequence[Alert]:
        return [Alert("warning", f"{name} failed and is left out: {why}") for name, why in self.failed.items()]

    def summary(self) -> Json:
        return {
            "n_prompts": self.n_prompts,
            "systems": {
                system.name: {
                    "folder": str(system.folder),
                    "seeds": list(system.clips),
                    "n_clips": sum(map(len, system.clips.values())),
                    "sampling": None if system.sampling is None else dict(system.sampling),
                }
                for system in self.systems
            },
            "next": self.next_command(),
        }

    def next_command(self) -> str:
        """The command that scores these clips."""
        clips = [part for system in self.systems for part in ("--clips", f"{system.name}={system.folder}")]
        return " ".join(map(shlex.quote, ["reaudio-eval", "longtail", *self.dataset, *clips]))

    def table_text(self) -> str:
        """The folders, and how to score them."""
        lines = [
            f"{system.name}: {sum(map(len, system.clips.values()))} clips of {self.n_prompts} prompts in {system.folder}"
            for system in self.systems
        ]
        return "\n".join([*lines, "", f"Score them: {self.next_command()}"])

    def render(self, output: Path, reporter: Reporter) -> None:
        """There is no page."""
