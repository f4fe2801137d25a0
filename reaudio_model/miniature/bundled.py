"""The bundled weights of the miniature.

``weights/`` contains a folder for each part, float16 safetensors in the layout of the part's library, and ``manifest.json``: the version
of the world, the SHA-256 of every file, and a summary of each training run. ``reaudio-model reproduce-miniature`` writes it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from reaudio_model.common.errors import CheckpointError, one_of
from reaudio_model.common.files import default_cache_dir
from reaudio_model.common.weights import sha256_file
from reaudio_model.config import DType, ModelConfig, Retrieval, get_preset
from reaudio_model.miniature.world import WORLD_VERSION

if TYPE_CHECKING:
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
    from reaudio_model.retrieval.index import RetrievalIndex

FORMAT = 1
FOLDER = Path(__file__).parent / "weights"
MANIFEST = "manifest.json"
INDEX = "index"
# Prompts are compared with the mean of a pair's audio and text vectors. For test clips of classes with two to nine training clips, 60 % of
# the first three neighbours have the right class, 57 % with audio only (the paper's key), 61 % with text; for other classes the keys agree
# (benchmarks/miniature_retrieval.py).
KEY: Literal["mean"] = "mean"
STEPS, GUIDANCE = 8, 5.0  # default sampling of bundled systems
REMEDY = "install the package again, or make the weights with `reaudio-model reproduce-miniature`"
# Suffixes of later training runs of a denoiser: "-follow" trains it to use retrieved pairs, "-more" continues if it was still improving.
FOLLOW, MORE = "-follow", "-more"


class Denoiser(NamedTuple):
    """A bundled denoiser.

    Attributes:
        folder: below ``weights/``.
        preset: sizes.
        retrieval: kind of conditioning.
        what: description in one line.
        later: suffixes of its training runs after the first, in order.
    """

    folder: str
    preset: str
    retrieval: Retrieval
    what: str
    later: tuple[str, ...] = ()

    def runs(self, name: str) -> tuple[str, ...]:
        """The training runs of the denoiser of this name, in order; each starts from the weights of the previous one."""
        return (name, *(f"{name}{part}" for part in self.later))


# Systems by name; the recipe of each of their runs is miniature-<run>.yaml.
DENOISERS: dict[str, Denoiser] = {
    "re-audioldm-s-none": Denoiser("unet-s-none", "miniature-s", "none", "Re-AudioLDM-S without retrieval", (MORE,)),
    "re-audioldm-s-audio": Denoiser(
        "unet-s-audio", "miniature-s", "audio", "Re-AudioLDM-S, audio of 3 neighbours", (FOLLOW, MORE)
    ),
    "re-audioldm-s": Denoiser(
        "unet-s", "miniature-s", "audio+text", "Re-AudioLDM-S, audio and captions of 3 neighbours", (FOLLOW, MORE)
    ),
    "re-audioldm-l": Denoiser(
        "unet-l", "miniature-l", "audio+text", "Re-AudioLDM-L, audio and captions of 3 neighbours", (FOLLOW, MORE)
    ),
    # More training increased its validation loss, so it has no later run.
    "audioldm": Denoiser(
        "unet-audioldm", "miniature-s", "none", "AudioLDM's conditioning: CLAP alone, trained on CLAP audio vectors"
    ),
    "tango": Denoiser("unet-tango", "miniature-s", "prompt", "Tango's conditioning: T5 tokens of the prompt", (MORE,)),
}


@cache
def manifest() -> dict[str, Any]:
    """Contents of ``weights/manifest.json``.

    Raises:
        CheckpointError: it is missing, damaged, or of another version of the world.
    """
    path = FOLDER / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The bundled weights are missing or damaged ({path}): {REMEDY}.") from error
    if (found.get("format"), found.get("world_version")) != (FORMAT, WORLD_VERSION):
        raise CheckpointError(
            f"The bundled weights are of miniature world {found.get('world_version')}, this package has {WORLD_VERSION}: {REMEDY}."
        )
    return found


@cache
def part(name: str) -> Path:
    """The folder of a part ("clap", "vae", "unet-l", ...), after checking the SHA-256 of its files.

    Raises:
        UnknownNameError: no such part.
        CheckpointError: a file is missing or altered.
    """
    files: dict[str, str] = manifest()["files"]
    one_of("bundled part", name, sorted({path.partition("/")[0] for path in files}))
    for path, expected in files.items():
        if path.startswith(f"{name}/"):
            file = FOLDER / path
            if not file.is_file() or sha256_file(file) != expected:
                raise CheckpointError(f"The bundled file {file} is missing or altered: {REMEDY}.")
    return FOLDER / name


def shipped() -> list[str]:
    """The bundled systems with weights."""
    available = {path.partition("/")[0] for path in manifest()["files"]}
    return [name for name, denoiser in DENOISERS.items() if denoiser.folder in available]


def sizes(name: str) -> ModelConfig:
    """The configuration of a bundled system.

    Raises:
        UnknownNameError: no such system.
    """
    one_of("bundled model", name, DENOISERS)
    chosen = DENOISERS[name]
    return replace(get_preset(chosen.preset, retrieval=chosen.retrieval), name=name)


def identity(name: str) -> dict[str, str]:
    """SHA-256 of every file that a system's clips depend on, by path below ``weights/``."""
    parts = {DENOISERS[name].folder, "vae", "vocoder", "clap", "audio_mae", "t5", INDEX}
    return {path: sha for path, sha in manifest()["files"].items() if path.partition("/")[0] in parts}


def load_bundled(name: str, device: str = "cpu", dtype: DType = "float32") -> ReAudioLDMPipeline:
    """A bundled system as a pipeline on ``device``; ``dtype`` is that of its denoiser, the rest is float32.

    Raises:
        UnknownNameError: no such system.
        CheckpointError: weights that are missing, altered, or not in the package.
    """
    import torch

    from reaudio_model.denoiser.sampling import make_scheduler
    from reaudio_model.pipeline.assemble import Parts, assemble_pipeline, load_unet_folder, placed

    config = sizes(name)
    if name not in shipped():
        raise CheckpointError(
            f"The package has no weights of {name} (it has {', '.join(shipped())}): train it with `reaudio-model "
            "reproduce-miniature`."
        )
    parts = Parts(
        vae=part("vae"), vocoder=part("vocoder"), clap=part("clap"), audio_mae=part("audio_mae"), t5=str(part("t5")),
    )  # fmt: skip
    unet = load_unet_folder(part(DENOISERS[name].folder))
    pipeline = assemble_pipeline(parts, config, unet=unet)
    pipeline.scheduler = make_scheduler("dpm-solver++", "v_prediction")
    return placed(pipeline, torch.device(device), dtype)


def audio_folder(cache_dir: Path | None = None) -> Path:
    """Cache folder of synthesised clips."""
    return (cache_dir or default_cache_dir()) / f"miniature-{WORLD_VERSION}" / "audio"


def bundled_index(cache_dir: Path | None = None) -> RetrievalIndex:
    """The retrieval index of the pool, by the bundled CLAP; its audio is written to :func:`audio_folder` when needed.

    Raises:
        CheckpointError: missing or altered.
    """
    from reaudio_model.retrieval.index import RetrievalIndex

    found, folder = RetrievalIndex.load(part(INDEX)), audio_folder(cache_dir)
    pairs = tuple(pair._replace(audio=folder / f"{pair.clip_id}.wav") for pair in found.pairs)
    return RetrievalIndex(pairs, found.audio, found.text, found.encoder_sha256, found.left_out)
