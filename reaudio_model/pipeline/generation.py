"""Prompts to audio files: retrieval, sampling in batches, resumable, with a record of how each file was made."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, json_bytes
from reaudio_model.common.progress import Reporter
from reaudio_model.common.seeds import clip_seed
from reaudio_model.config import Retrieval
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_files import read_manifest
from reaudio_model.retrieval.index_search import Answer, Question, ask
from reaudio_model.retrieval.records import Neighbour, Pair

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

FORMAT = 1
RECORD = "generation.json"
# Recorded elsewhere, or of no effect on the sound (stored features are those that the model's own encoders would make).
NOT_SETTINGS = ("prompts", "output", "question", "overwrite", "given", "features", "index")
PACKAGES = ("reaudio-eval", "torch", "diffusers", "transformers", "numpy")


@dataclass(frozen=True)
class GenerateRequest:
    """What is to be generated, and how.

    Attributes:
        prompts: clip_id (the file's name), caption, and source_id where known, of each.
        output: folder of ``<clip_id>.wav``, or one file ``*.wav`` for one prompt.
        index: folder of a RetrievalIndex made with the model's CLAP; None retrieves nothing.
        features: folder of stored tokens of its pairs (``features.build_features``); None encodes neighbours as they come.
        k: retrieved pairs used; None takes the model's own, 0 retrieves nothing.
        retrieval: what of the pairs the denoiser is given, see the pipeline; None gives all that it reads.
        question: how the index is asked; its k is set here.
        seconds: length; None takes the model's.
        steps, eta, scheduler: sampling. The paper: 200, 1.0 and "ddim".
        guidance_scale, retrieval_guidance_scale, negative_prompt: see the pipeline.
        candidates: of each prompt; more than one needs a reranker.
        seed: of the run; each clip has its own, made of it and the clip_id.
        batch_size: prompts at a time.
        overwrite: make files that are there again, instead of keeping those made with the same settings.
        given: the neighbours of each prompt, best first, in the place of those an index would name; then without ``index``.
    """

    prompts: Sequence[Pair]
    output: Path
    index: Path | None = None
    features: Path | None = None
    k: int | None = None
    retrieval: Retrieval | None = None
    question: Question = field(default_factory=Question)
    seconds: float | None = None
    steps: int = 25
    eta: float = 0.0
    scheduler: str = "dpm-solver++"
    guidance_scale: float = 3.5
    retrieval_guidance_scale: float | None = None
    negative_prompt: str | None = None
    candidates: int = 1
    seed: int = 0
    batch_size: int = 8
    overwrite: bool = False
    given: Sequence[Sequence[Pair]] | None = None


class Generated(NamedTuple):
    """What :func:`generate_to_files` did.

    Attributes:
        files: one for each prompt, in order.
        made: how many of them this call made.
        record: JSON of how.
        computed: clips that this call computed: those it made, and others of their batches.
        seconds: what computing them took, retrieval and writing left out.
    """

    files: list[Path]
    made: int
    record: Path
    computed: int = 0
    seconds: float = 0.0


def generate_to_files(
    request: GenerateRequest,
    pipeline: ReAudioLDMPipeline,
    *,
    reranker: Clap | None = None,
    reporter: Reporter | None = None,
) -> Generated:
    """Write a 16-bit WAV file for each prompt, and ``generation.json`` (or ``<file>.json``) beside them; where pairs are retrieved for
    a folder of clips, ``retrieved.parquet`` and ``leak_report.json`` too (``index_search.Answer.save``).

    Started again after a kill, the same request keeps the files that are there and makes the others, equal to the byte to those of
    an uninterrupted run on the same machine: batches are cut by position, not by what is left to do.

    Args:
        request: see there.
        pipeline: of :func:`reaudio_model.pipeline.assemble.load_pipeline`.
        reranker: chooses among candidates; not the CLAP that scores the result.
        reporter: of progress; None shows nothing.

    Raises:
        ReaudioError: bad options (see the pipeline and ``RetrievalIndex.search``), a folder with files made otherwise, an index or
            features of other encoders, or a disk that is full.
    """
    _check(request, reranker)
    files = _files(request)
    pipeline.set_scheduler(request.scheduler)
    answer = _retrieve(request, pipeline)
    retrieved = _given(request, pipeline) if answer is None else list(answer.retrieved)
    path = request.output.with_suffix(".json") if _is_file(request) else request.output / RECORD
    record = _record(request, pipeline, reranker, files, retrieved)
    kept = set() if request.overwrite else _kept(path, record, files)
    features = _features(request, pipeline)
    if answer is not None and not _is_file(request):
        answer.save(request.output)
    made = computed = 0
    seconds = 0.0
    with (reporter or Reporter(quiet=True)).stage("generating", len(files)) as advance:
        for start in range(0, len(files), request.batch_size):
            rows = range(start, min(start + request.batch_size, len(files)))
            missing = [row for row in rows if files[row] not in kept]
            if missing:
                start_time = time.perf_counter()
                audios = _generate(request, pipeline, rows, retrieved, features, reranker)
                seconds += time.perf_counter() - start_time
                computed += len(rows)
                if not made:
                    _begin(path, record, [file for file in files if file not in kept])
                for row in missing:
                    atomic_write(files[row], wav_bytes(audios[row - start], pipeline.model_config.codec.mel.sample_rate))
                made += len(missing)
            advance(len(rows))
    return Generated(files, made, path, computed, seconds)


def _check(request: GenerateRequest, reranker: Clap | None) -> None:
    if not request.prompts:
        raise ReaudioError("There is no prompt: give at least one description of a sound.")
    if request.batch_size < 1:
        raise ReaudioError(f"batch_size must be 1 or more, not {request.batch_size}.")
    if request.candidates != 1 and reranker is None:
        raise ReaudioError("More than one candidate needs a CLAP to choose among them: give a reranker, or candidates 1.")
    if request.given is not None and (request.index is not None or len(request.given) != len(request.prompts)):
        raise ReaudioError(
            "Neighbours are given for each prompt, or found in an index: not both, and not for some prompts only."
        )
    if request.k and request.index is None and request.given is None:
        raise ReaudioError(f"k is {request.k}, but there is no index to retrieve from: give one, or k 0.")


def _is_file(request: GenerateRequest) -> bool:
    return request.output.suffix.lower() == ".wav"


def _files(request: GenerateRequest) -> list[Path]:
    ids = [prompt.clip_id for prompt in request.prompts]
    if _is_file(request):
        if len(ids) > 1:
            raise ReaudioError(f"{request.output} is one file, but there are {len(ids)} prompts: name a folder.")
        return [request.output]
    for clip_id in ids:
        if not clip_id or clip_id.startswith(".") or Path(clip_id).name != clip_id:
            raise ReaudioError(f"The clip_id {clip_id!r} cannot be a file name: use letters, digits, '-' and '_'.")
    if len(set(ids)) < len(ids):
        raise ReaudioError("Two prompts have the same clip_id: give each its own.")
    return [request.output / f"{clip_id}.wav" for clip_id in ids]


def _used(request: GenerateRequest, pipeline: ReAudioLDMPipeline) -> int:
    if request.retrieval == "none":
        return 0
    return pipeline.model_config.k if request.k is None else request.k


def _given(request: GenerateRequest, pipeline: ReAudioLDMPipeline) -> list[list[Neighbour]] | None:
    k = _used(request, pipeline)
    if request.given is None or k == 0:
        return None
    return [[Neighbour(pair, rank, 1.0) for rank, pair in enumerate(pairs[:k])] for pairs in request.given]


def _retrieve(request: GenerateRequest, pipeline: ReAudioLDMPipeline) -> Answer | None:
    k = _used(request, pipeline)
    if request.index is None or k == 0:
        return None
    clap = pipeline.conditioner.clap
    index = RetrievalIndex.load(request.index, clap.sha256)
    vectors = clap.embed_text([prompt.caption for prompt in request.prompts]).cpu().numpy()
    question = Question(
        k, request.question.key, request.question.pool, request.question.exclude, request.question.backend, k
    )
    return ask(index, request.prompts, question, vectors)


def _features(request: GenerateRequest, pipeline: ReAudioLDMPipeline) -> FeatureStore | None:
    if request.features is None:
        return None
    from reaudio_model.conditioning.features import open_features

    return open_features(request.features, pipeline.conditioner)


def _generate(
    request: GenerateRequest,
    pipeline: ReAudioLDMPipeline,
    rows: range,
    retrieved: list[list[Neighbour]] | None,
    features: FeatureStore | None,
    reranker: Clap | None,
) -> Any:
    """float32 (len(rows), samples)."""
    prompts = [request.prompts[row] for row in rows]
    output: Any = pipeline(
        [prompt.caption for prompt in prompts],
        retrieved=None if retrieved is None else [retrieved[row] for row in rows],
        k=None if retrieved is None else request.k,
        retrieval=request.retrieval,
        audio_length_in_s=request.seconds,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance_scale,
        retrieval_guidance_scale=request.retrieval_guidance_scale,
        negative_prompt=request.negative_prompt,
        num_waveforms_per_prompt=request.candidates,
        eta=request.eta,
        seeds=[clip_seed(request.seed, prompt.clip_id) for prompt in prompts],
        features=features,
        reranker=reranker,
    )
    return output.audios


def versions() -> dict[str, str]:
    """Of the packages on which the samples of a clip depend."""
    return {name: version(name) for name in PACKAGES}


def _record(
    request: GenerateRequest,
    pipeline: ReAudioLDMPipeline,
    reranker: Clap | None,
    files: list[Path],
    retrieved: list[list[Neighbour]] | None,
) -> dict[str, Any]:
    from reaudio_model.common.inference import network_sha256

    settings = {name: value for name, value in asdict(request).items() if name not in NOT_SETTINGS}
    if request.index is not None:  # by content: the same index may lie elsewhere, and another one at the same place
        settings["index"] = read_manifest(request.index)["files"]
    question = None if request.index is None or retrieved is None else asdict(request.question)
    record = {
        "format": FORMAT,
        "versions": versions(),
        "model": {name: network_sha256(getattr(pipeline, name)) for name in ("unet", "vae", "vocoder")},
        "sizes": asdict(pipeline.model_config),
        "dtype": str(pipeline.unet.dtype).removeprefix("torch."),
        "reranker": None if reranker is None else reranker.sha256,
        "settings": settings,
        "question": question,
        "clips": [
            {
                "clip_id": prompt.clip_id,
                "prompt": prompt.caption,
                "file": file.name,
                "seed": clip_seed(request.seed, prompt.clip_id),
                "retrieved": [] if retrieved is None else [n.pair.clip_id for n in retrieved[row]],
            }
            for row, (prompt, file) in enumerate(zip(request.prompts, files, strict=True))
        ],
    }
    plain: dict[str, Any] = json.loads(json.dumps(record, default=str))  # paths and tuples as they are read back
    return plain


def _begin(path: Path, record: dict[str, Any], files: list[Path]) -> None:
    """The record goes before the first file, so that none is ever without it; files that are made again go before the record."""
    for file in files:
        file.unlink(missing_ok=True)
    atomic_write(path, json_bytes(record))


def _kept(path: Path, record: dict[str, Any], files: list[Path]) -> set[Path]:
    """The files that are there already, made by the same request; files made otherwise are refused."""
    there = {file for file in files if file.exists()}
    if not path.exists():
        if there:
            raise ReaudioError(f"{min(there)} has no record of how it was made: choose another --output, or --overwrite.")
        return set()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReaudioError(f"{path} is damaged: choose another --output, or --overwrite.") from error
    differing = [name for name in record if found.get(name) != record[name]]
    if differing:
        raise ReaudioError(
            f"{path} is of clips made otherwise ({', '.join(differing)} differ): choose another --output, or --overwrite."
        )
    return there
