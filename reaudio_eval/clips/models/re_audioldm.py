"""Re-AudioLDM (arXiv 2309.08051); miniature or --weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.models._pipeline_model import PipelineModel
from reaudio_eval.clips.system import Retrieval, Role

VARIANTS = {
    "s": "Re-AudioLDM-S (arXiv 2309.08051), audio and captions of 3 neighbours",
    "l": "Re-AudioLDM-L (arXiv 2309.08051), audio and captions of 3 neighbours",
    "s-audio": "Re-AudioLDM-S (arXiv 2309.08051), audio of 3 neighbours",
    "s-none": "Re-AudioLDM-S (arXiv 2309.08051) without retrieval",
}
NO_RETRIEVAL = "s-none"
_RECIPES = {"s": "s-audio-text-k3", "l": "l-audio-text-k10", "s-audio": "s-audio-k3", "s-none": "s-none"}


class ReAudioLdm(PipelineModel):
    """The variant names the size and what is retrieved."""

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"re-audioldm-{variant}"

    def role(self, variant: str) -> Role:
        """The variant without retrieval is the control of the others."""
        return "control" if variant == NO_RETRIEVAL else super().role(variant)

    def training(self, variant: str) -> str:
        """The command that trains a variant."""
        return f"reaudio-model train diffusion --config re-audioldm-{_RECIPES[variant]}"

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
        """What was retrieved for the clips; None without retrieval."""
        from reaudio_eval.clips.models._re_audioldm import retrieved_pairs

        return retrieved_pairs(request, clips)


PLUGIN = ReAudioLdm()
