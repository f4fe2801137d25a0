"""Base class of models that the miniature has and whose authors published weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from reaudio_eval.clips.models import MINIATURE, ClipRequest, Fetch
from reaudio_eval.clips.models._pipeline_model import PipelineModel
from reaudio_eval.clips.models._public_model import PublicModel, is_saved_pipeline
from reaudio_eval.clips.sampling import Sampling


class BundledOrPublicModel(PublicModel):
    """The bundled weights on the miniature, a saved pipeline of the user's, or else the published weights.

    Attributes:
        here: the model of ``reaudio_model``.
    """

    here: PipelineModel
    candidates = True

    def is_here(self, dataset: str, weights: Path | None, variant: str) -> bool:
        """Whether it is the model of ``reaudio_model``."""
        return (weights is None and dataset == MINIATURE) or is_saved_pipeline(weights)

    def check(self, dataset: str, weights: Path | None, variant: str, fetch: Fetch) -> None:
        """As of the model that is meant."""
        if self.is_here(dataset, weights, variant):
            self.here.check(dataset, weights, variant, fetch)
        else:
            super().check(dataset, weights, variant, fetch)

    def clips(self, request: ClipRequest) -> Mapping[str, Path]:
        """As of the model that is meant."""
        is_here = self.is_here(request.dataset.name, request.weights, request.variant)
        return self.here.clips(request) if is_here else super().clips(request)

    def defaults(self, dataset: str, weights: Path | None, variant: str) -> Sampling | None:
        """As of the model that is meant."""
        if self.is_here(dataset, weights, variant):
            return self.here.defaults(dataset, weights, variant)
        return super().defaults(dataset, weights, variant)

    def sampling_options(self, dataset: str, weights: Path | None, variant: str) -> Collection[str]:
        """As of the model that is meant."""
        if self.is_here(dataset, weights, variant):
            return self.here.sampling_options(dataset, weights, variant)
        return super().sampling_options(dataset, weights, variant)
