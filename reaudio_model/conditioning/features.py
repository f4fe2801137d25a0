"""Computing and opening the stored tokens of a retrieval set.

Rows are found again by the content of their clips, the encoders, their settings and the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save

from reaudio_model.common.audio import content_sha256
from reaudio_model.common.code import computation_sha256
from reaudio_model.common.digests import SEAL, check_safetensors, open_sealed_json, sealed_json, sealed_safetensors
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, canonical_sha256
from reaudio_model.common.json_files import as_read_back
from reaudio_model.common.progress import Reporter
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.conditioning.feature_store import IDENTITY, KEYS, FeatureStore, TokenSource
from reaudio_model.conditioning.slots import PairTokens
from reaudio_model.retrieval.clip_check import changed
from reaudio_model.retrieval.records import Pair

FORMAT = 2
QUIET = Reporter(quiet=True)


def open_features(folder: Path, conditioner: Conditioner) -> FeatureStore:
    """A finished store.

    Raises:
        ReaudioError: no store, an unfinished one, damaged files, or tokens of other encoders or code than the conditioner's.
    """
    found, expected = _read_store(folder, "store.json"), _identity(conditioner)
    differing = [name for name in expected if found.get(name) != expected[name]]
    if differing:
        raise ReaudioError(
            f"The features in {folder} were made with other encoders, sizes or code ({', '.join(differing)} differ): build them "
            "again, or go on without them."
        )
    clips = {clip_id: TokenSource(*source) for clip_id, source in _read_store(folder, "clips.json").items()}
    rows, damaged = _stored_rows(folder, canonical_sha256(expected))
    absent = sum(source.key not in rows for source in clips.values())
    if absent:
        why = f" ({len(damaged)} files are damaged)" if damaged else ""
        raise ReaudioError(
            f"The features in {folder} lack {absent} of {len(clips)} clips{why}: build them again, or go on without them."
        )
    return FeatureStore(folder, clips, rows)


def build_features(
    pairs: Iterable[Pair],
    conditioner: Conditioner,
    folder: Path,
    *,
    batch_size: int = 256,
    sha256: Mapping[str, str] | None = None,
    progress: Reporter = QUIET,
) -> FeatureStore:
    """Compute what is missing and return the store; a killed build continues where it was.

    Rows of other encoders or code in ``folder`` are not used; damaged files are computed again.

    Args:
        pairs: the retrieval set, each with its audio file.
        conditioner: with the encoders of the pairs.
        folder: of the store.
        batch_size: rows of a file (150 KB each at full size).
        sha256: clip_id -> of the bytes of its audio; None computes them.
        progress: reports every finished file, and in a note what is damaged.

    Raises:
        ReaudioError: a pair without audio, or one that is changed meanwhile; or a disk that is full.
        AudioError: an audio file that cannot be read.
    """
    identity = _identity(conditioner)
    name = canonical_sha256(identity)
    wanted = {pair.clip_id: (pair, TokenSource(_audio_sha256(pair, sha256), pair.caption)) for pair in pairs}
    if _peek(folder / "store.json") != identity:
        atomic_write(folder / "store.json", sealed_json(identity))
    rows, damaged = _stored_rows(folder, name)
    if damaged:
        progress.note(f"{len(damaged)} files of features in {folder} are damaged: they are computed again")
    # by content: clips with the same audio and caption share a row
    missing = {source.key: (pair, source) for pair, source in wanted.values() if source.key not in rows}
    with progress.stage("features", len(missing)) as advance:
        for keys in _chunks(list(missing), batch_size):
            tokens = conditioner.encode_pairs([missing[key][0] for key in keys])
            for pair, source in (missing[key] for key in keys):
                if _audio_sha256(pair, None) != source.audio_sha256:
                    raise changed(pair)
            _write_tokens(folder, name, keys, tokens)
            advance(len(keys))
    clips = {clip_id: source for clip_id, (_, source) in wanted.items()}
    atomic_write(folder / "clips.json", sealed_json(clips))
    return FeatureStore(folder, clips, _stored_rows(folder, name)[0])


def _identity(conditioner: Conditioner) -> dict[str, Any]:
    sizes = as_read_back(asdict(conditioner.config))
    code = computation_sha256("reaudio_model.conditioning.conditioner")
    return {"format": FORMAT, "encoders": conditioner.identity(), "config": sizes, "code": code}


def _audio_sha256(pair: Pair, known: Mapping[str, str] | None) -> str:
    if pair.audio is None:
        raise ReaudioError(f"The pair {pair.clip_id!r} has no audio file: features need one for every pair.")
    return content_sha256(pair.audio) if known is None else known[pair.clip_id]


def _chunks(keys: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def _write_tokens(folder: Path, identity: str, keys: list[str], tokens: PairTokens) -> None:
    stored = {
        name: value.cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in tokens._asdict().items()
        if value is not None
    }
    # named by content: several workers, or a build that is repeated, cannot overwrite each other with something else
    path = folder / f"tokens-{canonical_sha256([identity, keys])[:32]}.safetensors"
    # tensors, because safetensors writes several metadata in any order
    hashes = torch.tensor([list(bytes.fromhex(each)) for each in (identity, *keys)], dtype=torch.uint8)
    stored |= {IDENTITY: hashes[0].clone(), KEYS: hashes[1:].clone()}
    atomic_write(path, sealed_safetensors(save(stored, SEAL)))


def _stored_rows(folder: Path, identity: str) -> tuple[dict[str, tuple[Path, int]], list[Path]]:
    """Key -> (file, row) of the whole files of these encoders; and the damaged files."""
    rows: dict[str, tuple[Path, int]] = {}
    damaged = []
    for path in sorted(folder.glob("tokens-*.safetensors")):
        if not check_safetensors(path):
            damaged.append(path)
            continue
        with safe_open(path, framework="pt") as file:
            own, keys = file.get_tensor(IDENTITY), file.get_tensor(KEYS)
        if bytes(own.tolist()).hex() == identity:
            rows.update({bytes(key).hex(): (path, row) for row, key in enumerate(keys.tolist())})
    return rows, damaged


def _peek(path: Path) -> Any | None:
    try:
        return open_sealed_json(path.read_bytes())
    except OSError:
        return None


def _read_store(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] | None = _peek(folder / name)
    if content is None:
        raise ReaudioError(
            f"{folder} holds no finished features ({name} is missing or damaged): build them again, or go on without them."
        )
    return content
