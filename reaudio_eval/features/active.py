"""An embedder with its checkpoint, its waveform rule and its cache."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from inspect import getattr_static
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from reaudio_eval import plugins
from reaudio_eval.features.cache import FeatureCache, JsonCache
from reaudio_eval.features.cache_origin import ENCODERS, FEATURES, Origin, checkpoint_files, code_of
from reaudio_eval.features.checkpoints import checkpoint_notes, published_name, resolve
from reaudio_eval.features.embedders import ClipFeatures, Embedder, EmbedderSpec, TextEmbedder
from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.features.object_store import ObjectStore
from reaudio_eval.features.protocols import Protocol, WaveformRule
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.weights import checkpoint_sha256


@dataclass(frozen=True)
class ActiveEmbedder:
    """An embedder with its checkpoint and waveform rule; the network is loaded only when something must be computed.

    Attributes:
        checkpoint: file or folder; ``sha256`` of its weights.
        origin: what makes its features: checkpoint, rule, code, packages.
        published: name of the published file that it is, or None.
        store: object store that its features are shared in, or None.
        checkpoint_notes: sentences for the reader of the scores: not the published file, or not the protocol's.
    """

    name: str
    spec: EmbedderSpec
    checkpoint: Path
    sha256: str
    sample_rate: int
    rule: WaveformRule
    origin: Origin
    cache_dir: Path
    device: str
    published: str | None = None
    store: ObjectStore | None = None
    checkpoint_notes: tuple[str, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """For other processes: without the loaded network, which they load themselves."""
        return {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}

    @cached_property
    def cache(self) -> FeatureCache:
        return FeatureCache(self.cache_dir, self.origin, self.store)

    @cached_property
    def network(self) -> Embedder:
        """The loaded network.

        Raises:
            CheckpointError: the checkpoint cannot be used, or is not the one that was found.
            ReaudioError: the plug-in fails, or its network lacks methods.
        """
        from reaudio_model.common.inference import open_device

        plugin, device = plugins.load("embedders", self.name), str(open_device(self.device))
        with self._guarded(f"cannot load {self.checkpoint}"):
            loaded = plugin.load(self.checkpoint, sample_rate=self.sample_rate, device=device, cache_dir=self.cache_dir)
        if checkpoint_sha256(self.checkpoint) != self.sha256:
            raise CheckpointError(f"The checkpoint {self.checkpoint} was changed while it was loaded: repeat the command.")
        if self.spec.has_text and not _has_text(loaded):
            raise ReaudioError(f"The embedder {self.name} has_text, so its network needs embed_text and encoder_sha256.")
        return loaded

    def _guarded(self, what: str) -> AbstractContextManager[None]:
        return plugins.guarded("embedders", self.name, what)

    def embed(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> list[ClipFeatures]:
        """Features of waveforms as :meth:`Embedder.embed` gives them, in float32; their numbers may be infinite or NaN.

        Raises:
            ReaudioError: the network fails, or gives other shapes.
        """
        with self._guarded("fails"):
            given = self.network.embed(waveforms)
            found = [ClipFeatures(_float32(f.frames), None if f.logits is None else _float32(f.logits)) for f in given]
        widths = {f.frames.shape[1:] for f in found}
        fits = len(found) == len(waveforms) and len(widths) == 1 and all(f.frames.ndim == 2 and f.frames.size for f in found)
        if not fits or any((f.logits is not None and f.logits.ndim == 1) != self.spec.has_logits for f in found):
            logits = "(C,) logits" if self.spec.has_logits else "no logits"
            raise ReaudioError(f"The embedder {self.name} must give (n_frames, d) frames and {logits} for each clip.")
        return found

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), d) as :meth:`TextEmbedder.embed_text` gives them.

        Raises:
            ReaudioError: the network fails, gives other shapes, or numbers that are not finite.
        """
        network = cast(TextEmbedder, self.network)  # checked when it was loaded
        with self._guarded("fails on captions"):
            vectors = _float32(network.embed_text(captions))
        if vectors.ndim != 2 or len(vectors) != len(captions) or not np.isfinite(vectors).all():
            raise ReaudioError(f"The embedder {self.name} must give one finite vector for each caption.")
        return vectors

    @cached_property
    def encoder_sha256(self) -> str:
        """Identity of the network as a retrieval index names it, whatever its file; "" where it has none. Cached, because it needs the
        loaded network."""
        if not self.spec.has_text:
            return ""
        settings = {name: self.origin.settings[name] for name in ("checkpoint", "files")}
        cache = JsonCache(self.cache_dir, Origin(ENCODERS, self.name, settings, code_of(ENCODERS, self.name)))
        key = canonical_sha256([self.name, self.sha256])
        cached = cache.get(key)
        if cached is None:
            cached = {"encoder_sha256": cast(TextEmbedder, self.network).encoder_sha256}
            cache.put(key, cached)
        return str(cached["encoder_sha256"])


def _has_text(network: Embedder) -> bool:
    """Whether it is a :class:`TextEmbedder`, by its names: a property may be costly to evaluate."""
    return all(getattr_static(network, name, None) is not None for name in ("embed_text", "encoder_sha256"))


def _float32(values: Any) -> npt.NDArray[np.float32]:
    """As the cache keeps them, so that a first and a later run compute with the same numbers."""
    return np.ascontiguousarray(values, dtype=np.float32)


def activate(
    name: str,
    spec: EmbedderSpec,
    protocol: Protocol,
    *,
    checkpoint: Path | None,
    cache_dir: Path,
    device: str,
    allow_download: bool,
    store: ObjectStore | None = None,
) -> ActiveEmbedder | Undefined:
    """Find an embedder's checkpoint; Undefined with the remedy where there is none, or where its package is not installed.

    Raises:
        CheckpointError: a path that does not exist, or a download that failed.
    """
    if spec.package is not None and spec.package.missing:
        return Undefined(spec.package.missing)
    known_as = spec.same_as or name
    sample_rate, preferred = protocol.sample_rates.get(known_as, spec.sample_rates[0]), protocol.checkpoint(known_as)
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
    sha256, rule = checkpoint_sha256(found), protocol.rule(known_as)
    settings = {
        "checkpoint": sha256,
        "files": checkpoint_files(found, spec.has_text, cache_dir),
        "rule": dataclasses.asdict(rule),
        "sample_rate": sample_rate,
    }
    return ActiveEmbedder(
        name,
        spec,
        found,
        sha256,
        sample_rate,
        rule,
        Origin(FEATURES, name, settings, code_of(FEATURES, name)),
        cache_dir,
        device,
        published_name(spec, sha256),
        store,
        checkpoint_notes(spec, found, sha256, protocol.name, preferred),
    )
