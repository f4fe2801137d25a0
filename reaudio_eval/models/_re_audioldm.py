"""Clips by ``reaudio_model``: the bundled miniature systems on the miniature world, or a pipeline of the user's on any dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from reaudio_eval.models import ClipRequest
from reaudio_eval.retrieval_records import Retrieval
from reaudio_eval.retrieved import read_retrieval
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.config import retrieves
from reaudio_model.generation import GenerateRequest, generate_to_files
from reaudio_model.index_search import RETRIEVED, Question
from reaudio_model.miniature import bundled
from reaudio_model.miniature.neighbours import ask_pool, store_neighbours
from reaudio_model.pipeline import ReAudioLDMPipeline
from reaudio_model.records import Pair

MINIATURE = "miniature"
DEFAULT_STEPS, DEFAULT_GUIDANCE = 25, 3.5


@dataclass(frozen=True)
class _Source:
    """A pipeline, and what it retrieves from. identity: what the clips depend on, beside the settings."""

    pipeline: ReAudioLDMPipeline
    index: Path | None
    features: Path | None
    identity: object


def generated_clips(request: ClipRequest, name: str, training: str) -> dict[str, Path]:
    """A clip for every prompt in a folder of its own below ``request.output``; finished ones are kept.

    Args:
        request: with ``weights`` (a saved pipeline) unless the dataset is the miniature; ``index`` where the model retrieves.
        name: of the model, in messages and among the bundled systems.
        training: the command that trains one, for the message.

    Raises:
        ReaudioError: no weights for this dataset; see :func:`reaudio_model.generation.generate_to_files`.
    """
    check_weights(request, name, training)
    source = _bundled(request, name) if request.weights is None else _users(request, request.weights)
    source.pipeline.set_progress_bar_config(disable=True)  # the batches have one
    sampling, own = request.sampling, request.weights is not None
    steps, scale = (DEFAULT_STEPS, DEFAULT_GUIDANCE) if own else (bundled.STEPS, bundled.GUIDANCE)
    settings = {
        "steps": sampling.steps or steps, "guidance": sampling.guidance or scale, "k": sampling.k, "seed": request.seed,
        "source": source.identity, "prompts": [(p.clip_id, p.caption) for p in request.prompts],
    }  # fmt: skip
    done = generate_to_files(
        GenerateRequest(
            prompts=_asked(request),
            output=request.output / canonical_sha256(settings)[:12],
            index=source.index,
            features=source.features,
            k=sampling.k if source.index is not None else None,
            question=Question() if own else Question(key=bundled.KEY),
            steps=sampling.steps or steps,
            guidance_scale=sampling.guidance or scale,
            seed=request.seed,
            batch_size=request.batch_size,
        ),
        source.pipeline,
        reporter=request.reporter,
    )
    return {prompt.clip_id: file for prompt, file in zip(request.prompts, done.files, strict=True)}


def check_weights(request: ClipRequest, name: str, training: str) -> None:
    """Raises ReaudioError where a model has neither bundled weights for this dataset nor the user's."""
    if request.weights is None and request.dataset.name != MINIATURE:
        raise ReaudioError(
            f"There are no public weights of {name} for {request.dataset.name}: train it ({training}) and give "
            f"--weights {name}=FOLDER of the saved pipeline, or score clips you have with --clips NAME=FOLDER; the weights that come "
            "with the package are the miniature's (--dataset miniature)."
        )


def retrieved_pairs(request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
    """What was retrieved for the clips of :func:`generated_clips`; None where nothing was."""
    folders = sorted({path.parent for path in clips.values()})
    return next((read_retrieval(f, pool_audio(request)) for f in folders if (f / RETRIEVED).is_file()), None)


def pool_audio(request: ClipRequest) -> Path | None:
    """Where the clips of the miniature's pool lie, whose index names no files."""
    return bundled.audio_folder(request.cache_dir) if request.dataset.name == MINIATURE and request.weights is None else None


def copied_clips(request: ClipRequest) -> dict[str, Path]:
    """The nearest clip of the miniature's pool for each prompt."""
    from reaudio_model.clap import load_clap
    from reaudio_model.common.inference import open_device

    clap = load_clap(bundled.part("clap"), device=open_device(request.device))
    answer = ask_pool(_asked(request), 1, clap, cache_dir=request.cache_dir, jobs=request.jobs, progress=request.reporter)
    answer.save(request.output)
    together = zip(answer.prompts, answer.retrieved, strict=True)
    nearest = {prompt.clip_id: found[0].pair.audio for prompt, found in together if found}
    return {clip_id: path for clip_id, path in nearest.items() if path is not None}


def _asked(request: ClipRequest) -> list[Pair]:
    return [Pair(p.clip_id, p.caption, None, p.source_id or p.clip_id) for p in request.prompts]


def _bundled(request: ClipRequest, name: str) -> _Source:
    from reaudio_model.common.inference import open_device

    pipeline = bundled.load_bundled(name, str(open_device(request.device)))
    stored = store_neighbours(
        pipeline,
        _asked(request),
        request.sampling.k,
        cache_dir=request.cache_dir,
        jobs=request.jobs,
        progress=request.reporter,
    )
    return _Source(pipeline, stored.index_folder, stored.features_folder, bundled.identity(name))


def _users(request: ClipRequest, weights: Path) -> _Source:
    from reaudio_model.assemble import load_pipeline
    from reaudio_model.common.inference import network_sha256, open_device

    pipeline = load_pipeline(weights, device=open_device(request.device))
    if retrieves(pipeline.unet.config.retrieval) and request.index is None and request.sampling.k != 0:
        raise ReaudioError(
            "This model looks at retrieved pairs: give --index FOLDER (`reaudio-model index build`), or --k 0 to retrieve nothing."
        )
    index = request.index if retrieves(pipeline.unet.config.retrieval) and request.sampling.k != 0 else None
    parts = {part: network_sha256(getattr(pipeline, part)) for part in ("unet", "vae", "vocoder")}
    return _Source(pipeline, index, None, [parts, asdict(pipeline.model_config), str(index)])
