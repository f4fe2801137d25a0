"""AudioLDM's conditioning (CLAP vector alone, trained on CLAP audio vectors; arXiv 2301.12503), of the miniature or with --weights."""

from __future__ import annotations

from pathlib import Path

from reaudio_eval.models import ClipRequest, Sampling

KIND = "generated"
TRAINED_ON = "dataset"


def clips(request: ClipRequest) -> dict[str, Path]:
    """Clips generated for the prompts.

    Raises:
        ReaudioError: no weights, or bad ones; see ``_re_audioldm.generated_clips``.
    """
    from reaudio_eval.models._re_audioldm import generated_clips

    training = "reaudio-model train diffusion --config re-audioldm-s-none --set data.told=sound"
    return generated_clips(request, "audioldm", training)


def defaults(variant: str, weights: Path | None) -> Sampling:
    """The settings used unless told otherwise.

    Raises:
        CheckpointError: ``weights`` is no saved pipeline.
    """
    from reaudio_eval.models import _re_audioldm

    return _re_audioldm.defaults("audioldm", weights)
