"""Generating audio files from prompts, resumable after an interruption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.files import as_path
from reaudio_model.common.progress import Reporter
from reaudio_model.common.seeds import clip_seed
from reaudio_model.config import retrieves
from reaudio_model.pipeline.clip_writer import ClipWriter, Generate, Generated, Workers, folder_turn
from reaudio_model.pipeline.generation_record import generation_record, kept_files, pipeline_identity
from reaudio_model.pipeline.request import GenerateRequest
from reaudio_model.pipeline.retrieve import retrieve
from reaudio_model.retrieval.index_search import SearchResult
from reaudio_model.retrieval.records import Neighbour

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline


Load = Callable[[str], "tuple[ReAudioLDMPipeline, Clap | None]"]  # device -> pipeline and reranker; it can be pickled


def generate_to_files(
    request: GenerateRequest,
    pipeline: ReAudioLDMPipeline,
    *,
    reranker: Clap | None = None,
    reporter: Reporter | None = None,
    executor: Executor = LOCAL,
    load: Load | None = None,
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
        executor: where clips are generated.
        load: how workers on Ray load ``pipeline`` and ``reranker`` again; they read weights and features by the same paths.

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
    generate = _Batches(request, pipeline, retrieved, features, reranker).generate
    rate = pipeline.model_config.codec.mel.sample_rate
    workers = None
    if executor.is_ray and load is not None:
        worker = partial(_on_worker, load, pipeline_identity(pipeline), request, retrieved)
        workers = Workers(executor, worker, on_gpu=pipeline.device.type == "cuda")
    writer = ClipWriter(generate, rate, request.batch_size, request.record, request.peak, workers)
    with nullcontext() if request.is_file else folder_turn(request.output_path, reporter):
        kept = set() if request.overwrite else kept_files(request.record, record, files, reporter)
        if result is not None and not request.is_file:
            result.save(request.output_path)
        return writer.write(files, kept, record, reporter)


def _retrieve(
    request: GenerateRequest, pipeline: ReAudioLDMPipeline, k: int, features: FeatureStore | None
) -> SearchResult | None:
    if request.index is None or k == 0:
        return None
    search = replace(request.search, k=k, used=k)
    return retrieve(as_path(request.index), request.prompts, search, pipeline.conditioner.clap, features)


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


def _on_worker(
    load: Load,
    identity: dict[str, dict[str, str]],
    request: GenerateRequest,
    retrieved: list[list[Neighbour]] | None,
    device: str,
) -> Generate:
    """What a worker on Ray generates with: the pipeline loaded there, with the weights of this process."""
    pipeline, reranker = load(device)
    if pipeline_identity(pipeline) != identity:
        raise ReaudioError("A worker on Ray loaded other weights than this process: give it the same files.")
    pipeline.set_scheduler(request.scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return _Batches(request, pipeline, retrieved, _features(request, pipeline), reranker).generate
