"""Tango (arXiv 2304.13731): T5 tokens as conditioning; miniature, or published weights."""

from __future__ import annotations

from reaudio_eval.clips.models._bundled_or_public import BundledOrPublicModel
from reaudio_eval.clips.models._pipeline_model import PipelineModel
from reaudio_eval.clips.models._tango import SETTINGS, published
from reaudio_eval.clips.models.public.system import Published, Settings


class _TrainedHere(PipelineModel):
    """Conditioned on the T5 tokens of the prompt."""

    def name(self, variant: str) -> str:
        """The registered name."""
        return "tango"

    def training(self, variant: str) -> str:
        """The command that trains it."""
        return "reaudio-model train diffusion --config re-audioldm-s-none --set model.retrieval=prompt"


class Tango(BundledOrPublicModel):
    """Conditioned on the T5 tokens of the prompt."""

    here = _TrainedHere()
    module = "tango"
    trained_on = "dataset"

    def name(self, variant: str) -> str:
        """The registered name."""
        return "tango"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        return published("declare-lab/tango", "AudioCaps", "Ghosal et al. 2023, arXiv 2304.13731; declare-lab/tango")

    def own(self, variant: str) -> Settings:
        """The paper's."""
        return SETTINGS


PLUGIN = Tango()
