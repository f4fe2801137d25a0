"""Features of every clip as we and as a package read it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reaudio_eval.evaluations.crosscheck.packages import Package, Read
from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.protocols import WaveformRule
from reaudio_eval.features.waveform import apply_rule
from reaudio_model.common.audio import DecodedAudio, decode_many
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.resample import Samples


@dataclass
class Features:
    """Features of waveforms; equal waveforms are computed once.

    Attributes:
        embedder: the network.
        batch_size: waveforms at once.
        known: SHA-256 of a waveform -> its features.
    """

    embedder: ActiveEmbedder
    batch_size: int
    known: dict[bytes, ClipFeatures] = field(default_factory=dict)

    def of(self, waveforms: Sequence[Samples]) -> list[ClipFeatures]:
        """In the order given."""
        keys = [hashlib.sha256(wave.tobytes()).digest() for wave in waveforms]
        missing = {key: wave for key, wave in zip(keys, waveforms, strict=True) if key not in self.known}
        names = list(missing)
        for start in range(0, len(names), self.batch_size):
            batch = names[start : start + self.batch_size]
            self.known |= zip(batch, self.embedder.embed([missing[key] for key in batch]), strict=True)
        return [self.known[key] for key in keys]


@dataclass(frozen=True)
class Reading:
    """A way from a file to the waveform of a network. what: what it changes in the way before, in words."""

    what: str
    wave: Callable[[Path, DecodedAudio], Samples]


def readings(package: Package, ours: ActiveEmbedder, seed: int) -> list[Reading]:
    """Our reading, then with each convention of the package in addition; the last is the package's own."""
    rules = [("our reading", ours.rule), *package.steps(ours.rule)]
    by_rule = [Reading(what, _by_rule(rule, ours.sample_rate)) for what, rule in rules]
    return [*by_rule, *(Reading(what, _by_package(package, read, ours.sample_rate, seed)) for what, read in package.reads)]


def _by_package(package: Package, read: Read, sample_rate: int, seed: int) -> Callable[[Path, DecodedAudio], Samples]:
    def wave(path: Path, _: DecodedAudio) -> Samples:
        try:
            return np.ascontiguousarray(read(path, sample_rate, seed))
        except Exception as error:
            raise ReaudioError(f"{package.name} cannot read {path}: {error}") from error

    return wave


def _by_rule(rule: WaveformRule, sample_rate: int) -> Callable[[Path, DecodedAudio], Samples]:
    return lambda _, audio: apply_rule(audio, rule, sample_rate)


def embed_readings(
    clips: Sequence[tuple[str, Path]],
    jobs: int,
    ways: Sequence[Reading],
    ours: Features,
    theirs: Features,
    advance: Callable[[int], None],
) -> Mapping[str, tuple[ClipFeatures, list[ClipFeatures]]]:
    """Clip id -> features of our network for our reading, and of the package's network for every reading.

    Args:
        clips: ids and files.
        jobs: threads that decode.
        ways: the readings, ours first.
        ours, theirs: the networks.
        advance: is called with the number of clips that are done.

    Raises:
        ReaudioError: a file cannot be read by us or by the package, or a network fails.
    """
    found = {}
    for (clip_id, path), audio in zip(clips, decode_many((path for _, path in clips), jobs), strict=True):
        if isinstance(audio, AudioError):
            raise audio
        waves = [way.wave(path, audio) for way in ways]
        found[clip_id] = (ours.of(waves[:1])[0], theirs.of(waves))
        advance(1)
    return found
