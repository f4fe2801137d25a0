"""Checks of the parts of the full-size model."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.cli.doctor import Check
from reaudio_eval.features.embedders import EmbedderSpec
from reaudio_model.common.files import has_file
from reaudio_model.common.json_files import read_json, read_json_object
from reaudio_model.common.weights import FOLDER_WEIGHTS
from reaudio_model.config import get_preset

PRESET = "re-audioldm-l"
INDEX_FILE = "model_index.json"  # of reaudio_model.pipeline.assemble, which imports torch
WEIGHTS = (*FOLDER_WEIGHTS, "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
# Part -> what it is, and how it is given. No file of these is published for this model, so none is searched for.
GIVEN = {
    "vae": "AudioLDM's file or a diffusers folder: parts.vae of a training, or `reaudio-model train vae`",
    "vocoder": "HiFi-GAN's or AudioLDM's file: parts.vocoder of a training, or `reaudio-model train vocoder`",
    "audio_mae": "the authors' pre-trained .pth: parts.audio_mae of a training, needed with retrieval",
    "unet": "trained with `reaudio-model train`; `reaudio-model generate --model` and `reaudio-eval longtail --weights` take the "
    "saved pipeline",
}


def check_parts(clap: EmbedderSpec, cache_dir: Path) -> list[Check]:
    """The parts that a full-size model is trained from and scored with, and which of them are on this machine.

    Args:
        clap: of the CLAP embedder, whose published files serve the model too.
        cache_dir: where published checkpoints lie.
    """
    checks = [_clap(clap, cache_dir)]
    if clap.tokenizer:
        checks.append(_on_hub("clap tokenizer", clap.tokenizer))
    checks.append(_on_hub("t5", get_preset(PRESET).condition.t5_name))
    return checks + [Check(f"model {part}", "note", text) for part, text in GIVEN.items()]


def _clap(spec: EmbedderSpec, cache_dir: Path) -> Check:
    found = [file.filename for file in spec.checkpoints if has_file(cache_dir / "checkpoints" / file.filename)]
    if found:
        return Check("model clap", "ok", ", ".join(found))
    return Check("model clap", "note", "not in the cache", "see the rows of its checkpoints, or give parts.clap")


def _on_hub(part: str, name: str) -> Check:
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(name, "config.json"), str):
        return Check(f"model {part}", "ok", f"{name} in the Hugging Face cache")
    where = "parts.t5" if part == "t5" else "the folder tokenizer/ beside the checkpoint"
    return Check(
        f"model {part}",
        "note",
        f"{name} is not in the Hugging Face cache",
        f"`hf download {name}`, or its folder as {where}",
    )


def check_model(folder: Path) -> list[Check]:
    """The parts of a saved pipeline: present with weights, or not.

    Raises:
        ReaudioError: its index cannot be read.
    """
    index = read_json_object(folder / INDEX_FILE, "the index of a saved pipeline", remedy="give the folder of a pipeline")
    parts = {name: kind for name, kind in index.items() if isinstance(kind, list) and len(kind) == 2}
    return [_part(folder, name) for name, (library, _) in parts.items() if library is not None]


def _part(folder: Path, name: str) -> Check:
    place = folder / name
    files = sorted(path for path in place.glob("*") if path.is_file())
    weights = [path for path in files if path.name in WEIGHTS or path.name.endswith(".index.json")]
    size = f"{sum(path.stat().st_size for path in files) / 1e6:,.1f} MB"
    needs_weights = not name.endswith("tokenizer") and name != "scheduler"
    if not files or (needs_weights and not weights):
        return Check(f"model {name}", "fail", f"{place} has no {'weights' if files else 'files'}", "save the pipeline again")
    for path in files:
        if path.suffix == ".json":
            read_json(path, f"a part of the model {folder}", remedy="save the pipeline again")
    return Check(f"model {name}", "ok", size)
