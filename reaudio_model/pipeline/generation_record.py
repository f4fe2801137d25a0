"""The record of how files were generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.code import code_packages, code_sha256
from reaudio_model.common.digests import file_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import as_path, atomic_write, canonical_sha256, json_bytes
from reaudio_model.common.json_files import as_read_back, read_json_object
from reaudio_model.common.progress import Reporter
from reaudio_model.common.seeds import clip_seed
from reaudio_model.config import retrieves
from reaudio_model.pipeline.request import RECORD, GenerateRequest
from reaudio_model.retrieval.index_files import read_manifest
from reaudio_model.retrieval.records import Neighbour

if TYPE_CHECKING:
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

FORMAT = 2
GENERATION = ("reaudio_model.pipeline.generation", "reaudio_model.pipeline.pipeline")  # where the code of a clip starts
MACHINES = "made_on"  # the one entry that may differ when a generation goes on
NAMED = 3  # clips named in a message


class RecordError(ReaudioError):
    """Files in the place of the output that this request did not make."""


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that the samples of a clip depend on, and the hash of this package's code."""
    return {**code_packages(*GENERATION), "code": code_sha256(*GENERATION)}


def resolved_settings(
    request: GenerateRequest, pipeline: ReAudioLDMPipeline, retrieved: Sequence[Sequence[Neighbour]] | None
) -> dict[str, Any]:
    """The settings that the clips are made with, where the request leaves some to the model.

    Returns:
        JSON-able: scheduler, steps, eta, guidance_scale, retrieval_guidance_scale (null without retrieval), negative_prompt, candidates,
        peak, seed, seconds, k, retrieval ("none", "audio" or "audio+text": the part of the pairs that is used), tokens (of retrieved
        pairs: "stored float16", "float32" or null), dtype of the denoiser and device ("cpu" or "cuda").
    """
    kind, k = pipeline.unet.config.retrieval, request.neighbours_used(pipeline.model_config.k)
    given = (request.retrieval or kind) if retrieves(kind) and retrieved is not None and k else "none"
    return {
        "scheduler": request.scheduler,
        "steps": request.steps,
        "eta": request.eta,
        "guidance_scale": request.guidance_scale,
        "retrieval_guidance_scale": request.retrieval_guidance_scale if retrieves(kind) else None,
        "negative_prompt": request.negative_prompt,
        "candidates": request.candidates,
        "peak": request.peak,
        "seed": request.seed,
        "seconds": pipeline.model_config.codec.seconds if request.seconds is None else request.seconds,
        "k": 0 if given == "none" else k,
        "retrieval": given,
        "tokens": None if given == "none" else "float32" if request.features is None else "stored float16",
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        "device": torch.device(pipeline.device).type,
    }


def machine(request: GenerateRequest, pipeline: ReAudioLDMPipeline) -> dict[str, Any]:
    """What may change the last digits of a clip, and nothing else: device, TF32 and batch size.

    tf32: whether matrix products and convolutions of the denoiser may use it; null on a CPU, which has none. Encoders never do.
    """
    device = torch.device(pipeline.device)
    on_gpu = device.type == "cuda"
    used = {"matmul": torch.backends.cuda.matmul.allow_tf32, "convolutions": torch.backends.cudnn.allow_tf32}
    index = (device.index if device.index is not None else torch.cuda.current_device()) if on_gpu else None
    return {
        "device": f"cuda:{index}" if on_gpu else device.type,
        "tf32": used if on_gpu else None,
        "batch_size": request.batch_size,
    }


def generation_record(
    request: GenerateRequest,
    pipeline: ReAudioLDMPipeline,
    reranker: Clap | None,
    files: list[Path],
    retrieved: list[list[Neighbour]] | None,
) -> dict[str, Any]:
    """How clips are made, as JSON: versions, weights, resolved settings, and the seed and neighbours of each clip.

    The SHA-256 of each file is added when it is written.
    """
    record = {
        "format": FORMAT,
        "versions": versions(),
        **pipeline_identity(pipeline),
        "sizes": asdict(pipeline.model_config),
        "reranker": None if reranker is None else reranker.sha256,
        "settings": resolved_settings(request, pipeline, retrieved),
        # by content: the folder may be moved or replaced
        "index": None if request.index is None or retrieved is None else read_manifest(as_path(request.index))["files"],
        "question": None if request.index is None or retrieved is None else asdict(request.search),
        "pairs": _pairs_sha256(retrieved or []),
        "clips": [
            {
                "clip_id": prompt.clip_id,
                "prompt": prompt.caption,
                "file": file.name,
                "seed": clip_seed(request.seed, prompt.clip_id),
                "retrieved": [] if retrieved is None else [n.pair.clip_id for n in retrieved[row]],
                "sha256": None,
            }
            for row, (prompt, file) in enumerate(zip(request.prompts, files, strict=True))
        ],
        MACHINES: [machine(request, pipeline)],
    }
    plain: dict[str, Any] = as_read_back(record)
    return plain


def pipeline_identity(pipeline: ReAudioLDMPipeline) -> dict[str, dict[str, str]]:
    """SHA-256 (hex) of the weights of every network of a pipeline, and of the vocabularies of its text encoders."""
    from reaudio_model.common.inference import network_sha256

    conditioner = pipeline.conditioner
    return {
        "model": {name: network_sha256(getattr(pipeline, name)) for name in ("unet", "vae", "vocoder")},
        "encoders": {"clap": conditioner.clap.sha256, **conditioner.identity()},
    }


def _pairs_sha256(retrieved: Sequence[Sequence[Neighbour]]) -> str | None:
    """Hash of captions and audio of the retrieved pairs; None without any."""
    pairs = {neighbour.pair.clip_id: neighbour.pair for found in retrieved for neighbour in found}
    content = [
        [name, pair.caption, content_sha256(pair.audio) if pair.audio is not None and pair.audio.is_file() else None]
        for name, pair in sorted(pairs.items())
    ]
    return canonical_sha256(content) if content else None


def start_record(path: Path, record: dict[str, Any], files: list[Path]) -> None:
    """Delete ``files``, which will be generated again, and write the record: no file exists without its record."""
    for file in files:
        file.unlink(missing_ok=True)
    atomic_write(path, json_bytes(record))


def add_files(path: Path, record: dict[str, Any], made: dict[str, str]) -> None:
    """Write the SHA-256 of files (name -> hash) into the record."""
    for clip in record["clips"]:
        clip["sha256"] = made.get(clip["file"], clip["sha256"])
    atomic_write(path, json_bytes(record))


def kept_files(path: Path, record: dict[str, Any], files: list[Path], reporter: Reporter) -> set[Path]:
    """The files that exist already, generated by the same request; their hashes and machines are added to ``record``.

    A file that is not the one that was generated is left out, which is noted. Device number, TF32 and batch size may differ: they change
    a clip by less than a step of 16 bits.

    Raises:
        RecordError: files of other settings, without a record, or with a damaged one.
    """
    there = {file for file in files if file.exists()}
    odd = next((file for file in files if file in there and not file.is_file()), None)
    if odd is not None:
        raise RecordError(f"{odd} is no ordinary file: remove it, or choose another --output.")
    if not path.exists():
        if there:
            raise RecordError(f"{min(there)} has no record of how it was made: choose another --output, or --overwrite.")
        return set()
    remedy = "choose another --output, or --overwrite"
    found = read_json_object(path, "the record of the generated clips", remedy=remedy, error=RecordError)
    clips = found.get("clips")
    stored = [clip for clip in clips if isinstance(clip, dict)] if isinstance(clips, list) else []
    comparable = {**found, "clips": [{**clip, "sha256": None} for clip in stored]}
    differing = [name for name in record if name != MACHINES and comparable.get(name) != record[name]]
    if differing:
        what = ", ".join({"question": "search settings"}.get(name, name) for name in differing)
        raise RecordError(f"{path} records clips that were generated differently (not the same: {what}): {remedy}.")
    made_on = found.get(MACHINES)
    earlier = made_on if isinstance(made_on, list) else []
    record[MACHINES] = [*earlier, *(each for each in record[MACHINES] if each not in earlier)]
    hashes = {str(clip.get("file")): clip.get("sha256") for clip in stored}
    same = {file for file in there if hashes[file.name] is not None and file_sha256(file) == hashes[file.name]}
    for clip in record["clips"]:
        clip["sha256"] = hashes[clip["file"]] if path.with_name(clip["file"]) in same else None
    changed = sorted(file.name for file in there - same if hashes[file.name] is not None)
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        reporter.note(
            f"Made again, because they are no longer the files that were generated: {', '.join(changed[:NAMED])}{more}."
        )
    return same


def recorded_settings(folder: Path) -> dict[str, Any] | None:
    """The settings of the clips in a folder (:func:`resolved_settings`), with the devices they were computed on; None without a record.

    Raises:
        ReaudioError: a damaged record.
    """
    if not (folder / RECORD).is_file():
        return None
    found = read_json_object(folder / RECORD, "the record of the generated clips", remedy="generate them again")
    settings, made_on = found.get("settings"), found.get(MACHINES)
    if not isinstance(settings, dict) or not isinstance(made_on, list):
        return None
    devices = sorted({str(each["device"]) for each in made_on if isinstance(each, dict) and "device" in each})
    return settings | {"device": " and ".join(devices) or settings.get("device")}
