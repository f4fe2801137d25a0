"""Extracting features: from audio files to arrays.

Each clip is decoded once for all embedders, and cached features are not computed again. Batches are formed from the complete list of
clips, and a batch with a missing clip is computed whole: a run that was interrupted and resumed gives the same features, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reaudio_eval.features.active import ActiveEmbedder
from reaudio_eval.features.audit import ClipAudit, audit_clip, missing_clip
from reaudio_eval.features.batches import Batch, BatchEmbedder, BatchResult
from reaudio_eval.features.cache import JsonCache
from reaudio_eval.features.cache_origin import audit_origin
from reaudio_eval.features.embedders import ClipFeatures
from reaudio_eval.features.feature_set import FeatureSet
from reaudio_eval.features.object_store import ObjectStore
from reaudio_model.common.audio import DecodedAudio, content_sha256, decode_many
from reaudio_model.common.errors import AudioError
from reaudio_model.common.executors import LOCAL, Executor
from reaudio_model.common.limits import MAX_SECONDS
from reaudio_model.common.progress import Reporter
from reaudio_model.common.ray_executor import WORKER_DEVICE, map_on_ray

TEXT_BATCH = 64


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
    max_seconds: float = MAX_SECONDS,
    executor: Executor = LOCAL,
    store: ObjectStore | None = None,
) -> EmbeddedClips:
    """Features of every file under every embedder.

    Args:
        files: system -> clip_id -> file.
        embedders: those whose features are needed.
        cache_dir: where features and audits are kept.
        batch_size: clips in a batch.
        jobs: decoding threads.
        reporter: shows progress.
        max_seconds: longer clips are unreadable.
        executor: where batches are computed; workers on Ray read the files and checkpoints by the same paths.
        store: object store that audits are shared in, as features are in those of their embedders.
    """
    result = EmbeddedClips(features={e.name: {} for e in embedders})
    unique = _hash_files(files, result, jobs, max_seconds, reporter)
    rules = {e.name: (e.rule, e.sample_rate) for e in embedders}
    work = _Known(embedders, JsonCache(cache_dir, audit_origin(rules), store), result.features, max_seconds)
    shas = list(unique)
    work.fetch(shas)
    chunks = [shas[i : i + batch_size] for i in range(0, len(shas), batch_size)]
    todo = [chunk for chunk in chunks if not work.is_done(chunk)]
    with reporter.stage("Embedding", sum(map(len, chunks))) as advance:
        advance(sum(map(len, chunks)) - sum(map(len, todo)))
        batches = [Batch({sha: unique[sha] for sha in chunk}, work.missing(chunk)) for chunk in todo]
        embed = BatchEmbedder(tuple(embedders), jobs, max_seconds)
        for batch, found in _computed(batches, embed, executor, reporter):
            work.add(found)
            work.share()
            advance(len(batch.clips))
    for system, clips in files.items():
        for clip_id, path in clips.items():
            sha = result.content[system].get(clip_id)
            if sha is not None and path in work.errors:
                result.audits[system, clip_id] = audit_clip(clip_id, path, sha, work.errors[path])
            elif sha is not None:
                result.audits[system, clip_id] = replace(work.facts[sha], clip_id=clip_id, path=path)
    return result


def _hash_files(
    files: Mapping[str, Mapping[str, Path]], result: EmbeddedClips, jobs: int, max_seconds: float, reporter: Reporter
) -> dict[str, list[Path]]:
    """sha256 -> the files with that content, in the order systems and clips were given."""
    places = [(system, clip_id, path) for system, clips in files.items() for clip_id, path in clips.items()]
    result.content = {system: {} for system in files}
    unique: dict[str, list[Path]] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool, reporter.stage("Reading", len(places)) as advance:
        for (system, clip_id, path), sha in zip(
            places, pool.map(partial(_try_hash, max_seconds), (p for _, _, p in places)), strict=True
        ):
            if isinstance(sha, AudioError):
                result.audits[system, clip_id] = audit_clip(clip_id, path, None, sha)
            else:
                result.content[system][clip_id] = sha
                unique.setdefault(sha, []).append(path)
            advance(1)
    return unique


def _try_hash(max_seconds: float, path: Path) -> str | AudioError:
    try:
        return content_sha256(path, max_seconds)
    except AudioError as error:
        return error


class _Known:
    """Features and facts by content, from the cache and computed.

    Attributes:
        facts: sha256 -> audit of a readable clip.
        errors: file -> why it has no features.
    """

    def __init__(
        self,
        embedders: Sequence[ActiveEmbedder],
        audits: JsonCache,
        features: dict[str, dict[str, ClipFeatures]],
        max_seconds: float,
    ) -> None:
        self.embedders = embedders
        self.audits = audits
        self.features = features
        self.max_seconds = max_seconds
        self.facts: dict[str, ClipAudit] = {}
        self.errors: dict[Path, AudioError] = {}

    def is_done(self, chunk: Sequence[str]) -> bool:
        """Whether the cache holds a whole batch; loads what it holds."""
        for sha in chunk:
            known = self.audits.get(sha)
            facts = None if known is None else ClipAudit.from_json(known)
            if facts is not None and (facts.seconds or 0) <= self.max_seconds:  # longer ones were scored with a larger limit
                self.facts[sha] = facts
            for embedder in self.embedders:
                cached = embedder.cache.get(sha)
                if cached is not None:
                    self.features[embedder.name][sha] = cached
        return all(sha in self.facts for sha in chunk) and not self.missing(chunk)

    def fetch(self, shas: Sequence[str]) -> None:
        """Copy what other machines have computed into the cache."""
        for each in (self.audits, *(e.cache for e in self.embedders)):
            each.fetch(shas)

    def share(self) -> None:
        """Give other machines what was computed here."""
        for each in (self.audits, *(e.cache for e in self.embedders)):
            each.share()

    def missing(self, chunk: Sequence[str]) -> tuple[str, ...]:
        """The embedders of which a clip of the batch has no features."""
        return tuple(e.name for e in self.embedders if any(sha not in self.features[e.name] for sha in chunk))

    def add(self, result: BatchResult) -> None:
        """Keep what was computed; features that were cached stay as they are."""
        for sha, facts in result.facts.items():
            self.facts[sha] = facts
            self.audits.put(sha, facts.to_json())
        for embedder in self.embedders:
            known = self.features[embedder.name]
            for sha, features in result.features.get(embedder.name, {}).items():
                if sha not in known:
                    embedder.cache.put(sha, features)
                    known[sha] = features
        self.errors |= result.errors


def _computed(
    batches: Sequence[Batch], embed: BatchEmbedder, executor: Executor, reporter: Reporter
) -> Iterator[tuple[Batch, BatchResult]]:
    """Batches and their results, as they are finished."""
    if executor.is_ray:
        from reaudio_model.common.inference import open_device

        on_gpu = any(open_device(e.device).type == "cuda" for e in embed.embedders)
        worker = partial(_on_worker, embed, WORKER_DEVICE[on_gpu])
        done = map_on_ray(worker, batches, executor, on_gpu=on_gpu, what="embeds clips", reporter=reporter)
        yield from ((batches[index], result) for index, result in done)
        return
    stream: Iterator[DecodedAudio | AudioError] = decode_many(
        (paths[0] for batch in batches for paths in batch.clips.values()), embed.jobs, embed.max_seconds
    )
    for batch in batches:
        yield batch, embed(batch, [next(stream) for _ in batch.clips])


def _on_worker(embed: BatchEmbedder, device: str) -> BatchEmbedder:
    """What a worker on Ray computes with; networks are loaded with the first batch."""
    return replace(embed, embedders=tuple(replace(each, device=device) for each in embed.embedders))


def embed_captions(embedder: ActiveEmbedder, captions: Sequence[str], reporter: Reporter) -> npt.NDArray[np.float32]:
    """float32 (len(captions), d): text embeddings, cached like features and batched the same way."""
    unique = list(dict.fromkeys(captions))
    known: dict[str, npt.NDArray[np.float32]] = {}
    with reporter.stage(f"Reading captions ({embedder.name})", len(unique)) as advance:
        for start in range(0, len(unique), TEXT_BATCH):
            batch = unique[start : start + TEXT_BATCH]
            embedder.cache.fetch(map(embedder.cache.text_key, batch))
            cached = {c: embedder.cache.get_text(c) for c in batch}
            if any(v is None for v in cached.values()):
                for caption, vector in zip(batch, embedder.embed_text(batch), strict=True):
                    if cached[caption] is None:
                        embedder.cache.put_text(caption, vector)
                        cached[caption] = vector
            embedder.cache.share()
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
    return as_feature_set(embedder, [features[content[clip_id]] for clip_id in clip_ids], clip_ids, text)


def as_feature_set(
    embedder: ActiveEmbedder,
    rows: Sequence[ClipFeatures],
    clip_ids: tuple[str, ...],
    text: npt.NDArray[np.float32] | None,
) -> FeatureSet:
    """The features of clips as arrays; ``rows`` in the order of ``clip_ids``."""
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
