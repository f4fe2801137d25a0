"""Retrieval from the miniature's pool.

The nearest clips, synthesised when needed, and their stored tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.progress import Reporter
from reaudio_model.config import retrieves
from reaudio_model.miniature import bundled, materials
from reaudio_model.retrieval.index_search import SearchResult, SearchSettings, search_prompts
from reaudio_model.retrieval.records import Pair

if TYPE_CHECKING:
    from reaudio_model.encoders.clap import Clap
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline

QUIET = Reporter(quiet=True)
SEARCH = SearchSettings(key=bundled.KEY)


class Stored(NamedTuple):
    """index_folder, features_folder: for a ``GenerateRequest``; both None without retrieval."""

    index_folder: Path | None
    features_folder: Path | None


def search_pool(
    prompts: Sequence[Pair],
    k: int,
    clap: Clap,
    *,
    search: SearchSettings = SEARCH,
    cache_dir: Path | None = None,
    jobs: int = 2,
    progress: Reporter = QUIET,
) -> SearchResult:
    """The k nearest pairs of the pool for each prompt, with audio on disk, as bundled systems retrieve them.

    Args:
        prompts: clip_id and caption of each.
        k: 1 or more.
        clap: the bundled one.
        search: which pairs a prompt may retrieve, and by what; its k and used are replaced by k.
        cache_dir: for synthesised clips; None is the user's cache.
        jobs: processes that synthesise.
        progress: reports every synthesised clip.
    """
    index = bundled.bundled_index(cache_dir)
    vectors = clap.embed_text([prompt.caption for prompt in prompts]).cpu().numpy()
    result = search_prompts(index, prompts, replace(search, k=k, used=k), vectors)
    wanted = sorted({neighbour.pair.clip_id for neighbours in result.retrieved for neighbour in neighbours})
    materials.write_clips(bundled.audio_folder(cache_dir), wanted, jobs=jobs, progress=progress)
    return result


def store_neighbours(
    pipeline: ReAudioLDMPipeline,
    prompts: Sequence[Pair],
    k: int | None = None,
    *,
    search: SearchSettings = SEARCH,
    cache_dir: Path | None = None,
    jobs: int = 2,
    progress: Reporter = QUIET,
) -> Stored:
    """Cache the tokens of the pairs that ``pipeline``, a bundled system, will retrieve for the prompts.

    Args:
        pipeline: from :func:`bundled.load_bundled`.
        prompts: clip_id and caption of each.
        k: pairs used; None uses the model's own, 0 disables retrieval.
        search, cache_dir, jobs, progress: see :func:`search_pool`.
    """
    from reaudio_model.conditioning.features import build_features

    used = pipeline.model_config.k if k is None else k
    if not retrieves(pipeline.unet.config.retrieval) or used == 0:
        return Stored(None, None)
    conditioner = pipeline.conditioner
    result = search_pool(prompts, used, conditioner.clap, search=search, cache_dir=cache_dir, jobs=jobs, progress=progress)
    pairs = {neighbour.pair.clip_id: neighbour.pair for neighbours in result.retrieved for neighbour in neighbours}
    folder = bundled.audio_folder(cache_dir).parent / f"features-{canonical_sha256(conditioner.identity())[:12]}"
    build_features(pairs.values(), conditioner, folder, progress=progress)
    return Stored(bundled.part(bundled.INDEX), folder)
