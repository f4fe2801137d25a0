"""Request of :func:`generate_to_files`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.config import Retrieval
from reaudio_model.retrieval.index_search import SearchSettings
from reaudio_model.retrieval.records import Neighbour, Pair

if TYPE_CHECKING:
    from reaudio_model.encoders.clap import Clap

RECORD = "generation.json"


@dataclass(frozen=True)
class GenerateRequest:
    """The prompts of :func:`reaudio_model.pipeline.generation.generate_to_files` and its settings.

    Attributes:
        prompts: clip_id (the file's name), caption, and source_id if known, of each.
        output: folder for ``<clip_id>.wav``, or one file ``*.wav`` for one prompt.
        index: folder of a RetrievalIndex made with the model's CLAP; None retrieves nothing.
        features: folder of stored tokens of its pairs (``features.build_features``); None encodes neighbours when needed.
        k: number of retrieved pairs used; None uses the model's own, 0 retrieves nothing.
        retrieval: which part of the pairs conditions the denoiser, see the pipeline; None uses everything it reads.
        search: settings of the search; its k and used are replaced by k.
        seconds: length; None uses the model's.
        steps, eta, scheduler: sampling. Paper: 200, 1.0 and "ddim".
        guidance_scale, retrieval_guidance_scale, negative_prompt: see the pipeline.
        candidates: of each prompt; more than one needs a reranker.
        seed: of the run; each clip has its own, derived from this and the clip_id.
        batch_size: prompts in a batch.
        overwrite: generate existing files again, instead of keeping those made with the same settings.
        given: the neighbours of each prompt, best first, instead of those found in an index; requires ``index`` None.
    """

    prompts: Sequence[Pair]
    output: StrPath
    index: StrPath | None = None
    features: StrPath | None = None
    k: int | None = None
    retrieval: Retrieval | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    seconds: float | None = None
    steps: int = 25
    eta: float = 0.0
    scheduler: str = "dpm-solver++"
    guidance_scale: float = 3.5
    retrieval_guidance_scale: float | None = None
    negative_prompt: str | None = None
    candidates: int = 1
    seed: int = 0
    batch_size: int = 8
    overwrite: bool = False
    given: Sequence[Sequence[Pair]] | None = None

    @property
    def output_path(self) -> Path:
        return as_path(self.output)

    @property
    def is_file(self) -> bool:
        """Whether ``output`` is one file."""
        return self.output_path.suffix.lower() == ".wav"

    @property
    def record(self) -> Path:
        """The JSON file that records the settings."""
        return self.output_path.with_suffix(".json") if self.is_file else self.output_path / RECORD

    def files(self) -> list[Path]:
        """The file of each prompt.

        Raises:
            ReaudioError: several prompts for one file, or clip ids that are repeated or no file names.
        """
        ids = [prompt.clip_id for prompt in self.prompts]
        if self.is_file:
            if len(ids) > 1:
                raise ReaudioError(f"{self.output} is one file, but there are {len(ids)} prompts: name a folder.")
            return [self.output_path]
        for clip_id in ids:
            if not clip_id or clip_id.startswith(".") or Path(clip_id).name != clip_id:
                raise ReaudioError(f"The clip_id {clip_id!r} cannot be a file name: use letters, digits, '-' and '_'.")
        if len(set(ids)) < len(ids):
            raise ReaudioError("Two prompts have the same clip_id: give each its own.")
        return [self.output_path / f"{clip_id}.wav" for clip_id in ids]

    def neighbours_used(self, model_k: int) -> int:
        """How many neighbours condition the denoiser, ``model_k`` unless the request sets another number."""
        if self.retrieval == "none":
            return 0
        return model_k if self.k is None else self.k

    def given_neighbours(self, k: int) -> list[list[Neighbour]] | None:
        """The first k of the given neighbours, with similarity 1; None if none are given."""
        if self.given is None or k == 0:
            return None
        return [[Neighbour(pair, rank, 1.0) for rank, pair in enumerate(pairs[:k])] for pairs in self.given]

    def check(self, reranker: Clap | None) -> None:
        """Refuse settings that contradict each other.

        Raises:
            ReaudioError: see the messages.
        """
        if not self.prompts:
            raise ReaudioError("There is no prompt: give at least one description of a sound.")
        if self.batch_size < 1:
            raise ReaudioError(f"batch_size must be 1 or more, not {self.batch_size}.")
        if self.candidates != 1 and reranker is None:
            raise ReaudioError(
                "More than one candidate needs a CLAP to choose among them: give a reranker, or candidates 1."
            )
        if self.given is not None and (self.index is not None or len(self.given) != len(self.prompts)):
            raise ReaudioError(
                "Neighbours are given for each prompt, or found in an index: not both, and not for some prompts only."
            )
        if self.k and self.index is None and self.given is None:
            raise ReaudioError(f"k is {self.k}, but there is no index to retrieve from: give one, or k 0.")
