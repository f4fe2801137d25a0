"""Oracle: Re-AudioLDM with the real clip as its only neighbour (upper reference, not compared)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.clips.models import ClipRequest, Fetch
from reaudio_eval.clips.models.re_audioldm import ReAudioLdm
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import Retrieval

VARIANTS = {
    "s": "Upper reference: Re-AudioLDM-S with the real clip of each prompt as its only neighbour",
    "l": "Upper reference: Re-AudioLDM-L with the real clip of each prompt as its only neighbour",
    "s-audio": "Upper reference: Re-AudioLDM-S with the audio alone of the real clip as its only neighbour",
}


class Oracle(ReAudioLdm):
    """The generator with perfect retrieval."""

    upper_reference = "It is given the real clip of every prompt as its only neighbour, as if retrieval were perfect."

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"oracle-{variant}"

    def system(self, variant: str) -> str:
        """The model that is given the real clip."""
        return super().name(variant)

    def clips(self, request: ClipRequest) -> Mapping[str, Path]:
        """Clips generated for the prompts that have a real clip.

        Raises:
            ReaudioError: no real clips, no weights, or bad ones; see ``_re_audioldm.oracle_clips``.
        """
        from reaudio_eval.clips.models._re_audioldm import oracle_clips

        self.check(request.dataset.name, request.weights, request.variant, Fetch())
        return oracle_clips(request, self.system(request.variant))

    def defaults(self, dataset: str, weights: Path | None, variant: str) -> Sampling | None:
        """None: the neighbour is given, so there is nothing to sweep."""
        return None

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
        """None: nothing is retrieved."""
        return None


PLUGIN = Oracle()
