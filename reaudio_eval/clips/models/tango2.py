"""Tango 2 (arXiv 2404.09956): Tango tuned on preferences; published weights."""

from __future__ import annotations

from reaudio_eval.clips.models._public_model import PublicModel
from reaudio_eval.clips.models._tango import SETTINGS, published
from reaudio_eval.clips.models.public.system import Published, Settings


class Tango2(PublicModel):
    """Tango's layout and sampling."""

    module = "tango"
    trained_on = ("audioset", "wavcaps")

    def name(self, variant: str) -> str:
        """The registered name."""
        return "tango2"

    def published(self, variant: str) -> Published:
        """Facts about its weights."""
        training = "AudioCaps, WavCaps and others (tango-full-ft-audiocaps), then preferences on Audio-alpaca"
        return published("declare-lab/tango2", training, "Majumder et al. 2024, arXiv 2404.09956; declare-lab/tango")

    def own(self, variant: str) -> Settings:
        """Tango's."""
        return SETTINGS


PLUGIN = Tango2()
