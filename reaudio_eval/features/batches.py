"""Features of a batch of clips: decoding, waveform rules, networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.audit import ClipAudit, NetworkInput, audit_clip, audit_inputs
from reaudio_eval.features.cache import is_features
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.waveform import at_file_level, levelled
from reaudio_model.common.audio import DecodedAudio, decode_many, shown
from reaudio_model.common.errors import AudioError
from reaudio_model.common.resample import Samples


class Batch(NamedTuple):
    """What is computed together.

    Attributes:
        clips: sha256 -> the files with that content.
        embedders: names of those whose features are missing for one of the clips.
    """

    clips: Mapping[str, Sequence[Path]]
    embedders: tuple[str, ...]


@dataclass
class BatchResult:
    """Facts of readable clips, features by embedder, and errors of files."""

    facts: dict[str, ClipAudit] = field(default_factory=dict)
    features: dict[str, dict[str, ClipFeatures]] = field(default_factory=dict)
    errors: dict[Path, AudioError] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchEmbedder:
    """Computes batches; it has no other state, and can be pickled for other processes.

    Attributes:
        embedders: any of a batch.
        jobs: decoding threads.
        max_seconds: longer clips are unreadable.
    """

    embedders: tuple[ActiveEmbedder, ...]
    jobs: int
    max_seconds: float

    def __call__(self, batch: Batch, decoded: Sequence[DecodedAudio | AudioError] | None = None) -> BatchResult:
        """Facts and features. ``decoded``: of the first file of each clip; None decodes them."""
        if decoded is None:
            decoded = list(decode_many((paths[0] for paths in batch.clips.values()), self.jobs, self.max_seconds))
        result = BatchResult()
        readable: dict[str, DecodedAudio] = {}
        for (sha, paths), first in zip(batch.clips.items(), decoded, strict=True):
            audio = self._with_content(sha, paths, first, result)
            if audio is not None:
                readable[sha] = audio
        sounds = {e.name: [at_file_level(a, e.rule, e.sample_rate) for a in readable.values()] for e in self.embedders}
        for row, (sha, audio) in enumerate(readable.items()):
            inputs = [NetworkInput(e.rule, e.sample_rate, sounds[e.name][row]) for e in self.embedders]
            path = batch.clips[sha][0]
            result.facts[sha] = audit_inputs(audit_clip(path.stem, path, sha, audio), audio, inputs)
        for embedder in self.embedders:
            if embedder.name in batch.embedders:
                self._embed(embedder, batch.clips, list(readable), sounds.pop(embedder.name), result)
        return result

    def _embed(
        self,
        embedder: ActiveEmbedder,
        clips: Mapping[str, Sequence[Path]],
        shas: Sequence[str],
        sounds: Sequence[Samples],
        result: BatchResult,
    ) -> None:
        """Features of a batch under one embedder."""
        found = result.features[embedder.name] = {}
        waves = [levelled(sound, embedder.rule, embedder.sample_rate) for sound in sounds]
        for sha, features in zip(shas, embedder.embed(waves) if waves else [], strict=True):
            if is_features(features):
                found[sha] = features
            else:
                _leave_out(clips[sha], f"has features of {embedder.name} that are infinite or undefined", result)

    def _with_content(
        self, sha: str, paths: Sequence[Path], first: DecodedAudio | AudioError, result: BatchResult
    ) -> DecodedAudio | None:
        """The samples of the bytes that were hashed, from the first of the files that still has them."""
        audio: DecodedAudio | AudioError | None = first
        for number, path in enumerate(paths):
            if number:
                (audio,) = decode_many([path], 1, self.max_seconds)
            if isinstance(audio, AudioError):
                result.errors[path] = audio
            elif audio is not None and audio.sha256 != sha:
                _leave_out([path], "changed while it was scored: repeat the command", result)
            else:
                return audio
        return None


def _leave_out(paths: Sequence[Path], reason: str, result: BatchResult) -> None:
    result.errors |= {path: AudioError(f"{shown(path)} {reason}.") for path in paths}
