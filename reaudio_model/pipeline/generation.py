"""Generating audio files from prompts, resumable after an interruption."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from reaudio_model.common.audio import audio_bytes, content_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import as_path, atomic_write, folder_lock, make_folder
from reaudio_model.common.progress import Reporter
from reaudio_model.common.seeds import clip_seed
from reaudio_model.config import retrieves
from reaudio_model.pipeline.generation_record import (
    MACHINES,
    NAMED,
    add_files,
    generation_record,
    kept_files,
    start_record,
)
from reaudio_model.pipeline.request import GenerateRequest
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_search import SearchResult, search_prompts
from reaudio_model.retrieval.records import Neighbour, Pair

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

AUDIBLE = 1 / 2**16  # rounds to a sample of 16 bits other than 0


class Generated(NamedTuple):
    """Result of :func:`generate_to_files`.

    Attributes:
        files: one for each prompt, in order.
        made: how many of them this call generated.
        record: JSON file with the settings.
        computed: clips computed by this call: those it generated, and the others of their batches.
        seconds: time of computing them, without retrieval and writing.
        settings: with which they are made, none left to the model (``generation_record.resolved_settings``), and the device by
            name ("cpu", "cuda:0").
    """

    files: list[Path]
    made: int
    record: Path
    computed: int = 0
    seconds: float = 0.0
    settings: Mapping[str, Any] = MappingProxyType({})


def generate_to_files(
    request: GenerateRequest,
    pipeline: ReAudioLDMPipeline,
    *,
    reranker: Clap | None = None,
    reporter: Reporter | None = None,
) -> Generated:
    """Write a 16-bit file for each prompt, and ``generation.json`` (or ``<file>.json``) beside them.

    With retrieval into a folder, ``retrieved.parquet`` and ``leak_report.json`` are written too (``index_search.SearchResult.save``).
    Repeated after an interruption, the same request keeps the existing files and generates the others, byte-identical to those of
    an uninterrupted run on the same machine: batches are formed by position, not by what is missing. It may go on with another
    ``batch_size``, which changes a clip by less than a step of 16 bits. A file that was changed since is generated again. Two processes
    with one folder take turns.

    Args:
        request: prompts and settings.
        pipeline: see :func:`reaudio_model.pipeline.assemble.load_pipeline`; not changed.
        reranker: selects among candidates; not the CLAP that scores the result.
        reporter: of progress; None shows nothing.

    Raises:
        ReaudioError: invalid settings (see the pipeline and ``RetrievalIndex.search``), a folder with files of other settings, an
            index or features of other encoders or features of other audio, values that are not finite, or a full disk.
    """
    reporter = reporter or Reporter(quiet=True)
    kind = pipeline.unet.config.retrieval
    request.check(reranker, kind, pipeline.model_config.k)
    files = request.files()
    pipeline = copy(pipeline)  # shares the networks; the scheduler of the caller's stays
    pipeline.set_scheduler(request.scheduler)
    k = request.neighbours_used(pipeline.model_config.k) if retrieves(kind) else 0
    features = _features(request, pipeline)
    result = _retrieve(request, pipeline, k, features)
    retrieved = request.given_neighbours(k) if result is None else list(result.retrieved)
    if features is not None:
        _check_features(features, retrieved or [])
    record = generation_record(request, pipeline, reranker, files, retrieved)
    with _turn(request, reporter):
        kept = set() if request.overwrite else kept_files(request.record, record, files, reporter)
        batches = _Batches(request, pipeline, retrieved, features, reranker)
        if result is not None and not request.is_file:
            result.save(request.output_path)
        return batches.write(files, kept, record, reporter)


@contextmanager
def _turn(request: GenerateRequest, reporter: Reporter) -> Iterator[None]:
    """Hold a folder of clips against other processes."""
    if request.is_file:
        yield
        return
    folder = request.output_path
    make_folder(folder)
    try:
        with folder_lock(folder, lambda: reporter.note(f"Another process writes to {folder}: waiting for it.")):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()  # where nothing was written


def _retrieve(
    request: GenerateRequest, pipeline: ReAudioLDMPipeline, k: int, features: FeatureStore | None
) -> SearchResult | None:
    if request.index is None or k == 0:
        return None
    clap = pipeline.conditioner.clap
    index = RetrievalIndex.load(request.index, clap.sha256)
    vectors = clap.embed_text([prompt.caption for prompt in request.prompts]).cpu().numpy()
    result = search_prompts(index, request.prompts, replace(request.search, k=k, used=k), vectors)
    for pair in {neighbour.pair for found in result.retrieved for neighbour in found}:
        _check_pair(pair, index, as_path(request.index), features)
    return result


def _check_pair(pair: Pair, index: RetrievalIndex, folder: Path, features: FeatureStore | None) -> None:
    """Refuse a pair whose audio or stored tokens are not those that the index has embedded."""
    embedded = index.sha256.get(pair.clip_id)
    stored = features.source(pair.clip_id) if features is not None and pair in features else None
    if stored is not None:
        found = stored.audio_sha256
    elif pair.audio is None or not pair.audio.is_file():
        raise ReaudioError(
            f"The audio of the clip {pair.clip_id!r} of the index {folder} is not at {pair.audio}: repeat `reaudio-model index build` "
            "with a table or --audio-root that says where it is now."
        )
    else:
        found = content_sha256(pair.audio)
    if embedded not in (None, found):
        raise ReaudioError(
            f"The audio of the clip {pair.clip_id!r} was changed since the index {folder} was built: repeat `reaudio-model index "
            "build`, which embeds the clips of now."
        )


def _features(request: GenerateRequest, pipeline: ReAudioLDMPipeline) -> FeatureStore | None:
    if request.features is None:
        return None
    from reaudio_model.conditioning.features import open_features

    return open_features(as_path(request.features), pipeline.conditioner)


def _check_features(features: FeatureStore, retrieved: Sequence[Sequence[Neighbour]]) -> None:
    """Refuse stored tokens of audio that was changed since."""
    pairs = {neighbour.pair.clip_id: neighbour.pair for found in retrieved for neighbour in found}
    for pair in pairs.values():
        source = features.source(pair.clip_id) if pair in features else None
        if source is None or pair.audio is None or not pair.audio.is_file():
            continue
        if content_sha256(pair.audio) != source.audio_sha256:
            raise ReaudioError(
                f"{pair.audio} was changed since its features in {features.folder} were computed: build the features again in another "
                "folder, or leave out --features."
            )


class _Batches(NamedTuple):
    """Everything that the batches of a request share."""

    request: GenerateRequest
    pipeline: ReAudioLDMPipeline
    retrieved: list[list[Neighbour]] | None
    features: FeatureStore | None
    reranker: Clap | None

    def write(self, files: list[Path], kept: set[Path], record: dict[str, Any], reporter: Reporter) -> Generated:
        """Generate and write the files that are not kept, and the record before the first of them."""
        size = self.request.batch_size
        made = computed = 0
        seconds = 0.0
        silent: list[str] = []
        with reporter.stage("generating", len(files)) as advance:
            for start in range(0, len(files), size):
                rows = range(start, min(start + size, len(files)))
                missing = [row for row in rows if files[row] not in kept]
                if missing:
                    started = time.perf_counter()
                    audios = self.generate(rows)
                    seconds += time.perf_counter() - started
                    computed += len(rows)
                    if not made:
                        start_record(self.request.record, record, [file for file in files if file not in kept])
                    written = {files[row]: audios[row - start] for row in missing}
                    self.save(written, record)
                    silent += [file.name for file, audio in written.items() if not np.abs(audio).max() >= AUDIBLE]
                    made += len(missing)
                advance(len(rows))
        if silent:
            reporter.note(f"{len(silent)} of {made} clips are silent (all samples are 0): {', '.join(silent[:NAMED])}.")
        settings = record["settings"] | {"device": record[MACHINES][-1]["device"]}
        return Generated(files, made, self.request.record, computed, seconds, settings)

    def save(self, written: dict[Path, Any], record: dict[str, Any]) -> None:
        """Write clips, then their hashes into the record: a file without its hash is made again."""
        rate, hashes = self.pipeline.model_config.codec.mel.sample_rate, {}
        for file, audio in written.items():
            content = audio_bytes(audio, rate, file.suffix, str(file))
            atomic_write(file, content)
            hashes[file.name] = hashlib.sha256(content).hexdigest()
        add_files(self.request.record, record, hashes)

    def generate(self, rows: range) -> Any:
        """float32 (len(rows), samples)."""
        request = self.request
        prompts = [request.prompts[row] for row in rows]
        output: Any = self.pipeline(
            [prompt.caption for prompt in prompts],
            retrieved=None if self.retrieved is None else [self.retrieved[row] for row in rows],
            k=None if self.retrieved is None else request.k,
            retrieval=request.retrieval,
            audio_length_in_s=request.seconds,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            retrieval_guidance_scale=request.retrieval_guidance_scale,
            negative_prompt=request.negative_prompt,
            num_waveforms_per_prompt=request.candidates,
            eta=request.eta,
            seeds=[clip_seed(request.seed, prompt.clip_id) for prompt in prompts],
            features=self.features,
            reranker=self.reranker,
        )
        return output.audios
