"""Clips of any system, from a folder (``--clips NAME=FOLDER``).

A folder of sub-folders ``seed0``, ``seed1``, ... holds several clips of each prompt, all of which are scored.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reaudio_eval.clips.models import ClipRequest, ModelPlugin
from reaudio_eval.clips.seed_folders import seed_folders
from reaudio_eval.clips.system import Retrieval
from reaudio_model.common.audio import find_clips
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import clip_id_names, match_names


class Clips(ModelPlugin):
    """Clips that the user has."""

    def clips(self, request: ClipRequest) -> dict[str, Path]:
        """The files of ``request.source`` that belong to the prompts, by the dataset's naming schemes (else by clip id).

        Raises:
            ReaudioError: no folder given; or see ``audio.find_clips``.
        """
        if request.source is None:
            raise ReaudioError("The model clips needs a folder: --clips NAME=FOLDER.")
        return self._found(request, next(iter(seed_folders(request.source).values())))

    def clips_by_seed(self, request: ClipRequest) -> dict[int, Mapping[str, Path]]:
        """The files of every seed; see :func:`reaudio_eval.clips.seed_folders.seed_folders`.

        Raises:
            ReaudioError: see :meth:`clips`.
        """
        folders = {} if request.source is None else seed_folders(request.source)
        if len(folders) < 2:
            return {request.seed: self.clips(request)}
        return {seed: self._found(request, folder) for seed, folder in folders.items()}

    @staticmethod
    def _found(request: ClipRequest, folder: Path) -> dict[str, Path]:
        schemes = request.dataset.file_names or clip_id_names(p.clip_id for p in request.prompts)
        found = match_names(schemes, find_clips(folder)).files
        return {p.clip_id: found[p.clip_id] for p in request.prompts if p.clip_id in found}

    def sampling(self, request: ClipRequest, clips: Mapping[str, Path]) -> Mapping[str, Any] | None:
        """As the record in the folder has them, where ``reaudio-model generate`` wrote the clips."""
        from reaudio_eval.clips.generation import resolved_sampling

        return resolved_sampling(clips)

    def sampling_options(self, dataset: str, weights: Path | None, variant: str) -> tuple[str, ...]:
        """None of them: nothing is generated."""
        return ()

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
        """The content of ``retrieved.parquet`` in the folder, as ``reaudio-model generate`` and ``reaudio-model index search`` write it.

        Raises:
            ReaudioError: not such a table.
        """
        from reaudio_eval.clips.retrieval import RETRIEVED, read_retrieval

        if request.source is None:
            return None
        folders = (request.source, *seed_folders(request.source).values())  # what is retrieved does not depend on the seed
        return next((read_retrieval(folder) for folder in folders if (folder / RETRIEVED).is_file()), None)


PLUGIN = Clips()
