"""The miniature's weights from nothing: the world as files, every network trained by its recipe, and the result packed.

Stages run one after the other, and each goes on where it was when the command is given again. ``Scale.micro`` walks the same path with
a few clips and steps, for tests; its weights mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reaudio_model.common.progress import Reporter
from reaudio_model.miniature import materials
from reaudio_model.miniature.bundled import DENOISERS, FOLLOW

if TYPE_CHECKING:
    from reaudio_model.training.config import Part

WORLD = "world"


@dataclass(frozen=True)
class Scale:
    """How much of the recipe is done. clips: of each table, 0 for all; overrides: settings on top of every recipe."""

    clips: int = 0
    overrides: tuple[str, ...] = ()


FULL = Scale()
MICRO = Scale(12, ("loop.steps=2", "loop.batch_size=2", "loop.warmup=0", "loop.cooldown=0", "loop.validation_clips=2"))


class Stage(NamedTuple):
    """A training run.

    Attributes:
        name: its folder.
        part, recipe: what is trained and how.
        tables, validation: its clips.
        needs: parts it reads.
        begins: below the folder of all runs, the weights of the part that it goes on with; "" begins with random ones.
    """

    name: str
    part: Part
    recipe: str
    tables: tuple[str, ...]
    validation: str
    needs: tuple[str, ...] = ()
    begins: str = ""


# Name of a part in ``parts`` of a configuration -> where the run of that part leaves it.
LEFT_AT = {
    "clap": "clap/clap",
    "audio_mae": "audio-mae/audio_mae",
    "t5": "t5/t5",
    "vae": "vae-texture/vae",
    "vocoder": "vocoder/vocoder",
}
_ENCODERS = ("encoders", "encoders-more")
_TRAIN = ("train", "train-varied")
_READ = ("clap", "audio_mae", "t5", "vae")


def stages() -> tuple[Stage, ...]:
    """Every run, in an order in which none needs a later one."""
    first = (
        Stage("clap", "clap", "miniature-clap", _ENCODERS, "balanced-val"),
        Stage("audio-mae", "audio-mae", "miniature-audio-mae", _ENCODERS, "balanced-val"),
        Stage("t5", "t5", "miniature-t5", ("encoders",), "balanced-val"),
        Stage("tagger", "tagger", "miniature-tagger", ("encoders",), "balanced-val"),
        Stage("judge", "tagger", "miniature-judge", ("judge",), "balanced-val"),
        Stage("vae", "vae", "miniature-vae", _TRAIN, "val"),
        Stage("vae-texture", "vae", "miniature-vae-texture", _TRAIN, "val", begins="vae/vae"),
        Stage("vae-decoder", "vae", "miniature-vae-decoder", _TRAIN, "val", begins="vae-texture/vae"),
        Stage("vocoder", "vocoder", "miniature-vocoder", _TRAIN, "val"),
    )
    runs = [kind.runs(name) for name, kind in DENOISERS.items()]
    return first + tuple(_denoiser(run, before) for each in runs for run, before in zip(each, (None, *each), strict=False))


def _denoiser(run: str, before: str | None) -> Stage:
    tables = ("train",) if run.endswith(FOLLOW) else _TRAIN
    begins = "" if before is None else f"{before}/unet"
    return Stage(run, "diffusion", f"miniature-{run}", tables, "val", _READ, begins)


def trained_in(run: str) -> str:
    """The denoiser that a run of :func:`stages` trains.

    Raises:
        KeyError: it trains none.
    """
    return {each: name for name, kind in DENOISERS.items() for each in kind.runs(name)}[run]


def reproduce(
    folder: Path, *, weights: Path | None = None, scale: Scale = FULL, device: str = "auto", jobs: int = 2,
    reporter: Reporter | None = None,
) -> Path:  # fmt: skip
    """Train everything below ``folder`` and pack it.

    Args:
        folder: of the runs; a killed call goes on there.
        weights: where the packed weights go; None is ``folder/weights``. The package reads its own folder, ``bundled.FOLDER``.
        scale: all of it, or a walk through.
        device: "auto", "cpu" or "cuda".
        jobs: processes that synthesise.
        reporter: of progress; None shows nothing.

    Returns:
        The folder of the packed weights.

    Raises:
        ReaudioError: see the training of each part; a folder of another world version or of other settings.
    """
    from reaudio_model.miniature.pack import pack
    from reaudio_model.miniature.skeletons import write_clap, write_t5

    reporter = reporter or Reporter(quiet=True)
    needed = sorted({table for stage in stages() for table in (*stage.tables, stage.validation)} | {"pool"})
    materials.write_tables(folder / WORLD, needed, limit=scale.clips, jobs=jobs, progress=reporter)
    for name, write in (("clap", write_clap), ("t5", write_t5)):
        if not (folder / f"skeleton-{name}" / "model.safetensors").exists():
            write(folder / f"skeleton-{name}")
    for stage in stages():
        if not run_stage(folder, stage, scale, device, reporter):
            return folder
    return pack(folder, weights or folder / "weights", device=device, jobs=jobs, reporter=reporter)


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
    """What a recipe leaves open: tables, parts, and caches that runs with the same encoders share."""
    world = folder / WORLD
    pairs = ", ".join(f"{world / table}.csv" for table in stage.tables)
    found = [f"data.pairs=[{pairs}]", f"data.validation=[{world / stage.validation}.csv]"]
    if stage.part in ("clap", "t5"):
        found += ["from_scratch=true", f"parts.{stage.part}={folder / f'skeleton-{stage.part}'}"]
    found += [f"parts.{name}={folder / LEFT_AT[name]}" for name in stage.needs]
    if stage.begins:
        found.append(f"parts.{Path(stage.begins).name}={folder / stage.begins}")
    if stage.part == "diffusion":
        kind = DENOISERS[trained_in(stage.name)].retrieval.replace("+", "-")
        found.append(f"data.cache={folder / f'cache-{kind}-{stage.tables[-1]}'}")  # other tables, another cache
    return [*found, *scale.overrides]
