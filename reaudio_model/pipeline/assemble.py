"""Whole models from disk: a saved pipeline, or one put together from checkpoints of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.common.errors import CheckpointError
from reaudio_model.conditioning.load import load_conditioner
from reaudio_model.config import ModelConfig
from reaudio_model.denoiser.unet import RetrievalUNet
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline, build_pipeline

if TYPE_CHECKING:
    from reaudio_model.conditioning.conditioner import Conditioner

DType = Literal["float32", "bfloat16", "float16"]
INDEX_FILE = "model_index.json"


@dataclass(frozen=True)
class Parts:
    """Where the parts of a model lie, each a file or folder that its loader knows (also what ``reaudio-model convert`` writes).

    Attributes:
        vae, vocoder, clap: always needed to generate.
        audio_mae: needed with retrieval.
        t5: folder or hub id, needed with retrieval "audio+text" or "prompt"; None takes the name in the sizes.
        unet: folder of ``RetrievalUNet.save_pretrained``; None starts it at random.
    """

    vae: Path | None = None
    vocoder: Path | None = None
    clap: Path | None = None
    audio_mae: Path | None = None
    t5: str | None = None
    unet: Path | None = None

    def need(self, name: str) -> Path:
        """One of the paths.

        Raises:
            CheckpointError: it was not given.
        """
        path: Path | None = getattr(self, name)
        if path is None:
            raise CheckpointError(f"The checkpoint of {name} is needed: give parts.{name}.")
        return path


def load_parts_conditioner(parts: Parts, config: ModelConfig, device: torch.device, cache_dir: Path | None) -> Conditioner:
    """The encoders of a model from their checkpoints.

    Raises:
        CheckpointError: one is missing, damaged or of other sizes.
    """
    return load_conditioner(
        config.condition,
        config.retrieval,
        clap=parts.need("clap"),
        audio_mae=parts.audio_mae,
        t5=parts.t5,
        device=device,
        cache_dir=cache_dir,
    )


def assemble_pipeline(
    parts: Parts,
    config: ModelConfig,
    *,
    unet: RetrievalUNet | None = None,
    conditioner: Conditioner | None = None,
    cache_dir: Path | None = None,
) -> ReAudioLDMPipeline:
    """A pipeline, on the CPU, of the parts named; ``unet`` and ``conditioner`` where they are in memory already.

    Raises:
        CheckpointError: a part is missing, damaged or of other sizes.
    """
    conditioner = conditioner or load_parts_conditioner(parts, config, torch.device("cpu"), cache_dir)
    pipeline = build_pipeline(config, conditioner.to(torch.device("cpu")))
    vae = load_vae(parts.need("vae"), config.codec)
    vocoder = load_vocoder(parts.need("vocoder"), config.codec)
    pipeline.register_modules(vae=vae, vocoder=vocoder)
    if unet is None and parts.unet is not None:
        unet = load_unet_folder(parts.unet)
    if unet is not None:
        pipeline.register_modules(unet=unet.to("cpu").eval())
    return pipeline


def load_unet_folder(path: Path) -> RetrievalUNet:
    """A denoiser that was saved with ``save_pretrained``.

    Raises:
        CheckpointError: missing or damaged.
    """
    try:
        unet: RetrievalUNet = RetrievalUNet.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is not a saved denoiser, or is damaged: give the folder of save_pretrained."
        ) from error
    return unet


def load_pipeline(
    model: str | Path, *, device: torch.device, dtype: DType = "float32", allow_download: bool = False
) -> ReAudioLDMPipeline:
    """A pipeline that was saved whole.

    Args:
        model: folder of ``save_pretrained``, or hub id.
        device: where it runs.
        dtype: of the denoiser, which does nearly all the work; encoders stay float32, so that they agree with stored features,
            and VAE and vocoder too, for their sound.
        allow_download: whether the hub may be asked.

    Raises:
        CheckpointError: not there, damaged, or another kind of model.
    """
    if not allow_download and Path(model).exists() and not (Path(model) / INDEX_FILE).is_file():
        raise CheckpointError(f"{model} is not a saved pipeline: it has no {INDEX_FILE}.")
    try:
        pipeline: ReAudioLDMPipeline = ReAudioLDMPipeline.from_pretrained(str(model), local_files_only=not allow_download)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"The model {model} is not on this machine or is damaged: give a folder of save_pretrained, or --allow-download."
        ) from error
    pipeline.to(device)
    pipeline.unet.to(getattr(torch, dtype))
    return pipeline
