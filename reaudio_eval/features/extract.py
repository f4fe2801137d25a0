"""Extracting features: from audio files to arrays.

Each clip is decoded once for all embedders, and cached features are not computed again. Batches are formed from the complete list of
clips, and a batch with a missing clip is computed whole: a run that was interrupted and resumed gives the same features, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reaudio_eval import plugins
from reaudio_eval.features.audit import ClipAudit, audit_clip, missing_clip
from reaudio_eval.features.cache import FeatureCache, JsonCache, rule_key
from reaudio_eval.features.checkpoints import checkpoint_notes, published_name, resolve
from reaudio_eval.features.embedders import ClipFeatures, Embedder, EmbedderSpec, TextEmbedder
from reaudio_eval.features.feature_set import FeatureSet, Undefined
from reaudio_eval.features.protocols import Protocol, WaveformRule
from reaudio_eval.features.waveform import apply_rule
from reaudio_model.common.audio import DecodedAudio, content_sha256, decode_many
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.progress import Advance, Reporter
from reaudio_model.common.weights import checkpoint_sha256

TEXT_BATCH = 64


@dataclass(frozen=True)
class ActiveEmbedder:
    """An embedder with its checkpoint and waveform rule; the network is loaded only when something must be computed.

    Attributes:
        checkpoint: file or folder; ``sha256`` of its weights.
        published: name of the published file that it is, or None.
        checkpoint_notes: sentences for the reader of the scores: not the published file, or not the protocol's.
    """

    name: str
    spec: EmbedderSpec
    checkpoint: Path
    sha256: str
    sample_rate: int
    rule: WaveformRule
    cache_dir: Path
    device: str
    published: str | None = None
    checkpoint_notes: tuple[str, ...] = ()

    @cached_property
    def cache(self) -> FeatureCache:
        return FeatureCache(self.cache_dir, self.name, self.sha256, rule_key(self.rule, self.sample_rate))

    @cached_property
    def network(self) -> Embedder:
        from reaudio_model.common.inference import open_device

        loaded = plugins.load("embedders", self.name).load(
            self.checkpoint, sample_rate=self.sample_rate, device=str(open_device(self.device)), cache_dir=self.cache_dir
        )
        if self.spec.has_text and not isinstance(loaded, TextEmbedder):
            raise ReaudioError(f"The embedder {self.name} has_text, so its network needs embed_text and encoder_sha256.")
        return loaded

    @cached_property
    def encoder_sha256(self) -> str:
        """Identity of the network as a retrieval index names it, whatever its file; "" where it has none. Cached, because it needs the
        loaded network."""
        if not self.spec.has_text:
            return ""
        cache, key = JsonCache(self.cache_dir, "encoders"), canonical_sha256([self.name, self.sha256])
        cached = cache.get(key)
        if cached is None:
            assert isinstance(self.network, TextEmbedder)
            cached = {"encoder_sha256": self.network.encoder_sha256}
            cache.put(key, cached)
        return str(cached["encoder_sha256"])


def activate(
    name: str,
    spec: EmbedderSpec,
    protocol: Protocol,
    *,
    checkpoint: Path | None,
    cache_dir: Path,
    device: str,
    allow_download: bool,
) -> ActiveEmbedder | Undefined:
    """Find an embedder's checkpoint; Undefined with the remedy when there is none.

    Raises:
        CheckpointError: a path that does not exist, or a download that failed.
    """
    sample_rate, preferred = protocol.sample_rates.get(name, spec.sample_rates[0]), protocol.checkpoint(name)
    found = resolve(
        name,
        spec,
        explicit=checkpoint,
        sample_rate=sample_rate,
        cache_dir=cache_dir,
        allow_download=allow_download,
        preferred_filename=preferred,
    )
    if isinstance(found, Undefined):
        return found
    sha256 = checkpoint_sha256(found)
    return ActiveEmbedder(
        name,
        spec,
        found,
        sha256,
        sample_rate,
        protocol.rule(name),
        cache_dir,
        device,
        published_name(spec, sha256),
        checkpoint_notes(spec, found, sha256, protocol.name, preferred),
    )


@dataclass
class EmbeddedClips:
    """Features and audits of every file, by content.

    Attributes:
        content: system -> clip_id -> sha256 of the file (absent when it cannot be opened).
        features: embedder name -> sha256 -> features.
        audits: (system, clip_id) -> facts.
    """

    content: dict[str, dict[str, str]] = field(default_factory=dict)
    features: dict[str, dict[str, ClipFeatures]] = field(default_factory=dict)
    audits: dict[tuple[str, str], ClipAudit] = field(default_factory=dict)

    def audit(self, system: str, clip_ids: Sequence[str]) -> list[ClipAudit]:
        """An entry for each clip wanted, missing ones included."""
        return [self.audits.get((system, clip_id)) or missing_clip(clip_id) for clip_id in clip_ids]


def embed_clips(
    files: Mapping[str, Mapping[str, Path]],
    embedders: Sequence[ActiveEmbedder],
    cache_dir: Path,
    batch_size: int,
    jobs: int,
    reporter: Reporter,
) -> EmbeddedClips:
    """Features of every file under every embedder.

    Args:
        files: system -> clip_id -> file.
        embedders: those whose features are needed.
        cache_dir: where features and audits are kept.
        batch_size: clips in a batch.
        jobs: decoding threads.
        reporter: shows progress.
    """
    result = EmbeddedClips(features={e.name: {} for e in embedders})
    unique = _hash_files(files, result, jobs, reporter)
    work = _Work(embedders, JsonCache(cache_dir, "audits"), result.features)
    shas = list(unique)
    chunks = [shas[i : i + batch_size] for i in range(0, len(shas), batch_size)]
    todo = [chunk for chunk in chunks if not work.is_done(chunk)]
    with reporter.stage("Embedding", sum(map(len, chunks))) as advance:
        advance(sum(map(len, chunks)) - sum(map(len, todo)))
        _run(todo, unique, work, jobs, advance)
    for system, clips in files.items():
        for clip_id, path in clips.items():
            facts = work.facts.get(result.content[system].get(clip_id, ""))
            if facts is not None:
                result.audits[system, clip_id] = replace(facts, clip_id=clip_id, path=path)
    return result


def _hash_files(
    files: Mapping[str, Mapping[str, Path]], result: EmbeddedClips, jobs: int, reporter: Reporter
) -> dict[str, Path]:
    """sha256 -> one file with that content, in the order systems and clips were given."""
    places = [(system, clip_id, path) for system, clips in files.items() for clip_id, path in clips.items()]
    result.content = {system: {} for system in files}
    unique: dict[str, Path] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool, reporter.stage("Reading", len(places)) as advance:
        for (system, clip_id, path), sha in zip(places, pool.map(_try_hash, (p for _, _, p in places)), strict=True):
            if isinstance(sha, AudioError):
                result.audits[system, clip_id] = audit_clip(clip_id, path, None, sha)
            else:
                result.content[system][clip_id] = sha
                unique.setdefault(sha, path)
            advance(1)
    return unique


def _try_hash(path: Path) -> str | AudioError:
    try:
        return content_sha256(path)
    except AudioError as error:
        return error


class _Work:
    """Features and facts by content, and computing those that are missing."""

    def __init__(
        self, embedders: Sequence[ActiveEmbedder], audits: JsonCache, features: dict[str, dict[str, ClipFeatures]]
    ) -> None:
        self.embedders = embedders
        self.audits = audits
        self.features = features
        self.facts: dict[str, ClipAudit] = {}

    def is_done(self, chunk: Sequence[str]) -> bool:
        """Whether the cache holds a whole batch; loads what it holds."""
        for sha in chunk:
            known = self.audits.get(sha)
            if known is not None:
                self.facts[sha] = ClipAudit.from_json(known)
            for embedder in self.embedders:
                cached = embedder.cache.get(sha)
                if cached is not None:
                    self.features[embedder.name][sha] = cached
        return all(sha in self.facts and all(sha in self.features[e.name] for e in self.embedders) for sha in chunk)

    def compute(self, chunk: Sequence[str], paths: Sequence[Path], decoded: Sequence[DecodedAudio | AudioError]) -> None:
        readable: dict[str, DecodedAudio] = {}
        for sha, path, audio in zip(chunk, paths, decoded, strict=True):
            facts = audit_clip(path.stem, path, sha, audio)
            self.facts[sha] = facts
            if not isinstance(audio, AudioError):
                readable[sha] = audio
                self.audits.put(sha, facts.to_json())
        for embedder in self.embedders:
            known = self.features[embedder.name]
            if any(sha not in known for sha in readable):
                waves = [apply_rule(audio, embedder.rule, embedder.sample_rate) for audio in readable.values()]
                for sha, features in zip(readable, embedder.network.embed(waves), strict=True):
                    if sha not in known:
                        embedder.cache.put(sha, features)
                        known[sha] = features


def _run(todo: Sequence[Sequence[str]], paths: Mapping[str, Path], work: _Work, jobs: int, advance: Advance) -> None:
    stream: Iterator[DecodedAudio | AudioError] = decode_many((paths[sha] for chunk in todo for sha in chunk), jobs)
    for chunk in todo:
        work.compute(chunk, [paths[sha] for sha in chunk], [next(stream) for _ in chunk])
        advance(len(chunk))


def embed_captions(embedder: ActiveEmbedder, captions: Sequence[str], reporter: Reporter) -> npt.NDArray[np.float32]:
    """float32 (len(captions), d): text embeddings, cached like features and batched the same way."""
    unique = list(dict.fromkeys(captions))
    known: dict[str, npt.NDArray[np.float32]] = {}
    with reporter.stage(f"Reading captions ({embedder.name})", len(unique)) as advance:
        for start in range(0, len(unique), TEXT_BATCH):
            batch = unique[start : start + TEXT_BATCH]
            cached = {c: embedder.cache.get_text(c) for c in batch}
            if any(v is None for v in cached.values()):
                network = embedder.network
                assert isinstance(network, TextEmbedder)
                for caption, vector in zip(batch, network.embed_text(batch), strict=True):
                    if cached[caption] is None:
                        embedder.cache.put_text(caption, vector)
                        cached[caption] = vector
            known |= {c: v for c, v in cached.items() if v is not None}
            advance(len(batch))
    return np.stack([known[c] for c in captions])


def feature_set(
    embedder: ActiveEmbedder,
    clips: EmbeddedClips,
    system: str,
    clip_ids: tuple[str, ...],
    text: npt.NDArray[np.float32] | None,
) -> FeatureSet:
    """The features of one system's clips as arrays, rows in the order of ``clip_ids``."""
    content, features = clips.content[system], clips.features[embedder.name]
    rows = [features[content[clip_id]] for clip_id in clip_ids]
    logits: list[Any] = [r.logits for r in rows]
    return FeatureSet(
        clip_ids,
        np.concatenate([r.frames for r in rows]),
        np.array([len(r.frames) for r in rows], dtype=np.intp),
        embedder.name,
        embedder.sha256,
        np.stack(logits) if embedder.spec.has_logits else None,
        text,
        embedder.spec.vocabulary_name,
    )
