"""The nearest neighbour of each prompt, unchanged: gain from retrieval alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.clips.models import MINIATURE, ClipRequest, ModelPlugin
from reaudio_eval.clips.system import Retrieval, Role
from reaudio_model.common.errors import ReaudioError


class CopyRetrieved(ModelPlugin):
    """A reference without a generator."""

    trained_on = ()  # it has no training: its clips are those of the pool

    def role(self, variant: str) -> Role:
        """The copy of the retrieved clips."""
        return "copy"

    def clips(self, request: ClipRequest) -> dict[str, Path]:
        """The retrieved clips of the miniature's pool.

        Raises:
            ReaudioError: another dataset: its neighbours are written by ``reaudio-model index search``.
        """
        from reaudio_eval.clips.models._re_audioldm import copied_clips

        if request.dataset.name != MINIATURE:
            raise ReaudioError(
                "copy-retrieved knows the pool of the miniature only: for another dataset copy the first neighbours that `reaudio-model "
                "index search` names into a folder and give it with --clips."
            )
        return copied_clips(request)

    def sampling_options(self, dataset: str, weights: Path | None, variant: str) -> tuple[str, ...]:
        """None of them: nothing is generated."""
        return ()

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval:
        """The neighbours that were copied, as ``clips`` has written them."""
        from reaudio_eval.clips.retrieval import read_retrieval

        return read_retrieval(request.output)


PLUGIN = CopyRetrieved()
