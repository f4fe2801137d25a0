"""Computing and opening the stored tokens of a retrieval set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256, json_bytes
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.feature_store import FeatureStore, TokenSource, open_tokens
from reaudio_model.conditioning.slots import PairTokens
from reaudio_model.retrieval.records import Pair

FORMAT = 1
QUIET = Reporter(quiet=True)


def open_features(folder: Path, conditioner: Conditioner) -> FeatureStore:
    """A finished store.

    Raises:
        ReaudioError: no store, an unfinished one, damaged files, or tokens of other encoders than the conditioner's.
    """
    _check_identity(folder, conditioner)
    clips = {clip_id: TokenSource(*source) for clip_id, source in _read_json(folder / "clips.json").items()}
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
        progress: reports every finished file.

    Raises:
        ReaudioError: a pair without audio, a store of other encoders, or a disk that is full.
        AudioError: an audio file that cannot be read.
    """
    if not (folder / "store.json").exists():
        atomic_write(folder / "store.json", json_bytes(_identity(conditioner)))
    _check_identity(folder, conditioner)
    wanted = {pair.clip_id: (pair, TokenSource(_audio_sha256(pair), pair.caption)) for pair in pairs}
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
        keys = json.loads(open_tokens(path).metadata()["keys"])
        rows.update({key: (path, row) for row, key in enumerate(keys)})
    return rows


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ReaudioError(
            f"{path.parent} holds no finished features ({path.name} is missing or damaged): build them."
        ) from error
    return content
