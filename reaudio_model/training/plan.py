"""What a training run would do, and everything that it lacks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.hub import is_on_this_machine
from reaudio_model.config import reads_text, retrieves
from reaudio_model.retrieval.clip_check import named
from reaudio_model.retrieval.pairs import PairTable
from reaudio_model.training.clips import RunTables, read_labels, read_tables
from reaudio_model.training.config import TrainConfig
from reaudio_model.training.estimates import METHOD, Estimate, estimate


@dataclass
class TrainingPlan:
    """What a run would do.

    Attributes:
        settings: of the run.
        output: its folder.
        device: "cpu" or "cuda"; processes: under the launcher in use.
        tables: the clips; None if they cannot be read.
        problems: why it cannot start, without a full stop; empty if it can.
        notes: what the user should know.
    """

    settings: TrainConfig
    output: Path
    device: str
    processes: int
    tables: RunTables | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def require_ready(self) -> None:
        """Raises ReaudioError with everything that is missing."""
        if self.problems:
            raise ReaudioError(f"The training of {self.settings.part} cannot start: {'; '.join(self.problems)}.")

    def to_json(self) -> dict[str, Any]:
        """JSON-able: what is counted and estimated, problems and notes."""
        loop, found = self.settings.loop, self._estimate()
        per_step = loop.batch_size * loop.accumulate * self.processes
        training = None if self.tables is None else self.tables.training
        return {
            "part": self.settings.part,
            "output": str(self.output),
            "ready": not self.problems,
            "problems": self.problems,
            "notes": self.notes,
            "device": self.device,
            "processes": self.processes,
            "training": None if training is None else _counts(training),
            "validation": None if self.tables is None or self.tables.validation is None else _counts(self.tables.validation),
            "steps": loop.steps,
            "clips_per_step": per_step,
            "epochs": loop.steps * per_step / len(training.pairs) if training else None,
            "estimates": {"method": METHOD, **({} if found is None else found._asdict())},
        }

    def to_text(self) -> str:
        """Lines for a terminal."""
        facts = self.to_json()
        lines = [f"{facts['part']} into {facts['output']}, {processes_text(self.processes)} on {facts['device']}"]
        for name in ("training", "validation"):
            if facts[name] is not None:
                splits = ", ".join(f"{split or 'without split'} {n}" for split, n in facts[name]["splits"].items())
                missing = facts[name]["missing"]
                gone = f"; {len(missing)} without audio file: {named(missing)}" if missing else ""
                lines.append(f"{facts[name]['clips']} {name} clips ({splits}){gone}")
        epochs = "" if facts["epochs"] is None else f", {facts['epochs']:.1f} epochs"
        lines.append(f"{facts['steps']} steps of {facts['clips_per_step']} clips{epochs}")
        sizes = {name: value for name, value in facts["estimates"].items() if name != "method" and value is not None}
        units = {"parameters": (1e6, "M trained parameters")}
        shown = [
            f"{value / units.get(name, (1e9, ''))[0]:,.2f} {units.get(name, (1, f'GB {name}'))[1]}"
            for name, value in sizes.items()
        ]
        lines += [f"estimated: {', '.join(shown)}", f"({METHOD})"] if shown else []
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"missing: {problem}" for problem in self.problems] or [
            "ready; the audio is decoded when the training starts"
        ]
        return "\n".join(lines)

    def _estimate(self) -> Estimate | None:
        clips = (0, 0)
        if self.tables is not None:
            validation = self.tables.validation
            clips = (len(self.tables.training.pairs), 0 if validation is None else len(validation.pairs))
        try:
            return estimate(self.settings, *clips)
        except ReaudioError:  # sizes that are refused; among the problems
            return None


def make_plan(settings: TrainConfig, output: Path, device: str) -> TrainingPlan:
    """Check everything that can be checked without loading networks or decoding audio."""
    from reaudio_model.common.inference import open_device

    plan = TrainingPlan(settings, output, device, int(os.environ.get("WORLD_SIZE", "1")))
    try:
        plan.device = open_device(device).type
    except ReaudioError as error:
        plan.problems.append(_clause(error))
    plan.tables, faults = read_tables(settings.data)
    plan.problems += [_clause(fault) for fault in faults]
    plan.problems += [*_part_problems(settings), *_setting_problems(settings, plan.device)]
    if settings.part == "tagger" and not faults:
        try:
            read_labels(settings.data)
        except ReaudioError as error:
            plan.problems.append(_clause(error))
    plan.notes += _notes(settings, plan.tables)
    return plan


def processes_text(n: int) -> str:
    """``1 process``, ``2 processes``."""
    return "1 process" if n == 1 else f"{n} processes"


def _clause(error: ReaudioError) -> str:
    return str(error).rstrip(".")


def _part_problems(settings: TrainConfig) -> list[str]:
    """Checkpoints that are needed and not given, and paths that do not exist."""
    parts, problems = settings.parts, []
    try:
        sizes = settings.model.sizes()
    except ReaudioError as error:
        return [_clause(error)]
    needed: tuple[str, ...] = ("clap",) if settings.part == "clap" else ()
    if settings.part == "diffusion":
        needed = ("vae", "clap", *(["audio_mae"] if retrieves(sizes.retrieval) else []))
    missing = [name for name in needed if getattr(parts, name) is None]
    if missing:
        keys = ", ".join(f"parts.{name}" for name in missing)
        problems.append(f"the checkpoint{'s' * (len(missing) > 1)} of {', '.join(missing)} must be given as {keys}")
    paths = {f"parts.{name}": getattr(parts, name) for name in ("vae", "vocoder", "clap", "audio_mae", "unet")}
    paths |= {"diffusion.warm_start": settings.diffusion.warm_start}
    problems += [f"{key}: {path} does not exist" for key, path in paths.items() if path is not None and not path.exists()]
    if settings.part == "t5" or (settings.part == "diffusion" and reads_text(sizes.retrieval)):
        name = parts.t5 or sizes.condition.t5_name
        if not is_on_this_machine(name):
            problems.append(f"the T5 {name} is not on this machine: give its folder as parts.t5")
    return problems


def _setting_problems(settings: TrainConfig, device: str) -> list[str]:
    problems, graph = [], settings.diffusion
    if settings.loop.precision == "float16" and device == "cpu":
        problems.append("loop.precision float16 needs a GPU: use bfloat16 or float32")
    if graph.cuda_graph and (settings.loop.precision != "float32" or graph.gradient_checkpointing):
        problems.append("diffusion.cuda_graph needs loop.precision float32 and no diffusion.gradient_checkpointing")
    return problems


def _notes(settings: TrainConfig, tables: RunTables | None) -> list[str]:
    notes = []
    if settings.part == "diffusion" and settings.parts.vocoder is None:
        notes.append(
            "parts.vocoder is not given: the run ends with unet/ and without pipeline/, which generates; give it now, or repeat "
            "the command with it after the training"
        )
    if tables is not None and tables.validation is not None:
        trained = {pair.clip_id for pair in tables.training.pairs}
        both = [pair.clip_id for pair in tables.validation.pairs if pair.clip_id in trained]
        if both:
            notes.append(f"{len(both)} validation clips are also training clips ({named(both)})")
    return notes


def _counts(table: PairTable) -> dict[str, Any]:
    splits: Sequence[tuple[str, int]] = sorted(Counter(pair.split for pair in table.pairs).items())
    return {"clips": len(table.pairs), "splits": dict(splits), "missing": table.missing}
