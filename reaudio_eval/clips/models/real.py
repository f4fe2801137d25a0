"""The dataset's real audio as a system (upper reference)."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.clips.models import ClipRequest, ModelPlugin


class Real(ModelPlugin):
    """The upper reference."""

    kind = "real"

    def clips(self, request: ClipRequest) -> dict[str, Path]:
        """The references of the prompts that have one."""
        references = request.dataset.references
        return {p.clip_id: references[p.clip_id] for p in request.prompts if p.clip_id in references}


PLUGIN = Real()
