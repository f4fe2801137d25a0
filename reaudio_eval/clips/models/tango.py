"""Tango's conditioning (T5 tokens of the prompt; arXiv 2304.13731), of the miniature or with --weights."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.clips.models import ClipRequest
from reaudio_eval.clips.sampling import Sampling

KIND = "generated"
CANDIDATES = True
TRAINING = "reaudio-model train diffusion --config re-audioldm-s-none --set model.retrieval=prompt"
TRAINED_ON = "dataset"


def clips(request: ClipRequest) -> dict[str, Path]:
    """Clips generated for the prompts.

    Raises:
        ReaudioError: no weights, or bad ones; see ``_re_audioldm.generated_clips``.
    """
    from reaudio_eval.clips.models._re_audioldm import generated_clips

    return generated_clips(request, "tango", TRAINING)


def check(dataset: str, weights: Path | None, variant: str) -> None:
    """What can be said before the data are there.

    Raises:
        ReaudioError: neither bundled weights for the dataset nor the user's.
    """
    from reaudio_eval.clips.models._re_audioldm import check_weights

    check_weights(dataset, weights, "tango", TRAINING)


def defaults(variant: str, weights: Path | None) -> Sampling:
    """The settings used unless told otherwise.

    Raises:
        CheckpointError: ``weights`` is no saved pipeline.
    """
    from reaudio_eval.clips.models import _re_audioldm

    return _re_audioldm.defaults("tango", weights)
