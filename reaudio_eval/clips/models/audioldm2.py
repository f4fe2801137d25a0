"""AudioLDM 2 (arXiv 2308.05734); published weights."""

from __future__ import annotations

from reaudio_eval.clips.models._public_model import PublicModel
from reaudio_eval.clips.models.public.system import Published, Settings

VARIANTS = {
    "": "AudioLDM 2 (arXiv 2308.05734), published weights.",
    "large": "AudioLDM 2-Large (arXiv 2308.05734), published weights.",
}
_HUB = {"": ("cvssp/audioldm2", 4.5), "large": ("cvssp/audioldm2-large", 6)}


class AudioLdm2(PublicModel):
    """The variant names the size."""

    module = "audioldm2"
    options = PublicModel.options | {"scheduler", "eta", "candidates"}
    candidates = True
    trained_on = ("audioset", "wavcaps")

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"audioldm2-{variant}" if variant else "audioldm2"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        hub_id, gigabytes = _HUB[variant]
        return Published(
            hub_id=hub_id,
            files=("*.json", "*/*.json", "*/*.txt", "*/*.safetensors", "*/spiece.model"),
            gigabytes=gigabytes,
            licence="CC BY-NC-SA 4.0",
            training_data="AudioSet, WavCaps, AudioCaps, VGGSound and others",
            source="Liu et al. 2023, arXiv 2308.05734; diffusers' AudioLDM2Pipeline",
            layout=f"a diffusers folder such as {hub_id}",
        )

    def own(self, variant: str) -> Settings:
        """Of the authors' command, which also keeps the best of 3 candidates."""
        return Settings(guidance=3.5, seconds=10.24, steps=200, scheduler="ddim", eta=1.0)


PLUGIN = AudioLdm2()
