"""Configuration of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.settings import from_mapping
from reaudio_model.common.yaml_files import read_yaml, read_yaml_file
from reaudio_model.config import Fusion, ModelConfig, Part, Retrieval, get_preset
from reaudio_model.encoders.tagger_files import Architecture
from reaudio_model.pipeline.assemble import Parts
from reaudio_model.training.data import Choice
from reaudio_model.training.diffusion import Dropout
from reaudio_model.training.loop_config import LoopConfig
from reaudio_model.training.tagger import TaggerLoss
from reaudio_model.training.vae import VaeLoss
from reaudio_model.training.vocoder import VocoderLoss


@dataclass(frozen=True)
class ModelChoice:
    """A preset and its modifications; see :func:`reaudio_model.config.get_preset`.

    Attributes:
        preset, retrieval, fusion, k, base_channels: of a :class:`reaudio_model.config.ModelConfig`.
        head_width: channels of an attention head, as in the UNet that a training starts from: 64 for AudioLDM-L, 32 for the others.
    """

    preset: str = "re-audioldm-s"
    retrieval: Retrieval | None = None
    fusion: Fusion | None = None
    k: int | None = None
    base_channels: int | None = None
    head_width: int | None = None

    def sizes(self) -> ModelConfig:
        return get_preset(
            self.preset,
            retrieval=self.retrieval,
            fusion=self.fusion,
            k=self.k,
            base_channels=self.base_channels,
            head_width=self.head_width,
        )


@dataclass(frozen=True)
class DataChoice:
    """The clips.

    Attributes:
        pairs: tables of the training clips (:func:`reaudio_model.retrieval.pairs.read_pairs`); with retrieval also the retrieval set.
        validation: tables of the validation clips; without them there is no validation and no best checkpoint.
        audio_root: folder of their audio, unless the tables contain it.
        split, validation_split: rows of the tables to use.
        cache: folder for latents, index and features of the denoiser; None is ``cache`` in the output folder.
        choice: of neighbours in training: "first" for the k nearest, as in the paper; "random" for any k of the ``nearest``.
        nearest: how many "random" chooses from, 50 at most.
        by_sound: proportion of draws in which the neighbours are the clips most similar in sound (AudioMAE tokens) instead of
            those of the caption, so that they add information to the caption and the model learns to use them.
        told: source of E^t in training: "caption", as in the paper, or "sound", the CLAP vector of the clip itself, as in AudioLDM
            (arXiv 2301.12503); in generation it is always the caption.
    """

    pairs: tuple[Path, ...] = ()
    validation: tuple[Path, ...] = ()
    audio_root: Path | None = None
    split: str | None = None
    validation_split: str | None = None
    cache: Path | None = None
    choice: Choice = "first"
    nearest: int = 50
    by_sound: float = 0.0
    told: Literal["caption", "sound"] = "caption"

    def __post_init__(self) -> None:
        for name in ("pairs", "validation"):
            object.__setattr__(self, name, tuple(as_path(path) for path in getattr(self, name)))
        for name in ("audio_root", "cache"):
            path = getattr(self, name)
            object.__setattr__(self, name, None if path is None else as_path(path))
        if not 0.0 <= self.by_sound <= 1.0:
            raise ReaudioError(f"data.by_sound must be between 0 and 1, not {self.by_sound}.")
        if self.nearest < 1:
            raise ReaudioError(f"data.nearest must be 1 or more, not {self.nearest}.")


@dataclass(frozen=True)
class DiffusionChoice:
    """See :class:`reaudio_model.training.diffusion.DiffusionTask`.

    Attributes:
        dropout, prediction, weight_decay, max_norm: of the task.
        gradient_checkpointing: saves memory, takes a third more time.
        warm_start: an AudioLDM or AudioLDM2 UNet to start from (:func:`reaudio_model.denoiser.unet_checkpoints.load_unet`).
        cuda_graph: launch the denoiser's kernels as one graph, which is faster for small denoisers on a GPU.
    """

    dropout: Dropout = field(default_factory=Dropout)
    prediction: Literal["epsilon", "v_prediction"] = "epsilon"
    weight_decay: float = 0.01
    max_norm: float | None = None
    gradient_checkpointing: bool = False
    warm_start: Path | None = None
    cuda_graph: bool = False

    def __post_init__(self) -> None:
        if self.weight_decay < 0:
            raise ReaudioError(f"diffusion.weight_decay must be 0 or more, not {self.weight_decay}.")
        if self.max_norm is not None and self.max_norm <= 0:
            raise ReaudioError(f"diffusion.max_norm must be above 0, not {self.max_norm}.")
        if self.warm_start is not None:
            object.__setattr__(self, "warm_start", as_path(self.warm_start))


@dataclass(frozen=True)
class MaeDecoderChoice:
    """Sizes of AudioMAE's decoder, which is not kept after training; the defaults are the paper's."""

    dim: int = 512
    layers: int = 8
    heads: int = 16

    def __post_init__(self) -> None:
        for name in ("dim", "layers", "heads"):
            if getattr(self, name) < 1:
                raise ReaudioError(f"mae_decoder.{name} must be 1 or more, not {getattr(self, name)}.")
        if self.dim % self.heads:
            raise ReaudioError(f"mae_decoder.dim must be a multiple of its heads ({self.heads}), not {self.dim}.")


@dataclass(frozen=True)
class TaggerChoice:
    """architecture: of :func:`reaudio_model.encoders.tagger_files.new_tagger`; loss: of
    :class:`reaudio_model.training.tagger.TaggerTask`."""

    architecture: Architecture = "cnn"
    loss: TaggerLoss = "sigmoid"


@dataclass(frozen=True)
class TrainConfig:
    """A whole run.

    Attributes:
        part: to train.
        loop: steps, rates, precision.
        model: sizes.
        data: clips.
        parts: checkpoints; training starts from that of the part itself, the others are frozen.
        from_scratch: start from random weights, with the sizes of the checkpoint (clap, t5) or of the model.
        vae, vocoder, diffusion: losses and options of these parts.
        mae_decoder: of AudioMAE's training.
        tagger: architecture and loss of the tagger.
        discriminator_width: of the VAE's or vocoder's discriminators; None is the published width.
    """

    part: Part
    loop: LoopConfig
    model: ModelChoice = ModelChoice()
    data: DataChoice = DataChoice()
    parts: Parts = field(default_factory=Parts)
    from_scratch: bool = False
    vae: VaeLoss = field(default_factory=VaeLoss)
    vocoder: VocoderLoss = field(default_factory=VocoderLoss)
    diffusion: DiffusionChoice = DiffusionChoice()
    mae_decoder: MaeDecoderChoice = MaeDecoderChoice()
    tagger: TaggerChoice = TaggerChoice()
    discriminator_width: int | None = None

    def __post_init__(self) -> None:
        if self.discriminator_width is not None and self.discriminator_width < 1:
            raise ReaudioError(f"discriminator_width must be 1 or more, not {self.discriminator_width}.")
        for section, losses in (("vae", asdict(self.vae)), ("vocoder", asdict(self.vocoder))):
            for name, value in losses.items():
                if value < 0:
                    raise ReaudioError(f"{section}.{name} must be 0 or more, not {value}.")


def read_config(source: StrPath, overrides: Sequence[str] = ()) -> TrainConfig:
    """A configuration from a YAML file, or a bundled one by its name (:func:`bundled_configs`).

    Args:
        source: path, or name, with or without ".yaml".
        overrides: "section.key=value"; values are YAML.

    Raises:
        UnknownNameError: no such name or key; the message names the nearest ones.
        ReaudioError: no such file, invalid YAML, a value of another type, or an override without "=".
    """
    path = as_path(source)
    name = str(source).removesuffix(".yaml")
    if name in bundled_configs() and not path.is_file():
        path = _folder() / f"{name}.yaml"
    elif path.suffix not in (".yaml", ".yml"):
        raise UnknownNameError("configuration", str(source), bundled_configs())
    values = read_yaml_file(path, "the configuration")
    if not isinstance(values, dict):
        raise ReaudioError(f"{path} must be a list of 'key: value' lines, e.g. part: vae.")
    return _overridden(values, overrides, path.name)


def denoiser_config(overrides: Sequence[str]) -> TrainConfig:
    """The configuration of a denoiser of the default sizes; for those who need its settings and do not train.

    Raises:
        UnknownNameError, ReaudioError: see :func:`read_config`.
    """
    return _overridden({"part": "diffusion", "loop": {"steps": 1}}, overrides, "the settings")


def _overridden(values: dict[str, Any], overrides: Sequence[str], where: str) -> TrainConfig:
    for override in overrides:
        _override(values, override)
    return from_mapping(TrainConfig, values, where)


def bundled_configs() -> list[str]:
    """Names of the bundled configurations: one for each row of the paper's table and each part."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def _folder() -> Path:
    return Path(str(files("reaudio_model.training"))) / "configs"


def _override(values: Any, override: str) -> None:
    key, separator, text = str(override).partition("=")
    if not separator or not isinstance(values, dict):
        raise ReaudioError(f"The setting {override!r} must be written section.key=value, e.g. loop.steps=1000.")
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ReaudioError(f"The setting {override!r}: {section} is not a section.")
    values[last] = read_yaml(text, f"The setting {override!r}: the value")
