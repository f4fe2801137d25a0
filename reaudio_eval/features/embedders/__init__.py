"""Embedders: audio embedding models, one file each.

A file has ``PLUGIN``, an instance of a subclass of :class:`EmbedderPlugin`, and imports torch only inside functions; its name is the
embedder's (see ``reaudio_eval.plugins``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from reaudio_model.common.packages import Package


@dataclass(frozen=True)
class CheckpointFile:
    """A published checkpoint.

    Attributes:
        filename: as published, e.g. "Cnn14_16k_mAP=0.438.pth".
        url: where it is downloaded from.
        sha256: hex; a shorter string is compared as a prefix (VGGish publishes eight digits); "" when nobody published it.
        n_bytes: approximate size for the message, or 0 when unknown.
        licence: SPDX name or a few words.
        sample_rate: Hz of the audio it was trained on.
    """

    filename: str
    url: str
    sha256: str
    n_bytes: int
    licence: str
    sample_rate: int


@dataclass(frozen=True)
class EmbedderSpec:
    """Properties of an embedder that are known without loading it.

    Attributes:
        title: for people, e.g. "PANNs Cnn14".
        sample_rates: Hz it can work at, the default first; the protocol chooses.
        many_frames: several embedding vectors a clip (VGGish) or one.
        has_logits, has_text: whether it also gives class logits, and embeddings of captions.
        vocabulary_name: order of its logits ("audioset-527") or None.
        min_seconds: shorter clips are zero-padded at the end to this length by the embedder.
        checkpoints: the published files, the default first.
        source: paper and implementation matched.
        folder: a checkpoint may be a folder in transformers' layout, or a hub id.
        tokenizer: hub id of the tokenizer that the published files lack, or None.
        bundled: part of the miniature's weights that is the default checkpoint, or None.
        package: what must be installed beside reaudio-eval, or None.
        same_as: embedder whose rule, rate and checkpoint of a protocol hold for it too, because it is the same network; None for its own.
        scores: names of its frames' columns where these are scores of the clip (one frame), not an embedding; only metrics of such scores
            are bound to it.
    """

    title: str
    sample_rates: tuple[int, ...]
    many_frames: bool
    has_logits: bool
    has_text: bool
    vocabulary_name: str | None
    min_seconds: float
    checkpoints: tuple[CheckpointFile, ...]
    source: str
    folder: bool = False
    tokenizer: str | None = None
    bundled: str | None = None
    package: Package | None = None
    same_as: str | None = None
    scores: tuple[str, ...] = ()


class ClipFeatures(NamedTuple):
    """frames: float32 (n_frames >= 1, d); logits: float32 (C,) before softmax or sigmoid, or None."""

    frames: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32] | None


@runtime_checkable
class Embedder(Protocol):
    """A loaded network. sha256: of the checkpoint file as given, before any conversion; sample_rate: Hz."""

    sha256: str
    sample_rate: int

    def embed(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> list[ClipFeatures]:
        """Features of waveforms, each float32 (samples,) mono at ``sample_rate`` in [-1, 1], run as one batch where
        their lengths agree (a batch never pads one clip to another's length). A clip's features do not depend on the
        batch beyond 1e-5 relative on CPU."""
        ...


@runtime_checkable
class TextEmbedder(Embedder, Protocol):
    """An embedder of audio and text in one space (CLAP)."""

    @property
    def encoder_sha256(self) -> str:
        """Identity of the network as a ``RetrievalIndex`` names it, so that a report can warn of a system that retrieves with the network
        that scores it; "" for a network that no index is made with."""
        ...

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), d), unit norm, in the space of ``embed``'s frames."""
        ...


class EmbedderPlugin(ABC):
    """A registered embedder."""

    @property
    @abstractmethod
    def spec(self) -> EmbedderSpec:
        """Its properties; a class attribute will do."""

    @abstractmethod
    def load(self, checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder:
        """The network with the weights of ``checkpoint``, verified: architecture, completeness, a self-test where one exists.

        Args:
            checkpoint: a file, or a folder where ``spec.folder``.
            sample_rate: Hz, one of ``spec.sample_rates``.
            device: "cpu", "cuda", "cuda:1", ...
            cache_dir: keeps converted checkpoints (``reaudio_model.common.weights.load_state_dict``); None keeps nothing.

        Returns:
            A :class:`TextEmbedder` where ``spec.has_text``.

        Raises:
            CheckpointError: missing, damaged, unsafe, or the file of another network.
            ReaudioError: another sample rate, or a device that is not there.
        """
