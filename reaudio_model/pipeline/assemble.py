"""Loading a pipeline, saved whole or in parts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from reaudio_model.codec.codec import build_vae, build_vocoder
from reaudio_model.codec.codec_checkpoints import load_vae, load_vocoder
from reaudio_model.common.errors import CheckpointError, one_of
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.inference import own_arithmetic
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.settings import from_mapping
from reaudio_model.common.weights import check_loaded, variant_of
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.load import load_conditioner
from reaudio_model.config import DType, ModelConfig, reads_text, retrieves
from reaudio_model.denoiser.sampling import Scheduler, make_scheduler
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

INDEX_FILE = "model_index.json"
OTHER_SYSTEMS = (
    "`reaudio-model assemble` makes a pipeline of parts of other systems, which run by their names in `reaudio-eval longtail "
    "--model` (see `reaudio-eval list models`)"
)  # for messages
SIZES = (
    "latent_channels",
    "channels",
    "layers_per_block",
    "head_width",
    "norm_groups",
    "retrieval",
    "fusion",
    "clap_dim",
    "mae_dim",
    "t5_dim",
)  # of a denoiser


@dataclass(frozen=True)
class Parts:
    """Paths of the parts of a model, each a file or folder that its loader reads (``reaudio-model convert`` writes them too).

    Attributes:
        vae, vocoder, clap: needed to generate.
        audio_mae: needed with retrieval.
        t5: folder or hub id, needed with retrieval "audio+text" or "prompt"; None uses the name in the sizes.
        unet: folder of ``RetrievalUNet.save_pretrained``; None initialises it randomly.
    """

    vae: Path | None = None
    vocoder: Path | None = None
    clap: Path | None = None
    audio_mae: Path | None = None
    t5: str | None = None
    unet: Path | None = None

    def __post_init__(self) -> None:
        for name in ("vae", "vocoder", "clap", "audio_mae", "unet"):
            path = getattr(self, name)
            object.__setattr__(self, name, None if path is None else as_path(path))
        if self.t5 is not None and self.t5.startswith("~"):  # else it may be a hub id
            object.__setattr__(self, "t5", str(as_path(self.t5)))

    def need(self, name: str) -> Path:
        """One of the paths.

        Raises:
            CheckpointError: it is None.
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
    """A pipeline on the CPU, from checkpoints of its parts, or ``unet`` and ``conditioner`` if they are in memory.

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
        require_sizes(unet, config, parts.unet)
    if unet is not None:
        pipeline.register_modules(unet=unet.to("cpu").eval())
    return pipeline


def load_unet_folder(path: StrPath) -> RetrievalUNet:
    """A denoiser saved with ``save_pretrained``, float32.

    Raises:
        CheckpointError: missing, damaged, or with weights that are missing or not finite.
    """
    folder = as_path(path)
    try:
        unet, info = RetrievalUNet.from_pretrained(
            folder, local_files_only=True, variant=variant_of(folder), output_loading_info=True
        )
    except Exception as error:  # a damaged file can raise any exception
        raise CheckpointError(
            f"{path} is not a saved denoiser, or is damaged: give the folder of save_pretrained."
        ) from error
    check_loaded(unet, info, folder, "a saved denoiser", exact=True)
    loaded: RetrievalUNet = unet
    return loaded


def require_sizes(unet: RetrievalUNet, config: ModelConfig, source: StrPath) -> None:
    """Check that a denoiser is one of a model.

    Raises:
        CheckpointError: it has other sizes or reads something else.
    """
    with torch.device("meta"):
        expected = build_unet(config).config
    found = [
        f"{name} {unet.config[name]}, not {expected[name]}"
        for name in SIZES
        if list(np.atleast_1d(unet.config[name])) != list(np.atleast_1d(expected[name]))
    ]
    if found:
        raise CheckpointError(
            f"The denoiser in {source} is not one of this model ({'; '.join(found)}): choose its sizes, or another."
        )


def load_pipeline(
    model: StrPath, *, device: torch.device, dtype: DType = "float32", allow_download: bool = False
) -> ReAudioLDMPipeline:
    """A saved pipeline, its parts read as checkpoints are: every key is checked, and every value is finite.

    Args:
        model: folder of ``save_pretrained`` (also of its variant "fp16"), or hub id.
        device: of the pipeline.
        dtype: of the denoiser, which does nearly all the work; the encoders stay float32, to agree with stored features, and so
            do VAE and vocoder, for their sound quality.
        allow_download: whether the model may be downloaded from the hub.

    Raises:
        CheckpointError: missing, damaged, saved without its encoders, or another kind of model.
    """
    one_of("dtype", dtype, get_args(DType))
    with own_arithmetic():
        return placed(_loaded(model, allow_download), device, dtype)


def _loaded(model: StrPath, allow_download: bool) -> ReAudioLDMPipeline:
    """A saved pipeline on the CPU, float32."""
    folder = _pipeline_folder(model, allow_download)
    index = read_json_object(
        folder / INDEX_FILE,
        "the list of a pipeline's parts",
        remedy="give a folder of save_pretrained",
        error=CheckpointError,
    )
    if not isinstance(index.get("model"), dict):
        raise CheckpointError(
            f"{folder / INDEX_FILE} is of {index.get('_class_name', 'an unknown class')}, not of a Re-AudioLDM pipeline with its sizes "
            f"(model): {OTHER_SYSTEMS}."
        )
    config = from_mapping(ModelConfig, index["model"], f"model in {folder / INDEX_FILE}")
    encoders = ["audio_mae"] * retrieves(config.retrieval) + ["t5"] * reads_text(config.retrieval)
    names = ["vae", "vocoder", "unet", "clap", *encoders]
    absent = [name for name in names if not (folder / name).is_dir()]
    if absent:
        raise CheckpointError(f"{model} was saved without {', '.join(absent)}: save the whole pipeline.")
    paths = {name: folder / name for name in names if name != "t5"}
    pipeline = assemble_pipeline(Parts(t5=str(folder / "t5"), **paths), config)
    pipeline.scheduler = _saved_scheduler(folder / "scheduler")
    return pipeline


def placed(pipeline: ReAudioLDMPipeline, device: torch.device, dtype: DType) -> ReAudioLDMPipeline:
    """``pipeline`` on ``device``, in place, and its denoiser in ``dtype``."""
    pipeline.to(device)
    wanted = getattr(torch, dtype)
    if pipeline.unet.dtype != wanted:
        pipeline.unet.to(wanted)
    return pipeline


def _pipeline_folder(model: StrPath, allow_download: bool) -> Path:
    folder = as_path(model)
    if folder.exists() and not (folder / INDEX_FILE).is_file():
        raise CheckpointError(f"{model} is not a saved pipeline: it has no {INDEX_FILE}; {OTHER_SYSTEMS}.")
    if folder.exists():
        return folder
    try:
        return Path(ReAudioLDMPipeline.download(str(model), local_files_only=not allow_download))
    except Exception as error:  # of the hub, the network or a file
        raise CheckpointError(
            f"There is no folder {model}, nor a whole model of that name in the Hugging Face cache: give the folder of a saved pipeline, "
            "or --allow-download for a name of the hub."
        ) from error


def _saved_scheduler(folder: Path) -> Scheduler:
    import diffusers

    try:
        settings = diffusers.DDIMScheduler.load_config(folder)  # its JSON contains -Infinity
        return getattr(diffusers, settings["_class_name"]).from_config(settings)
    except Exception as error:  # settings of any kind
        raise CheckpointError(
            f"{folder} is missing, damaged or of an unknown scheduler: save the pipeline again."
        ) from error


def build_pipeline(config: ModelConfig, conditioner: Conditioner | None = None) -> ReAudioLDMPipeline:
    """A pipeline with randomly initialised VAE, vocoder and UNet, DPM-Solver++, and the encoders of ``conditioner``.

    Components are attributes: replace them, or load weights into them.
    """
    encoders: dict[str, Any] = {}
    if conditioner is not None:
        encoders = {
            "clap": conditioner.clap.network,
            "clap_tokenizer": conditioner.clap.tokenizer,
            "audio_mae": conditioner.audio_mae,
            "t5": conditioner.t5,
            "t5_tokenizer": conditioner.t5_tokenizer,
        }
    vae, vocoder, unet = build_vae(config.codec), build_vocoder(config.codec), build_unet(config)
    scheduler = make_scheduler("dpm-solver++")
    return ReAudioLDMPipeline(vae.eval(), vocoder.eval(), unet.eval(), scheduler, **encoders, model=asdict(config))
