"""Tokens of a retrieval set, computed once: float16 in memory-mapped safetensors files, found by clip.

A store is a folder::

    store.json            the encoders (SHA-256) and sizes its tokens were made with; written first
    tokens-<hash>.safetensors   "audio" (n, mae_tokens, mae_dim), "captions" (n, t5_length, t5_dim), "captions_mask" and, as
                          metadata, the key of each row: the hash of a pair's audio bytes and caption
    clips.json            clip_id -> (SHA-256 of its audio, caption); written last, so it marks a finished store

49,838 clips at full size take 7.5 GB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256, json_bytes
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.slots import PairTokens
from reaudio_model.retrieval.records import Pair

FORMAT = 1
QUIET = Reporter(quiet=True)


class _Source(NamedTuple):
    """What a row was computed from."""

    audio_sha256: str
    caption: str

    @property
    def key(self) -> str:
        return canonical_sha256(list(self))


class FeatureStore:
    """Stored tokens of a retrieval set, read row by row from disk.

    Made by :func:`build_features` or :func:`open_features`.
    """

    def __init__(self, folder: Path, clips: dict[str, _Source], rows: dict[str, tuple[Path, int]]) -> None:
        self.folder = folder
        self._clips = clips
        self._rows = {clip_id: rows[source.key] for clip_id, source in clips.items()}
        self._open: dict[Path, dict[str, torch.Tensor]] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def __contains__(self, pair: object) -> bool:
        """Whether this pair, with this caption, is stored; the bytes of its audio were compared when the store was built."""
        source = self._clips.get(pair.clip_id) if isinstance(pair, Pair) else None
        return source is not None and isinstance(pair, Pair) and source.caption == pair.caption

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}  # memory maps are opened again in a data-loading process

    def tokens(self, clip_ids: Sequence[str]) -> PairTokens:
        """Tokens of clips, in the order given: float16, on the CPU; captions None in a store without them.

        Raises:
            ReaudioError: a clip that is not stored, or a damaged file.
        """
        rows = [self._row(clip_id) for clip_id in clip_ids]
        names = self._file(rows[0][0]).keys() if rows else ()
        read = {name: torch.stack([self._file(path)[name][row] for path, row in rows]) for name in names}
        return PairTokens(read["audio"], read.get("captions"), read.get("captions_mask"))

    def _row(self, clip_id: str) -> tuple[Path, int]:
        if clip_id not in self._clips:
            raise ReaudioError(f"The features in {self.folder} have no clip {clip_id!r}: build them for this retrieval set.")
        return self._rows[clip_id]

    def _file(self, path: Path) -> dict[str, torch.Tensor]:
        if path not in self._open:
            file = _open_tokens(path)  # its tensors are memory maps: a row is read when it is asked for
            self._open[path] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
        return self._open[path]


def open_features(folder: Path, conditioner: Conditioner) -> FeatureStore:
    """A finished store.

    Raises:
        ReaudioError: no store, an unfinished one, damaged files, or tokens of other encoders than the conditioner's.
    """
    _check_identity(folder, conditioner)
    clips = {clip_id: _Source(*source) for clip_id, source in _read_json(folder / "clips.json").items()}
    rows = _stored_rows(folder)
    absent = sum(source.key not in rows for source in clips.values())
    if absent:
        raise ReaudioError(f"The features in {folder} lack {absent} of {len(clips)} clips: build them again.")
    return FeatureStore(folder, clips, rows)


def build_features(
    pairs: Iterable[Pair], conditioner: Conditioner, folder: Path, *, batch_size: int = 256, progress: Reporter = QUIET
) -> FeatureStore:
    """Compute what is missing and return the store; a killed build continues where it was.

    Args:
        pairs: the retrieval set, each with its audio file.
        conditioner: with the encoders of the pairs.
        folder: of the store; new, or a store of the same encoders.
        batch_size: rows of a file (150 KB each at full size).
        progress: is told of every finished file.

    Raises:
        ReaudioError: a pair without audio, a store of other encoders, or a disk that is full.
        AudioError: an audio file that cannot be read.
    """
    if not (folder / "store.json").exists():
        atomic_write(folder / "store.json", json_bytes(_identity(conditioner)))
    _check_identity(folder, conditioner)
    wanted = {pair.clip_id: (pair, _Source(_audio_sha256(pair), pair.caption)) for pair in pairs}
    rows = _stored_rows(folder)
    # by content: clips with the same audio and caption share a row
    missing = {source.key: pair for pair, source in wanted.values() if source.key not in rows}
    with progress.stage("features", len(missing)) as advance:
        for keys in _chunks(list(missing), batch_size):
            _write_tokens(folder, keys, conditioner.encode_pairs([missing[key] for key in keys]))
            advance(len(keys))
    clips = {clip_id: source for clip_id, (_, source) in wanted.items()}
    atomic_write(folder / "clips.json", json_bytes(clips))
    return FeatureStore(folder, clips, _stored_rows(folder))


def _identity(conditioner: Conditioner) -> dict[str, Any]:
    sizes = json.loads(json.dumps(asdict(conditioner.config)))  # tuples become lists, as they are read back
    return {"format": FORMAT, "encoders": conditioner.identity(), "config": sizes}


def _check_identity(folder: Path, conditioner: Conditioner) -> None:
    found, expected = _read_json(folder / "store.json"), _identity(conditioner)
    differing = [name for name in expected if found.get(name) != expected[name]]
    if differing:
        raise ReaudioError(
            f"The features in {folder} were made with other encoders or sizes ({', '.join(differing)} differ): "
            "build them in another folder."
        )


def _audio_sha256(pair: Pair) -> str:
    if pair.audio is None:
        raise ReaudioError(f"The pair {pair.clip_id!r} has no audio file: features need one for every pair.")
    return content_sha256(pair.audio)


def _chunks(keys: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _write_tokens(folder: Path, keys: list[str], tokens: PairTokens) -> None:
    stored = {
        name: value.cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in tokens._asdict().items()
        if value is not None
    }
    # named by content: several workers, or a build that is repeated, cannot overwrite each other with something else
    path = folder / f"tokens-{canonical_sha256(keys)[:16]}.safetensors"
    atomic_write(path, save(stored, metadata={"keys": json.dumps(keys)}))


def _stored_rows(folder: Path) -> dict[str, tuple[Path, int]]:
    """Key -> (file, row)."""
    rows = {}
    for path in sorted(folder.glob("tokens-*.safetensors")):
        keys = json.loads(_open_tokens(path).metadata()["keys"])
        rows.update({key: (path, row) for row, key in enumerate(keys)})
    return rows


def _open_tokens(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ReaudioError(f"{path} is damaged: delete it and build the features again.") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ReaudioError(
            f"{path.parent} holds no finished features ({path.name} is missing or damaged): build them."
        ) from error
    return content
