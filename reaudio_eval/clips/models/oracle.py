"""Oracle: Re-AudioLDM with the real clip as its only neighbour (upper reference, not compared)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.models.re_audioldm import ReAudioLdm
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import Retrieval

VARIANTS = {
    "s": "Not a system: Re-AudioLDM-S with the real clip of each prompt as its only neighbour",
    "l": "Not a system: Re-AudioLDM-L with the real clip of each prompt as its only neighbour",
    "s-audio": "Not a system: Re-AudioLDM-S with the audio alone of the real clip as its only neighbour",
}


class Oracle(ReAudioLdm):
    """What the generator makes of perfect retrieval."""

    not_a_system = (
        "It was given the real clip of every prompt as its only neighbour: what this generator makes of perfect retrieval, "
        "not a system."
    )

    def name(self, variant: str) -> str:
        """The registered name."""
        return f"oracle-{variant}"

    def clips(self, request: ClipRequest) -> Mapping[str, Path]:
        """Clips generated for the prompts that have a real clip.

        Raises:
            ReaudioError: no real clips, no weights, or bad ones; see ``_re_audioldm.oracle_clips``.
        """
        from reaudio_eval.clips.models._re_audioldm import oracle_clips

        self.check(request.dataset.name, request.weights, request.variant)
        return oracle_clips(request, super().name(request.variant))

    def defaults(self, variant: str, weights: Path | None) -> Sampling | None:
        """None: the neighbour is given, so there is nothing to sweep."""
        return None

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
        """None: nothing is retrieved."""
        return None


PLUGIN = Oracle()
