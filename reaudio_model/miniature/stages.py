"""Training runs of the miniature, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from reaudio_model.miniature.bundled import DENOISERS, FOLLOW

if TYPE_CHECKING:
    from reaudio_model.config import Part


class Stage(NamedTuple):
    """A training run.

    Attributes:
        name: its folder.
        part, recipe: the trained part and its configuration.
        tables, validation: its clips.
        needs: frozen parts it uses.
        starts_from: initial weights of the part, relative to the folder of all runs; "" for random ones.
    """

    name: str
    part: Part
    recipe: str
    tables: tuple[str, ...]
    validation: str
    needs: tuple[str, ...] = ()
    starts_from: str = ""


# Name of a part in ``parts`` of a configuration -> folder of its run that has it.
PART_OF_RUN = {
    "clap": "clap/clap",
    "audio_mae": "audio-mae/audio_mae",
    "t5": "t5/t5",
    "vae": "vae-texture/vae",
    "vocoder": "vocoder/vocoder",
}


_ENCODERS = ("encoders", "encoders-more")


_TRAIN = ("train", "train-varied")


_FROZEN = ("clap", "audio_mae", "t5", "vae")


def stages() -> tuple[Stage, ...]:
    """Every run, in an order in which none needs a later one."""
    first = (
        Stage("clap", "clap", "miniature-clap", _ENCODERS, "balanced-val"),
        Stage("audio-mae", "audio-mae", "miniature-audio-mae", _ENCODERS, "balanced-val"),
        Stage("t5", "t5", "miniature-t5", ("encoders",), "balanced-val"),
        Stage("tagger", "tagger", "miniature-tagger", ("encoders",), "balanced-val"),
        Stage("judge", "tagger", "miniature-judge", ("judge",), "balanced-val"),
        Stage("vae", "vae", "miniature-vae", _TRAIN, "val"),
        Stage("vae-texture", "vae", "miniature-vae-texture", _TRAIN, "val", starts_from="vae/vae"),
        Stage("vae-decoder", "vae", "miniature-vae-decoder", _TRAIN, "val", starts_from="vae-texture/vae"),
        Stage("vocoder", "vocoder", "miniature-vocoder", _TRAIN, "val"),
    )
    runs = [kind.runs(name) for name, kind in DENOISERS.items()]
    return first + tuple(_denoiser(run, before) for each in runs for run, before in zip(each, (None, *each), strict=False))


def _denoiser(run: str, before: str | None) -> Stage:
    tables = ("train",) if run.endswith(FOLLOW) else _TRAIN
    starts_from = "" if before is None else f"{before}/unet"
    return Stage(run, "diffusion", f"miniature-{run}", tables, "val", _FROZEN, starts_from)


def trained_in(run: str) -> str:
    """The denoiser that a run of :func:`stages` trains.

    Raises:
        KeyError: it trains none.
    """
    return {each: name for name, kind in DENOISERS.items() for each in kind.runs(name)}[run]
