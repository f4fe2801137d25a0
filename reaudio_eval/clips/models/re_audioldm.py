"""Re-AudioLDM (arXiv 2309.08051), of the miniature or with --weights; the variant names size and what is retrieved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import Retrieval

KIND = "generated"
CANDIDATES = True
TRAINED_ON = "dataset"
VARIANTS = {
    "s": "Re-AudioLDM-S (arXiv 2309.08051), audio and captions of 3 neighbours",
    "l": "Re-AudioLDM-L (arXiv 2309.08051), audio and captions of 3 neighbours",
    "s-audio": "Re-AudioLDM-S (arXiv 2309.08051), audio of 3 neighbours",
    "s-none": "Re-AudioLDM-S (arXiv 2309.08051) without retrieval",
}
_RECIPES = {"s": "s-audio-text-k3", "l": "l-audio-text-k10", "s-audio": "s-audio-k3", "s-none": "s-none"}


def training(variant: str) -> str:
    """The command that trains a variant."""
    return f"reaudio-model train diffusion --config re-audioldm-{_RECIPES[variant]}"


def clips(request: ClipRequest) -> dict[str, Path]:
    """Clips generated for the prompts.

    Raises:
        ReaudioError: no weights, or bad ones; see ``_re_audioldm.generated_clips``.
    """
    from reaudio_eval.clips.models._re_audioldm import generated_clips

    return generated_clips(request, f"re-audioldm-{request.variant}", training(request.variant))


def check(dataset: str, weights: Path | None, variant: str) -> None:
    """What can be said before the data are there.

    Raises:
        ReaudioError: neither bundled weights for the dataset nor the user's.
    """
    from reaudio_eval.clips.models._re_audioldm import check_weights

    check_weights(dataset, weights, f"re-audioldm-{variant}", training(variant))


def defaults(variant: str, weights: Path | None) -> Sampling:
    """The settings used unless told otherwise.

    Raises:
        CheckpointError: ``weights`` is no saved pipeline.
    """
    from reaudio_eval.clips.models import _re_audioldm

    return _re_audioldm.defaults(f"re-audioldm-{variant}", weights)


def retrieved(request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
    """What was retrieved for the clips; None without retrieval."""
    from reaudio_eval.clips.models._re_audioldm import retrieved_pairs

    return retrieved_pairs(request, clips)
