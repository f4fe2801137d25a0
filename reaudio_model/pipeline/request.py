"""Request of :func:`generate_to_files`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from reaudio_model.common.audio import AUDIO_SUFFIXES, WRITTEN
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.config import Retrieval, SchedulerName, retrieves
from reaudio_model.pipeline.arguments import finite, whole
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
        output: folder for ``<clip_id>.wav``, or one file ``*.wav`` or ``*.flac`` for one prompt.
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
        peak: largest absolute sample that every clip is scaled to, in (0, 1]; None keeps the level.
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
    peak: float | None = None

    @property
    def output_path(self) -> Path:
        return as_path(self.output)

    @property
    def is_file(self) -> bool:
        """Whether ``output`` is one file."""
        return not self.output_path.is_dir() and self.output_path.suffix.lower() in AUDIO_SUFFIXES

    @property
    def record(self) -> Path:
        """The JSON file that records the settings."""
        return self.output_path.with_suffix(".json") if self.is_file else self.output_path / RECORD

    def files(self) -> list[Path]:
        """The file of each prompt.

        Raises:
            ReaudioError: several prompts for one file, a kind of file that is not written, or clip ids that are repeated or no file
                names.
        """
        ids = [prompt.clip_id for prompt in self.prompts]
        if self.is_file:
            if self.output_path.suffix.lower() not in WRITTEN:
                raise ReaudioError(f"{self.output}: files are written as {' or '.join(WRITTEN)}, or as WAV into a folder.")
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

    def check(self, reranker: Clap | None, kind: Retrieval, model_k: int) -> None:
        """Refuse settings that contradict each other or would have no effect.

        Args:
            reranker: a CLAP, or None.
            kind: what the denoiser reads of retrieved pairs.
            model_k: the model's own number of pairs.

        Raises:
            ReaudioError: see the messages.
        """
        if isinstance(self.prompts, str) or not all(isinstance(each, Pair) for each in self.prompts):
            raise ReaudioError("prompts must be a list of Pair(clip_id, caption): free_prompts makes one of texts.")
        if not self.prompts:
            raise ReaudioError("There is no prompt: give at least one description of a sound.")
        self._check_numbers()
        if self.candidates != 1 and reranker is None:
            raise ReaudioError(
                "More than one candidate needs a CLAP to choose among them: give a reranker (--reranker), or candidates 1."
            )
        if self.candidates == 1 and reranker is not None:
            raise ReaudioError(
                "A reranker chooses among candidates: give 2 or more of them (--candidates), or leave it out."
            )
        if self.given is not None and (self.index is not None or len(self.given) != len(self.prompts)):
            raise ReaudioError(
                "Neighbours are given for each prompt, or found in an index: not both, and not for some prompts only."
            )
        self._check_retrieval(kind, model_k)

    def _check_numbers(self) -> None:
        one_of("scheduler", self.scheduler, get_args(SchedulerName))
        if not isinstance(self.overwrite, bool):
            raise ReaudioError(f"overwrite must be True or False, not {self.overwrite!r}.")
        whole("batch_size", self.batch_size, least=1)
        whole("candidates", self.candidates, least=1)
        for name, value in (("guidance_scale", self.guidance_scale), ("eta", self.eta)):
            finite(name, value)
        for name, number in (("seconds", self.seconds), ("retrieval_guidance_scale", self.retrieval_guidance_scale)):
            if number is not None:
                finite(name, number)
        if self.peak is not None and not 0 < finite("peak", self.peak) <= 1:
            raise ReaudioError(f"peak must be above 0 and at most 1, not {self.peak}.")
        whole("steps", self.steps)
        whole("seed", self.seed)
        if self.k is not None:
            whole("k", self.k, least=0)

    def _check_retrieval(self, kind: Retrieval, model_k: int) -> None:
        given = {"index": self.index, "neighbours": self.given, "features": self.features}
        named = " and ".join(name for name, value in given.items() if value is not None)
        if not retrieves(kind) and (named or self.k):
            raise ReaudioError(f"This model retrieves nothing: leave out {named or 'k'}.")
        if self.k and self.index is None and self.given is None:
            raise ReaudioError(f"k is {self.k}, but there is no index to retrieve from: give one (--index), or k 0.")
        if self.features is not None and self.index is None and self.given is None:
            raise ReaudioError("features are those of an index's pairs: give the index too (--index), or leave them out.")
        pairs = retrieves(kind) and self.neighbours_used(model_k) > 0
        if pairs and self.index is None and self.given is None:
            raise ReaudioError(
                "This model uses retrieved pairs: give an index (--index FOLDER, of `reaudio-model index build`), or k 0 (--k 0) to "
                "retrieve nothing."
            )
