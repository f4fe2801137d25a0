"""The oracle: a retrieval model whose only neighbour is the clip it should make: what perfect retrieval would buy, never a system."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.clips.models import ClipRequest

KIND = "generated"
CANDIDATES = True
TRAINED_ON = "dataset"
NOT_A_SYSTEM = (
    "It was given the real clip of every prompt as its only neighbour: what this generator makes of perfect retrieval, "
    "not a system."
)
VARIANTS = {
    "s": "Not a system: Re-AudioLDM-S with the real clip of each prompt as its only neighbour",
    "l": "Not a system: Re-AudioLDM-L with the real clip of each prompt as its only neighbour",
    "s-audio": "Not a system: Re-AudioLDM-S with the audio alone of the real clip as its only neighbour",
}


def clips(request: ClipRequest) -> dict[str, Path]:
    """Clips generated for the prompts that have a real clip.

    Raises:
        ReaudioError: no real clips, no weights, or bad ones; see ``_re_audioldm.oracle_clips``.
    """
    from reaudio_eval.clips.models._re_audioldm import oracle_clips
    from reaudio_eval.clips.models.re_audioldm import training

    return oracle_clips(request, f"re-audioldm-{request.variant}", training(request.variant))


def check(dataset: str, weights: Path | None, variant: str) -> None:
    """What can be said before the data are there.

    Raises:
        ReaudioError: neither bundled weights for the dataset nor the user's.
    """
    from reaudio_eval.clips.models._re_audioldm import check_weights
    from reaudio_eval.clips.models.re_audioldm import training

    check_weights(dataset, weights, f"oracle-{variant}", training(variant))
