"""Sampling settings of models that generate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from reaudio_model.common.options import Option, OptionGroup

Given = Literal["none", "audio", "audio+text"]


@dataclass(frozen=True)
class Sampling(OptionGroup):
    """How models sample; None leaves a setting to the model.

    Attributes:
        steps: denoising steps, at least 1.
        guidance: scale of classifier-free guidance.
        k: retrieved pairs, at least 0.
        retrieval: what of the pairs conditions the model: "none", "audio" or "audio+text".
        candidates: clips generated for each prompt, of which the model's own CLAP keeps the best; a model that cannot choose makes 1.
    """

    panel: ClassVar[str] = "Generation"

    steps: Annotated[int | None, Option("Denoising steps. Default: the model's.", least=1)] = None
    guidance: Annotated[float | None, Option("Guidance scale. Default: the model's.")] = None
    k: Annotated[int | None, Option("Retrieved pairs a model uses. Default: the model's.", least=0)] = None
    retrieval: Annotated[
        Given | None, Option("Which part of the retrieved pairs conditions a model. Default: all that it was trained with.")
    ] = None
    candidates: Annotated[
        int | None,
        Option(
            "Clips generated for each prompt; the model's own CLAP keeps the best, which raises the CLAP score. Default: 1.",
            least=1,
        ),
    ] = None
