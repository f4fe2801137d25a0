"""Base class of the models that ``reaudio_model`` runs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from reaudio_eval.clips.models import MINIATURE, ClipRequest, Fetch, ModelPlugin
from reaudio_eval.clips.sampling import PAIRS, Sampling
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import option_fields


class PipelineModel(ModelPlugin):
    """A pipeline of ``reaudio_model``: bundled weights on the miniature, else the user's."""

    trained_on = "dataset"
    candidates = True

    @abstractmethod
    def name(self, variant: str) -> str:
        """Registered name."""

    def system(self, variant: str) -> str:
        """Name of the bundled weights that the model has, or would have."""
        return self.name(variant)

    @abstractmethod
    def training(self, variant: str) -> str:
        """The command that trains it."""

    def clips(self, request: ClipRequest) -> Mapping[str, Path]:
        """Clips generated for the prompts.

        Raises:
            ReaudioError: no weights for the dataset, or bad ones; see ``_re_audioldm.generated_clips``.
        """
        from reaudio_eval.clips.models._re_audioldm import generated_clips

        self.check(request.dataset.name, request.weights, request.variant, Fetch())
        return generated_clips(request, self.name(request.variant))

    def check(self, dataset: str, weights: Path | None, variant: str, fetch: Fetch) -> None:
        """Raises ReaudioError where there are neither bundled weights for the dataset nor the user's, or these are another model."""
        if weights is None and dataset != MINIATURE:
            raise ReaudioError(self._without_weights(self.name(variant), dataset, variant))
        if weights is not None:
            from reaudio_eval.clips.models._re_audioldm import check_weights

            check_weights(self.system(variant), weights)

    def _without_weights(self, name: str, dataset: str, variant: str) -> str:
        """The message where there are none."""
        train = f"train it ({self.training(variant)}) and give --weights {name}=FOLDER of the saved pipeline"
        return (
            f"There are no public weights of {name} for {dataset}: {train}, or score clips you have with --clips NAME=FOLDER; the weights "
            "that come with the package are the miniature's (--dataset miniature)."
        )

    def defaults(self, dataset: str, weights: Path | None, variant: str) -> Sampling | None:
        """The settings of the bundled weights, or of ``weights``.

        Raises:
            CheckpointError: ``weights`` is no saved pipeline.
        """
        from reaudio_eval.clips.models import _re_audioldm

        return _re_audioldm.defaults(self.name(variant), weights)

    def sampling(self, request: ClipRequest, clips: Mapping[str, Path]) -> Mapping[str, Any] | None:
        """As the record of the generation has them."""
        from reaudio_eval.clips.generation import resolved_sampling

        return resolved_sampling(clips)

    def sampling_options(self, dataset: str, weights: Path | None, variant: str) -> Collection[str]:
        """All, without those of retrieval for a model that retrieves nothing (``defaults``).

        Raises:
            CheckpointError: ``weights`` is no saved pipeline.
        """
        names = {field.name for field in option_fields(Sampling)}
        own = self.defaults(dataset, weights, variant)
        return names if own is not None and own.retrieval != "none" else names - PAIRS
