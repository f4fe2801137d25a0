"""Reproducing the miniature's weights.

Writes the clips, trains every network by its recipe, and packs the result.

Stages run one after the other, and each resumes when the command is repeated. ``MICRO`` runs every stage with a few clips and steps, for
tests; its weights are useless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature import materials
from reaudio_model.miniature.bundled import DENOISERS
from reaudio_model.miniature.stages import PART_OF_RUN, Stage, stages, trained_in

WORLD = "world"


@dataclass(frozen=True)
class Scale:
    """Size of a reproduction. clips: of each table, 0 for all; overrides: of the settings of every recipe."""

    clips: int = 0
    overrides: tuple[str, ...] = ()


FULL = Scale()
MICRO = Scale(12, ("loop.steps=2", "loop.batch_size=2", "loop.warmup=0", "loop.cooldown=0", "loop.validation_clips=2"))


def reproduce(
    folder: StrPath, *, weights: StrPath | None = None, scale: Scale = FULL, device: str = "auto", jobs: int = 2,
    reporter: Reporter | None = None,
) -> Path:  # fmt: skip
    """Train everything in ``folder`` and pack the weights.

    Args:
        folder: of the runs; an interrupted call resumes there.
        weights: folder of the packed weights; None is ``folder/weights``. The package reads its own folder, ``bundled.FOLDER``.
        scale: ``FULL``, or ``MICRO`` for tests.
        device: "auto", "cpu" or "cuda".
        jobs: processes for synthesis.
        reporter: of progress; None shows nothing.

    Returns:
        The folder of the packed weights.

    Raises:
        ReaudioError: see the training of each part; a folder of another world version or of other settings.
    """
    from reaudio_model.miniature.pack import pack
    from reaudio_model.miniature.skeletons import write_clap, write_t5

    folder, reporter = as_path(folder), reporter or Reporter(quiet=True)
    needed = sorted({table for stage in stages() for table in (*stage.tables, stage.validation)} | {"pool"})
    materials.write_tables(folder / WORLD, needed, limit=scale.clips, jobs=jobs, progress=reporter)
    for name, write in (("clap", write_clap), ("t5", write_t5)):
        if not (folder / f"skeleton-{name}" / "model.safetensors").exists():
            write(folder / f"skeleton-{name}")
    for stage in stages():
        if not run_stage(folder, stage, scale, device, reporter):
            return folder
    return pack(folder, as_path(weights or folder / "weights"), device=device, jobs=jobs, reporter=reporter)


def run_stage(folder: Path, stage: Stage, scale: Scale, device: str, reporter: Reporter) -> bool:
    """Whether the run is finished; False after Ctrl-C."""
    from reaudio_model.training.run import train

    reporter.note(f"{stage.name}: {stage.recipe}")
    result = train(
        stage.part, stage.recipe, folder / stage.name, resume=True, device=device,
        overrides=stage_overrides(folder, stage, scale), reporter=reporter,
    )  # fmt: skip
    return result.finished


def stage_overrides(folder: Path, stage: Stage, scale: Scale) -> Sequence[str]:
    """Settings that recipes leave open: tables, parts, and caches shared by runs with the same encoders."""
    world = folder / WORLD
    pairs = ", ".join(f"{world / table}.csv" for table in stage.tables)
    found = [f"data.pairs=[{pairs}]", f"data.validation=[{world / stage.validation}.csv]"]
    if stage.part in ("clap", "t5"):
        found += ["from_scratch=true", f"parts.{stage.part}={folder / f'skeleton-{stage.part}'}"]
    found += [f"parts.{name}={folder / PART_OF_RUN[name]}" for name in stage.needs]
    if stage.starts_from:
        found.append(f"parts.{Path(stage.starts_from).name}={folder / stage.starts_from}")
    if stage.part == "diffusion":
        kind = DENOISERS[trained_in(stage.name)].retrieval.replace("+", "-")
        found.append(f"data.cache={folder / f'cache-{kind}-{stage.tables[-1]}'}")  # other tables, another cache
    return [*found, *scale.overrides]
