"""AudioLDM 2 with tokens of retrieved audio in place of GPT-2's; published weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.models._public_model import PublicModel
from reaudio_eval.clips.models.audioldm2 import PLUGIN as AUDIOLDM2
from reaudio_eval.clips.models.public.system import Also, Published, Settings
from reaudio_eval.clips.sampling import PAIRS, Sampling
from reaudio_eval.clips.system import Retrieval

AUDIO_MAE_HUB = "gaunernst/vit_base_patch16_1024_128.audiomae_as2m"


class AudioLdm2Rag(PublicModel):
    """Its control is audioldm2."""

    module = "audioldm2_rag"
    options = AUDIOLDM2.options | PAIRS
    candidates = True
    trained_on = AUDIOLDM2.trained_on

    def name(self, variant: str) -> str:
        """The registered name."""
        return "audioldm2-rag"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        published = AUDIOLDM2.published("")
        audio_mae = Also(AUDIO_MAE_HUB, ("*.json", "*.safetensors"), "audio_mae.pth")
        return replace(
            published, layout=f"{published.layout}, with AudioMAE as audio_mae.pth in it", also=(*published.also, audio_mae)
        )

    def takes_index(self, weights: Path | None) -> bool:
        """Always."""
        return True

    def own(self, variant: str) -> Settings:
        """AudioLDM 2's, with one retrieved clip, whose tokens are as many as GPT-2's."""
        return replace(AUDIOLDM2.own(""), k=1)

    def defaults(self, dataset: str, weights: Path | None, variant: str) -> Sampling | None:
        """AudioLDM 2's settings, with the audio of one retrieved clip."""
        own = self.own(variant)
        return Sampling(own.steps, own.guidance, own.k, "audio")

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
        """What was retrieved for the clips."""
        from reaudio_eval.clips.models._re_audioldm import retrieved_pairs

        return retrieved_pairs(request, clips)


PLUGIN = AudioLdm2Rag()
