"""Stored tokens of a retrieval set, in memory-mapped files.

A store is a folder::

    store.json            the encoders (SHA-256), sizes and code its tokens were made with; written first
    tokens-<hash>.safetensors   "audio" (n, mae_tokens, mae_dim), "captions" (n, t5_length, t5_dim), "captions_mask"; "identity"
                          (32,), the SHA-256 of store.json's value, and "keys" (n, 32), of each pair's audio bytes and caption; and
                          the digest of the file
    clips.json            clip_id -> (SHA-256 of its audio, caption); written last, so it marks a finished store

49,838 clips at full size take 7.5 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import canonical_sha256
from reaudio_model.common.tensor_files import TensorFiles
from reaudio_model.conditioning.slots import PairTokens
from reaudio_model.retrieval.records import Pair

IDENTITY, KEYS = "identity", "keys"  # tensors of a file that are no tokens


class TokenSource(NamedTuple):
    """The audio and caption a row was computed from; ``key`` names the row."""

    audio_sha256: str
    caption: str

    @property
    def key(self) -> str:
        return canonical_sha256(list(self))


class FeatureStore:
    """Stored tokens of a retrieval set, read row by row from disk.

    Made by :func:`reaudio_model.conditioning.features.build_features` or ``open_features``.
    """

    def __init__(self, folder: Path, clips: dict[str, TokenSource], rows: dict[str, tuple[Path, int]]) -> None:
        self.folder = folder
        self._clips = clips
        self._rows = {clip_id: rows[source.key] for clip_id, source in clips.items()}
        self._files = TensorFiles()

    def __len__(self) -> int:
        return len(self._clips)

    def __contains__(self, pair: object) -> bool:
        """Whether this pair, with this caption, is stored; the bytes of its audio were compared when the store was built."""
        source = self._clips.get(pair.clip_id) if isinstance(pair, Pair) else None
        return source is not None and isinstance(pair, Pair) and source.caption == pair.caption

    def source(self, clip_id: str) -> TokenSource | None:
        """The audio and caption that the tokens of a clip were computed from; None for a clip that is not stored."""
        return self._clips.get(clip_id)

    def tokens(self, clip_ids: Sequence[str]) -> PairTokens:
        """Tokens of clips, in the order given: float16, on the CPU; captions None in a store without them.

        Raises:
            ReaudioError: a clip that is not stored, or a damaged file.
        """
        rows = [self._row(clip_id) for clip_id in clip_ids]
        names = self._files[rows[0][0]].keys() - {IDENTITY, KEYS} if rows else ()
        read = {name: torch.stack([self._files[path][name][row] for path, row in rows]) for name in names}
        return PairTokens(read["audio"], read.get("captions"), read.get("captions_mask"))

    def _row(self, clip_id: str) -> tuple[Path, int]:
        if clip_id not in self._clips:
            raise ReaudioError(f"The features in {self.folder} have no clip {clip_id!r}: build them for this retrieval set.")
        return self._rows[clip_id]
