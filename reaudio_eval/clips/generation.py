"""How the clips of a system were sampled, by their record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reaudio_model.common.json_files import read_json_object
from reaudio_model.pipeline.generation_record import recorded_settings
from reaudio_model.pipeline.request import RECORD

# Further entries of the record: SHA-256 of the networks, the networks' sizes aside, and the settings of the search.
_FURTHER = {"model": "weights_sha256", "encoders": "encoders_sha256", "reranker": "reranker_sha256", "question": "search"}


def resolved_sampling(clips: Mapping[str, Path]) -> dict[str, Any] | None:
    """The settings that clips were made with, as ``reaudio-model generate`` and models of ``reaudio_model`` record them.

    Steps, guidance_scale, k, retrieval, candidates, scheduler, seed, dtype, device, the SHA-256 of the weights and the search.

    Args:
        clips: clip_id -> file.

    Returns:
        JSON-able; None for clips without a record, of several, or of a record that does not name them.

    Raises:
        ReaudioError: a damaged record.
    """
    folders = {path.parent for path in clips.values()}
    path = next(iter(folders), Path()) / RECORD
    if len(folders) != 1 or not path.is_file():
        return None
    settings = recorded_settings(path.parent)
    record = read_json_object(path, "the record of the generated clips", remedy="generate them again")
    listed = record.get("clips")
    names = {clip.get("file") for clip in listed if isinstance(clip, dict)} if isinstance(listed, list) else set()
    if settings is None or not names >= {file.name for file in clips.values()}:
        return None
    return settings | {ours: record[theirs] for theirs, ours in _FURTHER.items() if record.get(theirs) is not None}
