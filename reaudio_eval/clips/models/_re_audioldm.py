"""Clips by ``reaudio_model``: the bundled miniature systems on the miniature world, or a pipeline of the user's on any dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.retrieval import read_retrieval
from reaudio_eval.clips.sampling import Given, Sampling
from reaudio_eval.clips.system import Retrieval
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.settings import from_mapping
from reaudio_model.config import ModelConfig, retrieves
from reaudio_model.generation import GenerateRequest, generate_to_files, versions
from reaudio_model.miniature import bundled
from reaudio_model.miniature.neighbours import ask_pool, store_neighbours
from reaudio_model.pipeline import ReAudioLDMPipeline
from reaudio_model.records import Pair
from reaudio_model.retrieval.index_search import RETRIEVED, Question

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


def defaults(name: str, weights: Path | None) -> Sampling:
    """The settings that :func:`generated_clips` uses unless told otherwise.

    Args:
        name: of a bundled system.
        weights: the user's saved pipeline instead, or None.

    Raises:
        CheckpointError: ``weights`` is no saved pipeline.
    """
    if weights is None:
        sizes, steps, guidance = bundled.sizes(name), bundled.STEPS, bundled.GUIDANCE
    else:
        sizes, steps, guidance = _saved_sizes(weights), DEFAULT_STEPS, DEFAULT_GUIDANCE
    if retrieves(sizes.retrieval):
        return Sampling(steps, guidance, sizes.k, cast(Given, sizes.retrieval))
    return Sampling(steps, guidance, 0, "none")


def _saved_sizes(weights: Path) -> ModelConfig:
    path = weights / "model_index.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{weights} is no saved Re-AudioLDM pipeline ({path.name} is missing or damaged).") from error
    return from_mapping(ModelConfig, found, f"model in {path}")


def generated_clips(request: ClipRequest, name: str, training: str) -> dict[str, Path]:
    """A clip for every prompt in a folder of its own below ``request.output``; finished ones are kept.

    Args:
        request: with ``weights`` (a saved pipeline) unless the dataset is the miniature; ``index`` where the model retrieves.
        name: of the model, in messages and among the bundled systems.
        training: the command that trains one, for the message.

    Raises:
        ReaudioError: no weights for this dataset; see :func:`reaudio_model.generation.generate_to_files`.
    """
    check_weights(request.dataset.name, request.weights, name, training)
    return _generate(request, _bundled(request, name) if request.weights is None else _users(request, request.weights))


def oracle_clips(request: ClipRequest, name: str, training: str) -> dict[str, Path]:
    """As :func:`generated_clips`, but each prompt's only neighbour is the real clip it describes; prompts without one are left out.

    Raises:
        ReaudioError: no real clip at all, a model that retrieves nothing, or see there.
    """
    from reaudio_model.common.audio import content_sha256

    check_weights(request.dataset.name, request.weights, f"oracle-{name.removeprefix('re-audioldm-')}", training)
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
    candidates = sampling.candidates or 1
    steps, scale = (DEFAULT_STEPS, DEFAULT_GUIDANCE) if own else (bundled.STEPS, bundled.GUIDANCE)
    steps = steps if sampling.steps is None else sampling.steps
    scale = scale if sampling.guidance is None else sampling.guidance
    settings = {
        "steps": steps, "guidance": scale, "k": sampling.k, "retrieval": sampling.retrieval, "candidates": candidates,
        "seed": request.seed, "batch_size": request.batch_size, "versions": versions(),
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
            retrieval=sampling.retrieval,
            question=Question() if own else Question(key=bundled.KEY),
            steps=steps,
            guidance_scale=scale,
            candidates=candidates,
            seed=request.seed,
            batch_size=max(1, request.batch_size // candidates),  # candidates are made together
        ),
        source.pipeline,
        reranker=source.pipeline.conditioner.clap if candidates > 1 else None,
        reporter=request.reporter,
    )
    request.spent.clips += done.computed
    request.spent.seconds += done.seconds
    return {prompt.clip_id: file for prompt, file in zip(request.prompts, done.files, strict=True)}


def _kept(request: ClipRequest, key: str, load: Callable[[], ReAudioLDMPipeline]) -> ReAudioLDMPipeline:
    """The pipeline of an earlier request of the same command, or a new one; one at a time stays in memory."""
    if key not in request.kept:
        request.kept.clear()
        request.kept[key] = load()
    pipeline: ReAudioLDMPipeline = request.kept[key]
    return pipeline


def _pairs_used(sampling: Sampling) -> int | None:
    """How many pairs are retrieved; None leaves it to the model."""
    return 0 if sampling.retrieval == "none" else sampling.k


def check_weights(dataset: str, weights: Path | None, name: str, training: str) -> None:
    """Raises ReaudioError where a model has neither bundled weights for this dataset nor the user's."""
    if weights is None and dataset != MINIATURE:
        raise ReaudioError(
            f"There are no public weights of {name} for {dataset}: train it ({training}) and give "
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
    from reaudio_model.common.inference import open_device
    from reaudio_model.encoders.clap import load_clap

    clap = load_clap(bundled.part("clap"), device=open_device(request.device))
    answer = ask_pool(_asked(request), 1, clap, cache_dir=request.cache_dir, jobs=request.jobs, progress=request.reporter)
    answer.save(request.output)
    together = zip(answer.prompts, answer.retrieved, strict=True)
    nearest = {prompt.clip_id: found[0].pair.audio for prompt, found in together if found}
    return {clip_id: path for clip_id, path in nearest.items() if path is not None}


def _asked(request: ClipRequest) -> list[Pair]:
    return [Pair(p.clip_id, p.caption, None, p.source_id or p.clip_id) for p in request.prompts]


def _open_bundled(request: ClipRequest, name: str) -> _Source:
    from reaudio_model.common.inference import open_device

    device = str(open_device(request.device))
    pipeline = _kept(request, f"{name} on {device}", lambda: bundled.load_bundled(name, device))
    return _Source(pipeline, None, None, bundled.identity(name))


def _bundled(request: ClipRequest, name: str) -> _Source:
    source = _open_bundled(request, name)
    stored = store_neighbours(
        source.pipeline,
        _asked(request),
        _pairs_used(request.sampling),
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
    looks = retrieves(source.pipeline.unet.config.retrieval) and _pairs_used(request.sampling) != 0
    if looks and request.index is None:
        raise ReaudioError(
            "This model looks at retrieved pairs: give --index FOLDER (`reaudio-model index build`), or --k 0 to retrieve nothing."
        )
    index = request.index if looks else None
    return replace(source, index=index, identity=[*source.identity, str(index)])


def _open_users(request: ClipRequest, weights: Path) -> _Source:
    from reaudio_model.assemble import load_pipeline
    from reaudio_model.common.inference import network_sha256, open_device

    device = open_device(request.device)
    pipeline = _kept(request, f"{weights.resolve()} on {device}", lambda: load_pipeline(weights, device=device))
    parts = {part: network_sha256(getattr(pipeline, part)) for part in ("unet", "vae", "vocoder")}
    return _Source(pipeline, None, None, [parts, asdict(pipeline.model_config)])
