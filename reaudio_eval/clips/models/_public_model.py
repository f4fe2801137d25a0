"""Base class of the models that run from published weights."""

from __future__ import annotations

import gc
import importlib
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_eval.clips.models import MINIATURE, ClipRequest, Fetch, ModelPlugin
from reaudio_eval.clips.models.public.system import Opener, PublicSystem, Published, Settings
from reaudio_eval.clips.models.public.weights import find_weights, is_on_hub
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.plugins.files import explained
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import canonical_sha256, default_cache_dir
from reaudio_model.config import DType
from reaudio_model.retrieval.records import Pair

if TYPE_CHECKING:
    from reaudio_model.retrieval.index_search import SearchResult

_SETTINGS = frozenset(
    {"steps", "guidance", "k", "retrieval", "candidates", "scheduler", "eta", "dtype", "peak"}
)  # of Sampling
_SYSTEMS = "reaudio_eval.clips.models.public"
_DIFFUSION = frozenset({"steps", "guidance", "dtype", "seeds", "peak"})


class PublicModel(ModelPlugin):
    """A system with published weights: the user's copy of them, or that of the Hugging Face hub.

    Attributes:
        module: that loads and runs it, below ``reaudio_eval.clips.models.public``; it has ``OPENER``.
        options: of ``Sampling`` that it uses.
    """

    module: str
    options: frozenset[str] = _DIFFUSION

    @abstractmethod
    def name(self, variant: str) -> str:
        """Registered name."""

    @abstractmethod
    def published(self, variant: str) -> Published:
        """Facts about its weights."""

    @abstractmethod
    def own(self, variant: str) -> Settings:
        """The authors' settings."""

    def published_weights(self, variant: str) -> Mapping[str, Any] | None:
        """Facts about its weights."""
        found = self.published(variant)
        return {
            "licence": found.licence,
            "training_data": found.training_data,
            "repository": found.hub_id,
            "gigabytes": found.gigabytes,
            "source": found.source,
        }

    def find_published(self, variant: str, fetch: Fetch) -> Path:
        """The repository itself; its revision is kept."""
        alone = replace(self.published(variant), also=())
        cache_dir = fetch.cache_dir or default_cache_dir()
        return find_weights(self.name(variant), None, alone, cache_dir=cache_dir, allow_download=fetch.allow_download)

    def check(self, dataset: str, weights: Path | None, variant: str, fetch: Fetch) -> None:
        """Raises ReaudioError on the miniature, whose clips are of another kind, and CheckpointError where there are no weights,
        or those of another system."""
        name, published = self.name(variant), self.published(variant)
        if dataset == MINIATURE:
            raise ReaudioError(
                f"{name} generates real sounds, and the clips of the miniature are synthesised: choose another --dataset."
            )
        on_hub = is_on_hub(weights)
        if on_hub and fetch.allow_download:
            return  # an incomplete copy is completed
        cache_dir = fetch.cache_dir or default_cache_dir()
        found = find_weights(name, weights, published, cache_dir=cache_dir, allow_download=False)
        try:
            self._opener().check(found)
        except CheckpointError as error:
            if not on_hub:
                raise
            raise CheckpointError(
                f"The copy of the weights of {name} in the hub's cache is incomplete ({str(error).removesuffix('.')}): give "
                "--allow-download to complete it."
            ) from error

    def clips(self, request: ClipRequest) -> Mapping[str, Path]:
        """A clip for every prompt in a folder of its own below ``request.output``; finished ones are kept.

        Raises:
            ReaudioError: no weights, bad ones, settings that the model cannot use, too little memory, or a fault of a library.
        """
        with explained(f"{self.name(request.variant)} failed", None):
            return self._clips(request)

    def _clips(self, request: ClipRequest) -> Mapping[str, Path]:
        from reaudio_eval.clips.models.public.generate import code_of, retrieval_record, write_clips

        settings = self.resolved(request.sampling, request.variant)
        system, weights, load = self._opened(request, settings)
        asked = [
            self.name(request.variant),
            weights,
            code_of(system),
            asdict(settings),
            request.seed,
            dict(system.settings_record()),
        ]
        found = _retrieved(request, settings, system)
        asked += [] if found is None else [retrieval_record(found)]
        captions = [[p.clip_id, p.caption] for p in request.prompts]
        done = write_clips(
            system,
            request.prompts,
            request.output if request.exact else request.output / canonical_sha256([asked, captions])[:12],
            settings,
            weights=weights,
            seed=request.seed,
            batch_size=max(1, request.batch_size // settings.candidates),
            reporter=request.reporter,
            found=found,
            exact=request.exact,
            overwrite=request.overwrite,
            executor=request.executor,
            load=load,
        )
        request.spent.clips += done.computed
        request.spent.seconds += done.seconds
        return {prompt.clip_id: file for prompt, file in zip(request.prompts, done.files, strict=True)}

    def resolved(self, sampling: Sampling, variant: str) -> Settings:
        """The authors' settings, replaced by those that the user gave; options that this system does not use, which another one of the
        same command may use, have no effect.

        Raises:
            ReaudioError: --eta without a sampler that has it, or captions of retrieved pairs.
        """
        own = self.own(variant)
        sampling = Sampling.of({name: value for name, value in sampling.options().items() if name in self.options})
        if sampling.retrieval == "audio+text":
            raise ReaudioError(
                f"{self.name(variant)} reads the audio of retrieved pairs alone: give --retrieval audio or none."
            )
        scheduler = sampling.scheduler or own.scheduler
        eta = sampling.eta if sampling.eta is not None else (own.eta if scheduler == "ddim" else 0.0)
        if eta and scheduler != "ddim":
            raise ReaudioError("--eta is the noise of ddim: give --scheduler ddim too, or leave it out.")
        return Settings(
            guidance=own.guidance if sampling.guidance is None else sampling.guidance,
            seconds=own.seconds,
            steps=own.steps if sampling.steps is None else sampling.steps,
            scheduler=scheduler,
            eta=eta,
            candidates=sampling.candidates or 1,
            dtype=sampling.dtype or own.dtype,
            peak=sampling.peak,
            k=0 if sampling.retrieval == "none" else own.k if sampling.k is None else sampling.k,
        )

    def _opened(
        self, request: ClipRequest, settings: Settings
    ) -> tuple[PublicSystem, dict[str, str], Callable[[str], PublicSystem]]:
        """The loaded system, the identity of its weights, and how to load it on another device; one system stays in memory."""
        from reaudio_eval.clips.models.public.generate import identity
        from reaudio_model.common.inference import open_device

        cache_dir, name = request.cache_dir or default_cache_dir(), self.name(request.variant)
        path = find_weights(
            name,
            request.weights,
            self.published(request.variant),
            cache_dir=cache_dir,
            allow_download=request.allow_download,
        )
        device = str(open_device(request.device))
        load = partial(_open, self.module, path, request.variant, settings.dtype, cache_dir)
        key = f"{name} {path.resolve()} on {device} {settings.dtype}"
        if key not in request.kept:
            request.kept.clear()
            free_memory()
            request.reporter.note(f"{name}: loading {path}")
            system = load(device)
            request.kept[key] = (system, identity(system))
        return *request.kept[key], load

    def _opener(self) -> Opener:
        return _opener(self.module)

    def defaults(self, dataset: str, weights: Path | None, variant: str) -> Sampling | None:
        """The authors' settings."""
        own = self.own(variant)
        return Sampling(own.steps, own.guidance, 0, "none")

    def sampling_options(self, dataset: str, weights: Path | None, variant: str) -> Collection[str]:
        """Those that the system uses."""
        return self.options

    def sampling(self, request: ClipRequest, clips: Mapping[str, Path]) -> Mapping[str, Any] | None:
        """As the record of the generation has them."""
        from reaudio_eval.clips.generation import resolved_sampling

        return resolved_sampling(clips)


def _opener(module: str) -> Opener:
    """What loads the systems of a module in ``public/``."""
    opener: Opener = importlib.import_module(f"{_SYSTEMS}.{module}").OPENER
    return opener


def _open(module: str, path: Path, variant: str, dtype: DType, cache_dir: Path, device: str) -> PublicSystem:
    return _opener(module).open(path, variant, device=device, dtype=dtype, cache_dir=cache_dir)


def _retrieved(request: ClipRequest, settings: Settings, system: PublicSystem) -> SearchResult | None:
    """The pairs that a system retrieves for the prompts; None for one that does not retrieve, or with k 0."""
    clap = system.retriever()
    if clap is None or settings.k == 0:
        return None
    if request.index is None:
        raise ReaudioError(
            "This model uses retrieved pairs: give --index FOLDER (`reaudio-model index build`), or --k 0 to retrieve nothing."
        )
    from reaudio_model.pipeline.retrieve import retrieve

    search = replace(request.sampling.search.settings(request.reporter, "audio"), k=settings.k, used=settings.k)
    prompts = [Pair(p.clip_id, p.caption, None, p.source_id or p.clip_id) for p in request.prompts]
    return retrieve(request.index, prompts, search, clap)


def free_memory() -> None:
    """Give back the memory of networks that are no longer used."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_saved_pipeline(weights: Path | None) -> bool:
    """Whether these are a pipeline that this package saved, rather than the authors' files."""
    from reaudio_model.pipeline.assemble import INDEX_FILE

    if weights is None or not (weights / INDEX_FILE).is_file():
        return False
    from reaudio_model.common.json_files import read_json_object

    index = read_json_object(
        weights / INDEX_FILE, "the list of a pipeline's parts", remedy="fetch it again", error=CheckpointError
    )
    return isinstance(index.get("model"), dict)
