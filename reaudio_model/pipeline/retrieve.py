"""Retrieving the pairs of prompts, checked against their audio."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.encoders.clap import Clap
from reaudio_model.retrieval.index import RetrievalIndex
from reaudio_model.retrieval.index_search import SearchResult, SearchSettings, search_prompts
from reaudio_model.retrieval.records import Pair

if TYPE_CHECKING:
    from reaudio_model.conditioning.feature_store import FeatureStore


def retrieve(
    folder: Path, prompts: Sequence[Pair], search: SearchSettings, clap: Clap, features: FeatureStore | None = None
) -> SearchResult:
    """The nearest pairs of prompts.

    Args:
        folder: of a RetrievalIndex made with ``clap``.
        prompts: clip_id and caption of each.
        search: settings.
        clap: text encoder.
        features: stored tokens, which take the place of the pairs' audio.

    Raises:
        ReaudioError: an index of another encoder, or a pair whose audio is missing or is not the one that was embedded.
    """
    index = RetrievalIndex.load(folder, clap.sha256)
    vectors = clap.embed_text([prompt.caption for prompt in prompts]).cpu().numpy()
    result = search_prompts(index, prompts, search, vectors)
    for pair in {neighbour.pair for found in result.retrieved for neighbour in found}:
        _check_pair(pair, index, folder, features)
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
