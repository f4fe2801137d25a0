"""The nearest neighbour of each prompt, submitted as it is: what retrieval alone buys."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.models import ClipRequest
from reaudio_model.common.errors import ReaudioError

KIND = "generated"


def clips(request: ClipRequest) -> dict[str, Path]:
    """The retrieved clips of the miniature's pool.

    Raises:
        ReaudioError: another dataset: its neighbours are written by ``reaudio-model index search``.
    """
    from reaudio_eval.models._re_audioldm import MINIATURE, nearest_pairs

    if request.dataset.name != MINIATURE:
        raise ReaudioError(
            "copy-retrieved knows the pool of the miniature only: for another dataset copy the first neighbours that `reaudio-model "
            "index search` names into a folder and give it with --clips."
        )
    found = nearest_pairs(request, 1)
    return {
        prompt.clip_id: pairs[0].audio
        for prompt, pairs in zip(request.prompts, found, strict=True)
        if pairs and pairs[0].audio is not None
    }
