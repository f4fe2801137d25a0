"""Stable Audio Open (arXiv 2407.14358); published weights."""

from __future__ import annotations

from reaudio_eval.clips.models._public_model import PublicModel
from reaudio_eval.clips.models.public.system import Published, Settings

VARIANTS = {"open": "Stable Audio Open 1.0 (arXiv 2407.14358), published weights; 44.1 kHz stereo."}


class StableAudioOpen(PublicModel):
    """Its clips are stereo at 44.1 kHz; the protocol brings them to the rate and channels of each embedder."""

    module = "stable_audio"
    trained_on = None  # Freesound and the Free Music Archive, whose sounds have no AudioSet labels

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"stable-audio-{variant}"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        return Published(
            hub_id="stabilityai/stable-audio-open-1.0",
            files=("model_index.json", "*/*.json", "*/*.safetensors", "tokenizer/*"),
            gigabytes=5.5,
            licence="Stability AI Community Licence; the repository asks for an account",
            training_data="Freesound and the Free Music Archive",
            source="Evans et al. 2024, arXiv 2407.14358; diffusers' StableAudioPipeline",
            layout="a diffusers folder such as stabilityai/stable-audio-open-1.0",
        )

    def own(self, variant: str) -> Settings:
        """Of the model card, with 10 seconds."""
        return Settings(guidance=7.0, seconds=10.0, steps=200)


PLUGIN = StableAudioOpen()
