"""Input of metrics: features of the clips, captions, references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.extract import EmbeddedClips, embed_captions, feature_set
from reaudio_eval.features.protocols import Protocol, get_protocol
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.scores.metrics import MetricInput
from reaudio_eval.scores.retrieved_features import NeighbourFeatures
from reaudio_eval.scores.system_scores import ScoredClips
from reaudio_model.common.progress import Reporter

REFERENCE = "reference"  # key of the real clips among the systems
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Inputs:
    """Everything that metrics are computed from.

    Attributes:
        prompts: clip id -> prompt, of every clip that is scored in any system, sorted.
        text: of the captions of ``prompts`` (:func:`caption_vectors`).
    """

    clips: EmbeddedClips
    near: NeighbourFeatures
    prompts: Mapping[str, Prompt]
    text: Mapping[str, Vectors]
    dataset: Dataset
    protocol: Protocol
    seed: int

    @classmethod
    def of(
        cls,
        clips: EmbeddedClips,
        near: NeighbourFeatures,
        scored: Mapping[str, ScoredClips],
        dataset: Dataset,
        embedders: Mapping[str, ActiveEmbedder],
        protocol: str,
        seed: int,
        reporter: Reporter,
    ) -> Inputs:
        """The inputs of an evaluation; the captions are embedded here."""
        wanted = {clip_id for clips_of in scored.values() for clip_id in clips_of.own}
        prompts = {p.clip_id: p for p in sorted(dataset.prompts, key=lambda p: p.clip_id) if p.clip_id in wanted}
        text = caption_vectors(embedders.values(), [p.caption for p in prompts.values()], reporter)
        return cls(clips, near, prompts, text, dataset, get_protocol(protocol), seed)

    @cached_property
    def _row(self) -> Mapping[str, int]:
        return {clip_id: row for row, clip_id in enumerate(self.prompts)}

    def prompts_of(self, clip_ids: Sequence[str]) -> tuple[Prompt, ...]:
        return tuple(self.prompts[clip_id] for clip_id in clip_ids)

    def of_seeds(
        self, system: SystemInfo, embedders: Sequence[ActiveEmbedder], clip_ids: tuple[str, ...]
    ) -> list[dict[str, MetricInput]]:
        """Of each seed: embedder name -> the input of the metrics of a system, rows in the order of ``clip_ids``."""
        return [{e.name: self._of(system.name, e, clips, clip_ids) for e in embedders} for clips in system.by_seed]

    def _of(self, system: str, embedder: ActiveEmbedder, clips: str, clip_ids: tuple[str, ...]) -> MetricInput:
        captions, vocabulary = self.text.get(embedder.name), embedder.spec.vocabulary_name
        known = vocabulary is not None and vocabulary == self.dataset.vocabulary_name
        text = None if captions is None else captions[[self._row[clip_id] for clip_id in clip_ids]]
        has_reference = bool(self.dataset.references)
        return MetricInput(
            feature_set(embedder, self.clips, clips, clip_ids, text),
            feature_set(embedder, self.clips, REFERENCE, clip_ids, text) if has_reference else None,
            self.prompts_of(clip_ids),
            self.protocol,
            self.seed,
            self.dataset.vocabulary if known else (),
            self.near.vectors(embedder.name, self.clips, system, clip_ids),
            self.dataset.class_names if known else (),
        )


def caption_vectors(embedders: Iterable[ActiveEmbedder], captions: Sequence[str], reporter: Reporter) -> dict[str, Vectors]:
    """Name of an embedder with text -> float32 (n, d) of the captions; zeros for an unknown caption, which have no direction, so that
    a similarity with them is undefined. Empty where no caption is known."""
    known = [bool(caption.strip()) for caption in captions]
    found = {}
    for embedder in embedders:
        if embedder.spec.has_text and any(known):
            vectors = embed_captions(embedder, [c for c, k in zip(captions, known, strict=True) if k], reporter)
            found[embedder.name] = np.zeros((len(captions), vectors.shape[1]), dtype=np.float32)
            found[embedder.name][known] = vectors
    return found
