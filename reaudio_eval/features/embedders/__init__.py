"""Embedders: the networks that listen. One file each, found by file name (``registry.embedders``).

An embedder file imports torch only inside functions and has

- ``SPEC``: an :class:`EmbedderSpec`;
- ``load(checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Embedder`` which verifies the
  checkpoint (architecture, completeness, a self-test vector where one exists) and raises
  :class:`reaudio_model.common.errors.CheckpointError`; ``cache_dir`` keeps converted checkpoints (``checkpoints.load_state_dict``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt


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
    """What is known without loading it.

    Attributes:
        title: for people, e.g. "PANNs Cnn14".
        sample_rates: Hz it can work at, the default first; the protocol chooses.
        many_frames: several embedding vectors a clip (VGGish) or one.
        has_logits, has_text: what it gives beside the embedding.
        vocabulary_name: order of its logits ("audioset-527") or None.
        min_seconds: shorter clips are zero-padded at the end to this length by the embedder (and the audit says so).
        checkpoints: the published files, the default first.
        source: paper and implementation matched.
        folder: a checkpoint may be a folder in transformers' layout, or a hub id.
        tokenizer: hub id of the tokenizer that the published files lack, or None.
        bundled: part of the miniature's weights that is the default checkpoint, or None.
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


class ClipFeatures(NamedTuple):
    """frames: float32 (n_frames >= 1, d); logits: float32 (C,) before softmax or sigmoid, or None."""

    frames: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32] | None


@runtime_checkable
class Embedder(Protocol):
    """A loaded network. ``sha256`` is that of the checkpoint file as given (before any conversion)."""

    sha256: str
    sample_rate: int

    def embed(self, waveforms: Sequence[npt.NDArray[np.float32]]) -> list[ClipFeatures]:
        """Features of waveforms, each float32 (samples,) mono at ``sample_rate`` in [-1, 1], run as one batch where
        their lengths agree (a batch never pads one clip to another's length). A clip's features do not depend on the
        batch beyond 1e-5 relative on CPU."""
        ...


@runtime_checkable
class TextEmbedder(Embedder, Protocol):
    """An embedder that also reads (CLAP). One that may also retrieve has ``encoder_sha256``, the identity of its network as a
    ``RetrievalIndex`` names it, so that a report can tell when the judge is the retriever."""

    def embed_text(self, captions: Sequence[str]) -> npt.NDArray[np.float32]:
        """float32 (len(captions), d), unit norm, in the space of ``embed``'s frames."""
        ...
