"""Models: sources of clips, one file each.

A file has ``PLUGIN``, an instance of a subclass of :class:`ModelPlugin`, and perhaps ``VARIANTS``; its name is the model's (see
``reaudio_eval.plugins``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import Retrieval, Role, SystemKind
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.progress import Reporter

if TYPE_CHECKING:
    from reaudio_eval.clips.models.public.system import Published

MINIATURE = "miniature"  # the dataset whose weights come with the package


@dataclass(frozen=True)
class Fetch:
    """Where weights may come from.

    Attributes:
        allow_download: whether the network may be used.
        cache_dir: folder that belongs to this package; None for the default one.
    """

    allow_download: bool = False
    cache_dir: Path | None = None


@dataclass
class Spent:
    """Cost of making clips, counted by models that generate. clips: computed; seconds: computing time."""

    clips: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class ClipRequest:
    """The clips that a model must make or find.

    Attributes:
        prompts: of the clips.
        dataset: their dataset (training counts, references).
        output: a folder for this system alone to write clips to, as ``<clip_id>.wav``; never the user's.
        source: the folder given on the command line (``--clips NAME=FOLDER``), or None.
        seed: run seed; the seed of a clip is ``reaudio_model.common.seeds.clip_seed(seed, clip_id)``.
        variant: one of the file's ``VARIANTS``; "" in a file without.
        weights: the user's weights of this model (``--weights NAME=PATH``), or None.
        allow_download: whether published weights may be downloaded.
        exact: write to ``output`` itself, and refuse clips of other settings there, rather than to a sub-folder named by the settings.
        overwrite: with ``exact``, make existing clips anew.
        index: the user's retrieval index (``--index``), or None.
        sampling: the user's settings.
        spent: a model that generates adds its cost here.
        kept: a model may keep here what is costly to load, for the next request of the same command.
        batch_size, device, jobs, cache_dir, executor: as in ``scores.evaluate.Options``.
        reporter: shows the progress of a model that generates.
    """

    prompts: tuple[Prompt, ...]
    dataset: Dataset
    output: Path
    source: Path | None = None
    seed: int = 0
    variant: str = ""
    weights: Path | None = None
    allow_download: bool = False
    exact: bool = False
    overwrite: bool = False
    index: Path | None = None
    sampling: Sampling = field(default_factory=Sampling)
    spent: Spent = field(default_factory=Spent)
    kept: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 16
    device: str = "auto"
    jobs: int = 2
    cache_dir: Path | None = None
    executor: Executor = LOCAL
    reporter: Reporter = field(default_factory=lambda: Reporter(quiet=True))


class ModelPlugin(ABC):
    """A registered model. ``clips`` is required, the rest is optional.

    Attributes:
        kind: "generated", "real" or "noise".
        trained_on: training data, for the zero-shot report: "dataset" (the evaluated dataset's training set), "all" (every class), a
            sequence of names among ``training_labels.CORPORA`` (() for none), or None for unknown.
        upper_reference: a sentence that says why this model is shown in reports but not compared; "" for one that is.
        candidates: whether it can generate several candidates of each clip and keep the one that its CLAP finds nearest to the
            prompt (``Sampling.candidates``).
    """

    kind: SystemKind = "generated"
    trained_on: str | Sequence[str] | None = None
    upper_reference: str = ""
    candidates: bool = False

    def training_data(self, variant: str) -> str | Sequence[str] | None:
        """``trained_on`` of a variant."""
        return self.trained_on

    def published_weights(self, variant: str) -> Mapping[str, Any] | None:
        """Licence, training_data, repository, gigabytes and source of its published weights, for people; None where there are none."""
        return None

    def published(self, variant: str) -> Published | None:
        """Where its published weights are; None where there are none."""
        return None

    def find_published(self, variant: str, fetch: Fetch) -> Path:
        """Its published weights on this machine, downloaded where ``fetch`` allows it; without what else they need (``Published.also``).

        Raises:
            ReaudioError: there are none, or they cannot be fetched.
        """
        raise ReaudioError("This model has no published weights.")

    def takes_index(self, weights: Path | None) -> bool:
        """Whether a model that retrieves takes the user's index (``--index``); one without weights of the user's has a pool of its own."""
        return weights is not None

    def role(self, variant: str) -> Role:
        """The role of the model in reports; see :class:`reaudio_eval.clips.system.SystemInfo`.

        Args:
            variant: one of the file's ``VARIANTS``, or "".
        """
        if self.kind != "generated":
            return self.kind
        return "oracle" if self.upper_reference else "system"

    @abstractmethod
    def clips(self, request: ClipRequest) -> Mapping[str, Path]:
        """clip_id -> audio file, made or found for the prompts. A clip that is left out is listed in the audit as missing.

        Raises:
            ReaudioError: the model cannot run, or its folder cannot be written.
        """

    def clips_by_seed(self, request: ClipRequest) -> Mapping[int, Mapping[str, Path]]:
        """Seed -> :meth:`clips`, as many seeds as ``request.sampling.seeds`` asks for, from ``request.seed`` on.

        A model without sampling options (:meth:`sampling_options`) makes the same clips with every seed, so there is one.

        Raises:
            ReaudioError: see :meth:`clips`.
        """
        samples = self.sampling_options(request.dataset.name, request.weights, request.variant) != ()
        seeds = (request.sampling.seeds or 1) if samples else 1
        first = request
        if request.exact and seeds > 1:  # as folders of several seeds are read
            first = replace(request, output=request.output / f"seed{request.seed}")
        found = {request.seed: self.clips(first)}
        for seed in range(request.seed + 1, request.seed + seeds):
            found[seed] = self.clips(replace(request, seed=seed, output=request.output / f"seed{seed}"))
        return found

    def check(self, dataset: str, weights: Path | None, variant: str, fetch: Fetch) -> None:
        """Refuse a request before anything is loaded or downloaded.

        Args:
            dataset: registered name.
            weights: the user's weights of this model, or None.
            variant: one of the file's ``VARIANTS``, or "".
            fetch: where published weights may come from.

        Raises:
            ReaudioError: the model cannot run on this dataset with these weights.
        """
        return

    def defaults(self, dataset: str, weights: Path | None, variant: str) -> Sampling | None:
        """Every sampling setting used by default, with k 0 and retrieval "none" where nothing is retrieved; None for a model that
        does not sample, which cannot be swept. Arguments as for :meth:`check`.

        Raises:
            ReaudioError: ``weights`` cannot be read.
        """
        return None

    def sampling_options(self, dataset: str, weights: Path | None, variant: str) -> Collection[str] | None:
        """Names of the options of ``Sampling`` that the model uses; None for all. Others are refused. Arguments as for :meth:`check`.

        Raises:
            ReaudioError: ``weights`` cannot be read.
        """
        return () if self.kind != "generated" else None

    def retrieved(self, request: ClipRequest, clips: Mapping[str, Path]) -> Retrieval | None:
        """What was retrieved for ``clips``, the return value of :meth:`clips`; None where nothing was.

        Raises:
            ReaudioError: a damaged table.
        """
        return None

    def sampling(self, request: ClipRequest, clips: Mapping[str, Path]) -> Mapping[str, Any] | None:
        """The sampling settings of ``clips`` as they were resolved, JSON-able: steps, guidance, k, retrieval, candidates, scheduler, dtype,
        device, ...; None where they are not known.

        Raises:
            ReaudioError: a damaged record.
        """
        return None
