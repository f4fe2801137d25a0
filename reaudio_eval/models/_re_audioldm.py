"""Clips by ``reaudio_model``: the bundled miniature systems on the miniature world, or a pipeline of the user's on any dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reaudio_eval.models import ClipRequest
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.config import retrieves
from reaudio_model.generation import GenerateRequest, generate_to_files
from reaudio_model.index_search import Question
from reaudio_model.miniature import bundled
from reaudio_model.miniature.neighbours import nearest_pairs, store_neighbours
from reaudio_model.pipeline import ReAudioLDMPipeline
from reaudio_model.records import Pair

MINIATURE = "miniature"
DEFAULT_STEPS, DEFAULT_GUIDANCE = 25, 3.5


@dataclass(frozen=True)
class _Source:
    """A pipeline, and what it retrieves from: an index, or neighbours that are given. identity: what the clips depend on, beside the
    settings."""

    pipeline: ReAudioLDMPipeline
    index: Path | None
    features: Path | None
    identity: Any
    given: Sequence[Sequence[Pair]] | None = None


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
    return _generate(request, _bundled(request, name) if request.weights is None else _users(request, request.weights))


def oracle_clips(request: ClipRequest, name: str, training: str) -> dict[str, Path]:
    """As :func:`generated_clips`, but each prompt's only neighbour is the real clip it describes; prompts without one are left out.

    Raises:
        ReaudioError: no real clip at all, a model that retrieves nothing, or see there.
    """
    from reaudio_model.common.audio import content_sha256

    check_weights(request, f"oracle-{name.removeprefix('re-audioldm-')}", training)
    references = request.dataset.references
    known = tuple(p for p in request.prompts if p.clip_id in references)
    if not known:
        raise ReaudioError(
            "The oracle hears the real clip of each prompt, and there is none: give --references, or leave it out with --no-oracle."
        )
    targets = [Pair(p.clip_id, p.caption, references[p.clip_id], p.clip_id) for p in known]
    request = replace(request, prompts=known, sampling=replace(request.sampling, k=1))
    source = _open_bundled(request, name) if request.weights is None else _users_oracle(request, request.weights)
    heard = [[pair.clip_id, content_sha256(references[pair.clip_id])] for pair in targets]
    return _generate(request, replace(source, identity=[source.identity, heard], given=[[pair] for pair in targets]))


def _generate(request: ClipRequest, source: _Source) -> dict[str, Path]:
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
            given=source.given,
            k=sampling.k if source.index is not None or source.given is not None else None,
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


def copied_clips(request: ClipRequest) -> dict[str, Path]:
    """The nearest clip of the miniature's pool for each prompt."""
    from reaudio_model.clap import load_clap
    from reaudio_model.common.inference import open_device

    clap = load_clap(bundled.part("clap"), device=open_device(request.device))
    asked = _asked(request)
    found = nearest_pairs(asked, 1, clap, cache_dir=request.cache_dir, jobs=request.jobs, progress=request.reporter)
    nearest = {prompt.clip_id: pairs[0].audio for prompt, pairs in zip(asked, found, strict=True) if pairs}
    return {clip_id: path for clip_id, path in nearest.items() if path is not None}


def _asked(request: ClipRequest) -> list[Pair]:
    return [Pair(p.clip_id, p.caption, None, p.clip_id) for p in request.prompts]


def _open_bundled(request: ClipRequest, name: str) -> _Source:
    from reaudio_model.common.inference import open_device

    return _Source(bundled.load_bundled(name, str(open_device(request.device))), None, None, bundled.identity(name))


def _bundled(request: ClipRequest, name: str) -> _Source:
    source = _open_bundled(request, name)
    stored = store_neighbours(
        source.pipeline,
        _asked(request),
        request.sampling.k,
        cache_dir=request.cache_dir,
        jobs=request.jobs,
        progress=request.reporter,
    )
    return replace(source, index=stored.index_folder, features=stored.features_folder)


def _users_oracle(request: ClipRequest, weights: Path) -> _Source:
    source = _open_users(request, weights)
    if not retrieves(source.pipeline.unet.config.retrieval):
        raise ReaudioError(f"The pipeline in {weights} looks at no retrieved pair, so there is no oracle of it.")
    return source


def _users(request: ClipRequest, weights: Path) -> _Source:
    source = _open_users(request, weights)
    pipeline = source.pipeline
    if retrieves(pipeline.unet.config.retrieval) and request.index is None and request.sampling.k != 0:
        raise ReaudioError(
            "This model looks at retrieved pairs: give --index FOLDER (`reaudio-model index build`), or --k 0 to retrieve nothing."
        )
    index = request.index if retrieves(pipeline.unet.config.retrieval) and request.sampling.k != 0 else None
    return replace(source, index=index, identity=[*source.identity, str(index)])


def _open_users(request: ClipRequest, weights: Path) -> _Source:
    from reaudio_model.assemble import load_pipeline
    from reaudio_model.common.inference import network_sha256, open_device

    pipeline = load_pipeline(weights, device=open_device(request.device))
    parts = {part: network_sha256(getattr(pipeline, part)) for part in ("unet", "vae", "vocoder")}
    return _Source(pipeline, None, None, [parts, asdict(pipeline.model_config)])
