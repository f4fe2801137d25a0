"""Tango (arXiv 2304.13731): T5 tokens as conditioning; miniature or --weights."""

from __future__ import annotations

from reaudio_eval.clips.models._pipeline_model import PipelineModel


class Tango(PipelineModel):
    """Conditioned on the T5 tokens of the prompt."""

    public_weights = True

    def name(self, variant: str) -> str:
        """The registered name."""
        return "tango"

    def training(self, variant: str) -> str:
        """The command that trains it."""
        return "reaudio-model train diffusion --config re-audioldm-s-none --set model.retrieval=prompt"


PLUGIN = Tango()
