"""AudioLDM (arXiv 2301.12503): CLAP vector as conditioning; miniature or --weights."""

from __future__ import annotations

from reaudio_eval.clips.models._pipeline_model import PipelineModel


class AudioLdm(PipelineModel):
    """Conditioned on the CLAP vector alone, trained on CLAP audio vectors."""

    public_weights = True

    def name(self, variant: str) -> str:
        """The registered name."""
        return "audioldm"

    def training(self, variant: str) -> str:
        """The command that trains it."""
        return "reaudio-model train diffusion --config re-audioldm-s-none --set data.told=sound"


PLUGIN = AudioLdm()
