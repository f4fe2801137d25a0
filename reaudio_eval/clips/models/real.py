"""The dataset's real audio as a system like any other: the ceiling."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.clips.models import ClipRequest

KIND = "real"


def clips(request: ClipRequest) -> dict[str, Path]:
    """The references of the prompts that have one."""
    references = request.dataset.references
    return {p.clip_id: references[p.clip_id] for p in request.prompts if p.clip_id in references}
