"""Clips of a published system: files and their record, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from reaudio_eval.clips.models.public.system import PublicSystem, Settings
from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.audio import content_sha256
from reaudio_model.common.code import code_packages, code_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.inference import network_sha256
from reaudio_model.common.json_files import as_read_back
from reaudio_model.common.progress import Reporter
from reaudio_model.common.seeds import clip_seed
from reaudio_model.pipeline.clip_writer import ClipWriter, Generate, Generated, Workers, folder_turn
from reaudio_model.pipeline.generation_record import FORMAT, MACHINES, RecordError, kept_files
from reaudio_model.pipeline.request import RECORD
from reaudio_model.retrieval.index_search import SearchResult

GENERATION = (__name__, "reaudio_model.pipeline.clip_writer", "reaudio_model.pipeline.retrieve")  # what else makes a clip


def identity(system: PublicSystem) -> dict[str, str]:
    """SHA-256 (hex) of every network, its weights and settings, and of every vocabulary of a system."""
    weights = {
        name: canonical_sha256([network_sha256(network), plain_config(getattr(network, "config", {}))])
        for name, network in system.networks().items()
    }
    return weights | {name: canonical_sha256(dict(words)) for name, words in system.vocabularies().items()}


def plain_config(config: Any) -> dict[str, Any]:
    """The settings of a network or sampler of a library, JSON-able, without where they came from."""
    found = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    left_out = ("transformers_version", "dtype", "torch_dtype")
    kept = {key: value for key, value in found.items() if not key.startswith("_") and key not in left_out}
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=str, sort_keys=True))
    return plain


def code_of(system: PublicSystem) -> dict[str, str]:
    """Versions of the packages that the samples depend on, and the hash of this package's code."""
    modules = (type(system).__module__, *GENERATION)
    return {**code_packages(*modules), "code": code_sha256(*modules)}


def write_clips(
    system: PublicSystem,
    prompts: Sequence[Prompt],
    output: Path,
    settings: Settings,
    *,
    weights: dict[str, str],
    seed: int,
    batch_size: int,
    reporter: Reporter,
    found: SearchResult | None = None,
    exact: bool = False,
    overwrite: bool = False,
    executor: Executor = LOCAL,
    load: Callable[[str], PublicSystem] | None = None,
) -> Generated:
    """Write a 16-bit ``<clip_id>.wav`` for each prompt into ``output``, and ``generation.json`` beside them.

    Repeated after an interruption it keeps the files that are whole and generates the others; a folder of other settings is made anew.

    Args:
        system: loaded.
        prompts: unique clip ids.
        output: the folder.
        settings: resolved.
        weights: identity of the weights (:func:`identity`).
        seed: of the run.
        batch_size: prompts in a batch.
        reporter: of progress.
        found: the retrieved pairs of the prompts, for a system that retrieves; written beside the clips.
        exact: refuse a folder of other settings, rather than make it anew.
        overwrite: make existing clips anew.
        executor: where clips are generated.
        load: how workers on Ray load the system again, on a device; they read the weights by the same path.

    Raises:
        ReaudioError: an empty prompt, values that are not finite, a folder of other settings, or a full disk.
    """
    empty = next((p.clip_id for p in prompts if not p.caption.strip()), None)
    if empty is not None:
        raise ReaudioError(f"The prompt of {empty!r} is empty: give it a caption.")
    files = [output / f"{prompt.clip_id}.wav" for prompt in prompts]
    record = _record(system, prompts, files, settings, weights, seed, batch_size) | retrieval_record(found)
    rest = (prompts, settings, seed, found)
    workers = None
    if executor.is_ray and load is not None:
        workers = Workers(executor, partial(_on_worker, load, weights, rest), on_gpu=device_of(system).type == "cuda")
    generate = _Batches(system, *rest).generate
    writer = ClipWriter(generate, system.sample_rate, batch_size, output / RECORD, settings.peak, workers)
    with folder_turn(output, reporter):
        try:
            kept = set() if overwrite else kept_files(writer.record_file, record, files, reporter)
        except RecordError as error:
            if exact:
                raise
            reporter.note(f"The clips in {output} are generated anew, since {str(error).partition(': choose another')[0]}.")
            kept = set()
        if found is not None:
            found.save(output)
        return writer.write(files, kept, record, reporter)


@dataclass(frozen=True)
class _Batches:
    """Everything that the batches of :func:`write_clips` share."""

    system: PublicSystem
    prompts: Sequence[Prompt]
    settings: Settings
    seed: int
    found: SearchResult | None

    def generate(self, rows: range) -> npt.NDArray[np.float32]:
        """Waveforms of some of the prompts, see :meth:`PublicSystem.generate`."""
        batch = [self.prompts[row] for row in rows]
        seeds = [clip_seed(self.seed, p.clip_id) for p in batch]
        retrieved = None if self.found is None else [self.found.retrieved[row] for row in rows]
        return self.system.generate([p.caption for p in batch], seeds, self.settings, retrieved)


def _on_worker(
    load: Callable[[str], PublicSystem],
    weights: dict[str, str],
    rest: tuple[Sequence[Prompt], Settings, int, SearchResult | None],
    device: str,
) -> Generate:
    """What a worker on Ray generates with: the system loaded there, with the weights of this process."""
    system = load(device)
    if identity(system) != weights:
        raise ReaudioError("A worker on Ray loaded other weights than this process: give it the same files.")
    return _Batches(system, *rest).generate


def device_of(system: PublicSystem) -> torch.device:
    """Where the networks of a system are."""
    return next(next(iter(system.networks().values())).parameters()).device


def _record(
    system: PublicSystem,
    prompts: Sequence[Prompt],
    files: Sequence[Path],
    settings: Settings,
    weights: dict[str, str],
    seed: int,
    batch_size: int,
) -> dict[str, Any]:
    """How the clips are made, as JSON; the SHA-256 of each file is added when it is written."""
    device = str(device_of(system))
    plain_settings = {("guidance_scale" if name == "guidance" else name): value for name, value in asdict(settings).items()}
    record = {
        "format": FORMAT,
        "versions": code_of(system),
        "model": weights,
        "settings": {
            **plain_settings,
            "seed": seed,
            "retrieval": "audio" if settings.k else "none",
            **system.settings_record(),
        },
        "clips": [
            {"clip_id": p.clip_id, "prompt": p.caption, "file": f.name, "seed": clip_seed(seed, p.clip_id), "sha256": None}
            for p, f in zip(prompts, files, strict=True)
        ],
        MACHINES: [{"device": device, "batch_size": batch_size}],
    }
    plain: dict[str, Any] = as_read_back(record)
    return plain


def retrieval_record(found: SearchResult | None) -> dict[str, Any]:
    """The search and the retrieved clips of each prompt, by content."""
    if found is None:
        return {}
    pairs = [[[n.pair.clip_id, n.pair.audio and content_sha256(n.pair.audio)] for n in each] for each in found.retrieved]
    plain: dict[str, Any] = as_read_back({"question": asdict(found.settings), "pairs": canonical_sha256(pairs)})
    return plain
