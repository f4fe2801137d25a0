"""Packing trained weights for the package.

float16 weights with hashes, the retrieval index and a summary of each run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.files import atomic_write, json_bytes
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.progress import Reporter
from reaudio_model.common.weights import load_state_dict, sha256_file
from reaudio_model.miniature.bundled import DENOISERS, FORMAT, INDEX, MANIFEST
from reaudio_model.miniature.stages import stages, trained_in
from reaudio_model.miniature.world import WORLD_VERSION
from reaudio_model.training.log import read_metrics

SHARED = {
    "clap": "clap/clap", "t5": "t5/t5", "audio_mae": "audio-mae/audio_mae", "tagger": "tagger/tagger", "judge": "judge/tagger",
    "vae": "vae-decoder/vae", "vocoder": "vocoder/vocoder",
}  # fmt: skip
UNUSED = ("decoder.", "lm_head.")  # of T5: only its encoder is used
LOGS = ("train", "validation")


def pack(folder: Path, target: Path, *, device: str = "cpu", jobs: int = 2, reporter: Reporter | None = None) -> Path:
    """Write ``target`` from the runs in ``folder``, the manifest last. Unfinished denoisers are left out, with a note.

    Raises:
        CheckpointError: the run of a part that every system needs is not finished.
    """
    reporter = reporter or Reporter(quiet=True)
    runs = {name: kind.runs(name)[-1] for name, kind in DENOISERS.items()}
    finished = {name: run for name, run in runs.items() if (folder / run / "unet").is_dir()}
    for name in DENOISERS.keys() - finished.keys():
        reporter.note(f"{name} is left out: {folder / runs[name]} is not finished")
    parts = SHARED | {DENOISERS[name].folder: f"{run}/unet" for name, run in finished.items()}
    (target / MANIFEST).unlink(missing_ok=True)
    for name, source in parts.items():
        _pack_part(folder / source, target / name, UNUSED if name == "t5" else ())
    _pack_index(folder / "world" / "pool.csv", target, device, reporter)
    kept = {stage.name for stage in stages() if stage.part != "diffusion" or trained_in(stage.name) in finished}
    for stale in target.iterdir():
        if stale.is_dir() and stale.name not in {*parts, INDEX}:
            shutil.rmtree(stale)
    files = sorted(
        path for path in target.rglob("*") if path.is_file() and path.name != ".gitattributes" and path != target / MANIFEST
    )
    manifest = {
        "format": FORMAT,
        "world_version": WORLD_VERSION,
        "training": {path.parent.name: summary(path.parent) for path in _manifests(folder) if path.parent.name in kept},
        "files": {path.relative_to(target).as_posix(): sha256_file(path) for path in files},
    }
    atomic_write(target / MANIFEST, json_bytes(manifest))
    return target


def _manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/{MANIFEST}"))


def _pack_part(source: Path, target: Path, unused: tuple[str, ...]) -> None:
    if not source.is_dir():
        raise CheckpointError(f"{source} is missing: its training run is not finished.")
    shutil.rmtree(target, ignore_errors=True)
    for path in sorted(source.iterdir()):
        if path.suffix == ".safetensors":
            kept = {
                name: _half(value) for name, value in load_state_dict(path).items() if not name.startswith(unused or ("\0",))
            }
            atomic_write(target / path.name, save(kept, {"format": "pt"}))
        elif path.suffix == ".json":
            settings = read_json_object(
                path, "settings of a trained part", remedy="remove its folder and repeat the command"
            )
            settings.pop("_name_or_path", None)  # a path of the machine
            atomic_write(target / path.name, (json.dumps(settings, indent=2) + "\n").encode())


def _half(value: Tensor) -> Tensor:
    return value.half().contiguous() if value.is_floating_point() else value.contiguous()


def _pack_index(table: Path, target: Path, device: str, reporter: Reporter) -> None:
    """The pool's vectors by the packed CLAP, without audio paths: clips are synthesised when needed."""
    from reaudio_model.common.inference import open_device
    from reaudio_model.encoders.clap import load_clap
    from reaudio_model.retrieval.embedding import clap_embedders, embed_pairs
    from reaudio_model.retrieval.index import RetrievalIndex
    from reaudio_model.retrieval.pairs import read_pairs

    clap = load_clap(target / "clap", device=open_device(device))
    found = embed_pairs(read_pairs(table).pairs, clap_embedders(clap), progress=reporter)
    pairs = tuple(pair._replace(audio=None) for pair in found.pairs)
    shutil.rmtree(target / INDEX, ignore_errors=True)
    RetrievalIndex(pairs, found.audio, found.text, clap.sha256).save(target / INDEX, dtype="float16")


def summary(run: Path) -> dict[str, Any]:
    """Settings of a run, without paths, and the last row of each log."""
    remedy = "remove its folder and repeat the command"
    config = read_json_object(run / MANIFEST, "the manifest of a training run", remedy=remedy)["config"]
    kept = {
        name: config[name] for name in ("part", "loop", "model", "vae", "vocoder", "diffusion", "tagger") if name in config
    }
    kept["data"] = {
        name: value for name, value in config["data"].items() if isinstance(value, str | int | float) and name != "cache"
    }
    return {"config": kept, **{log: _last_row(run / f"{log}.csv") for log in LOGS}}


def _last_row(path: Path) -> dict[str, float]:
    rows = read_metrics(path) if path.is_file() else []
    return rows[-1] if rows else {}
