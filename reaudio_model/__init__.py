"""Re-AudioLDM: text-to-audio generation with retrieval (arXiv 2309.08051)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reaudio_model.common.native_libraries import tolerate_other_builds

if TYPE_CHECKING:
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
    from reaudio_model.retrieval.index import RetrievalIndex

__all__ = ["ReAudioLDMPipeline", "RetrievalIndex"]
_HOMES = {"ReAudioLDMPipeline": "reaudio_model.pipeline.pipeline", "RetrievalIndex": "reaudio_model.retrieval.index"}

tolerate_other_builds()  # before the first import of transformers or diffusers


def __getattr__(name: str) -> Any:
    """Import the public classes when they are used: torch takes seconds, and ``--help`` does not need it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
