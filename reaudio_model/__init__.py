"""Re-AudioLDM (arXiv 2309.08051): text-to-audio generation by latent diffusion that looks at retrieved (text, audio) pairs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reaudio_model.pipeline.pipeline import ReAudioLDMPipeline
    from reaudio_model.retrieval.index import RetrievalIndex

__all__ = ["ReAudioLDMPipeline", "RetrievalIndex"]
_HOMES = {"ReAudioLDMPipeline": "reaudio_model.pipeline.pipeline", "RetrievalIndex": "reaudio_model.retrieval.index"}


def __getattr__(name: str) -> Any:
    """The public classes, imported when they are asked for: torch takes seconds, and a command's help does not need it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
