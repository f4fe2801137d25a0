"""AudioLDM's conditioning (CLAP vector alone, trained on CLAP audio vectors; arXiv 2301.12503), of the miniature or with --weights."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.sampling import Sampling

KIND = "generated"
CANDIDATES = True
TRAINING = "reaudio-model train diffusion --config re-audioldm-s-none --set data.told=sound"
TRAINED_ON = "dataset"


def clips(request: ClipRequest) -> dict[str, Path]:
    """Clips generated for the prompts.

    Raises:
        ReaudioError: no weights, or bad ones; see ``_re_audioldm.generated_clips``.
    """
    from reaudio_eval.clips.models._re_audioldm import generated_clips

    return generated_clips(request, "audioldm", TRAINING)


def check(dataset: str, weights: Path | None, variant: str) -> None:
    """What can be said before the data are there.

    Raises:
        ReaudioError: neither bundled weights for the dataset nor the user's.
    """
    from reaudio_eval.clips.models._re_audioldm import check_weights

    check_weights(dataset, weights, "audioldm", TRAINING)


def defaults(variant: str, weights: Path | None) -> Sampling:
    """The settings used unless told otherwise.

    Raises:
        CheckpointError: ``weights`` is no saved pipeline.
    """
    from reaudio_eval.clips.models import _re_audioldm

    return _re_audioldm.defaults("audioldm", weights)
