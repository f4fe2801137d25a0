"""Sampling settings of models that generate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from reaudio_model.cli.commands.options import Search
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup
from reaudio_model.config import DType, SchedulerName

PAIRS = frozenset(
    {"k", "retrieval", "key", "pool", "exclude", "exclude_text_from", "paper_protocol"}
)  # options of retrieval
MAX_SEEDS = 1000
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
        seeds: clips of each prompt that are scored, with as many seeds; None: 1.
        scheduler, eta: sampler, and the noise of ddim, 0 to 1.
        dtype: precision of the denoiser.
        peak: largest absolute sample that every clip is scaled to, in (0, 1].
        search: which pairs a prompt may retrieve.
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
    seeds: Annotated[
        int | None,
        Option(
            "Clips of each prompt, made with seeds SEED, SEED + 1, ... and all scored; scores are means over them. Default: 1.",
            metavar="N",
            least=1,
            most=MAX_SEEDS,
        ),
    ] = None
    scheduler: Annotated[SchedulerName | None, Option("Sampler. Default: the model's.")] = None
    eta: Annotated[
        float | None, Option("Noise of ddim, 0 to 1; the paper has 1. Default: the model's.", least=0, most=1)
    ] = None
    dtype: Annotated[DType | None, Option("Precision of the denoiser. Default: float32.")] = None
    peak: Annotated[
        float | None,
        Option(
            "Scale every clip to this peak, up to 1; AudioLDM 2's evaluation has 0.8. Default: the level that the model makes.",
            least=0.01,
            most=1,
        ),
    ] = None
    search: Search = field(default_factory=Search)

    def check(self) -> None:
        if self.eta and self.scheduler != "ddim":
            raise ReaudioError("--eta is the noise of ddim: give --scheduler ddim too, or leave it out.")
        pairs = self.search != Search()
        if pairs and (self.k == 0 or self.retrieval == "none"):
            raise ReaudioError("With --k 0 or --retrieval none nothing is searched: leave out --key, --pool and --exclude.")

    def given(self) -> tuple[str, ...]:
        """Names of the options that do not have their default."""
        return tuple(self.plain())
