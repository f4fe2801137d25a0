"""Features of retrieved clips, for the copying metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from reaudio_eval.clips.retrieval import Compared
from reaudio_eval.features.audit import ClipAudit, missing_clip
from reaudio_eval.features.extract import EmbeddedClips
from reaudio_eval.features.feature_set import FloatArray
from reaudio_eval.frames.scores import COPIES
from reaudio_eval.scores.metrics import MetricInput
from reaudio_eval.scores.metrics.copying import nearest
from reaudio_eval.scores.score import NamedMetric
from reaudio_eval.scores.system_scores import SystemScores
from reaudio_model.retrieval.records import Neighbour

NEIGHBOURS = "neighbours"  # key of the retrieved clips among the systems and the reference


class NeighbourFeatures:
    """Retrieved clips of an evaluation.

    Args:
        neighbours: system name -> the retrieved clips that its clips are compared with.
        metrics: of the evaluation; without one that needs neighbours nothing is read.
    """

    def __init__(self, neighbours: Mapping[str, Compared], metrics: Sequence[NamedMetric]) -> None:
        self.metrics = [m for m in metrics if "neighbours" in m.definition.needs and m.unavailable is None]
        self.neighbours = neighbours if self.metrics else {}

    @cached_property
    def files(self) -> dict[str, Path]:
        """Every neighbour's audio file under its path; an audit finds those that cannot be read."""
        found = {str(n.pair.audio): n.pair.audio for n in self._all() if n.pair.audio is not None}
        return dict(sorted(found.items()))

    def _all(self) -> list[Neighbour]:
        return [n for compared in self.neighbours.values() for pairs in compared.neighbours.values() for n in pairs]

    def readable(self, system: str, clip_id: str, clips: EmbeddedClips) -> list[tuple[Neighbour, str]]:
        """The neighbours of a prompt that could be read, and the content hash of each."""
        if system not in self.neighbours:
            return []
        known = clips.content.get(NEIGHBOURS, {})
        paths = [(n, str(n.pair.audio)) for n in self.neighbours[system].neighbours.get(clip_id, ())]
        decoded = next((features for features in clips.features.values()), {})
        return [(n, known[path]) for n, path in paths if known.get(path) in decoded]

    def vectors(self, embedder: str, clips: EmbeddedClips, system: str, ids: Sequence[str]) -> tuple[FloatArray, ...] | None:
        """Mean frames of each prompt's neighbours, float64 (k, d); None for a system that is not compared."""
        if system not in self.neighbours:
            return None
        features = clips.features[embedder]
        width = next((f.frames.shape[1] for f in features.values()), 0)

        def row(clip_id: str) -> FloatArray:
            means = [
                features[sha].frames.astype(np.float64).mean(axis=0) for _, sha in self.readable(system, clip_id, clips)
            ]
            return np.stack(means) if means else np.empty((0, width))

        return tuple(row(clip_id) for clip_id in ids)

    def with_copies(self, scores: SystemScores, inputs: Mapping[str, MetricInput], clips: EmbeddedClips) -> SystemScores:
        """The scores with the similarity of each clip to its nearest neighbour, under every embedder with a copying metric."""
        system = scores.system.name
        if system not in self.neighbours:
            return scores
        frames = [self._copies(system, inputs[m.info.embedder], clips) for m in self.metrics if m.info.embedder in inputs]
        table = (
            pd.concat([f for f in frames if f is not None], ignore_index=True)
            if any(f is not None for f in frames)
            else scores.copies
        )
        return replace(scores, copies=table, neighbours_of=self.neighbours[system].system)

    def _copies(self, system: str, inputs: MetricInput, clips: EmbeddedClips) -> pd.DataFrame | None:
        if inputs.reference is None or inputs.neighbours is None:
            return None
        nearest_pairs = nearest(inputs.generated.clip_means, inputs.neighbours)
        names = [
            self.readable(system, clip_id, clips)[place][0].pair.clip_id if place >= 0 else None
            for clip_id, place in zip(inputs.generated.clip_ids, nearest_pairs.position, strict=True)
        ]
        table = {
            "clip_id": list(inputs.generated.clip_ids),
            "embedder": inputs.generated.embedder,
            "neighbour_id": names,
            "similarity": nearest_pairs.similarity,
            "real_similarity": nearest(inputs.reference.clip_means, inputs.neighbours).similarity,
        }
        return COPIES.check(pd.DataFrame(table)).dropna(subset=["neighbour_id"])

    def audits(self, clips: EmbeddedClips) -> dict[str, list[ClipAudit]]:
        """An entry for every clip that was retrieved, under :data:`NEIGHBOURS`; empty where none was compared."""
        found: dict[tuple[str, str], ClipAudit] = {}
        for neighbour in self._all():
            clip_id, path = neighbour.pair.clip_id, str(neighbour.pair.audio)
            known = clips.audits.get((NEIGHBOURS, path))
            found[clip_id, path] = missing_clip(clip_id) if known is None else replace(known, clip_id=clip_id)
        return {NEIGHBOURS: [found[key] for key in sorted(found)]} if found else {}
