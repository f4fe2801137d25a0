"""Audio in folders of any layout: files, and rows of Arrow and Parquet shards.

What lies together is a :class:`Collection`: the files of one folder, or the shards of one saved dataset. Its clips are named by one scheme.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.cli.prepare.shards import SHARD_SUFFIXES, row_names
from reaudio_model.common.audio import AUDIO_SUFFIXES
from reaudio_model.common.errors import ReaudioError

_SPLITS = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_NOT_LETTERS = re.compile(r"[^a-z]+")


@dataclass(frozen=True)
class Source:
    """A recording: a file, or a row of a shard.

    Attributes:
        stem: its name.
        path: the file, or the shard.
        row: number of the row from 0; None for a file.
    """

    stem: str
    path: Path
    row: int | None = None

    def __str__(self) -> str:
        return str(self.path) if self.row is None else f"{self.path}, row {self.row + 1}"


@dataclass(frozen=True)
class Collection:
    """Recordings that are named by one scheme.

    Attributes:
        place: the folder.
        split: "train", "val" or "test", as folder or shards are named; "" where they are not.
        sources: in the order of their names, or of the rows.
    """

    place: Path
    split: str
    sources: tuple[Source, ...]

    @property
    def is_table(self) -> bool:
        """Whether the audio lies in Arrow or Parquet."""
        return self.sources[0].row is not None


def find_collections(folders: Iterable[Path], leave_out: Path) -> list[Collection]:
    """Every collection below the folders; hidden folders, and ``leave_out``, are not searched.

    Raises:
        ReaudioError: no such folder, one without audio, or a shard that cannot be read.
    """
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise ReaudioError(f"--audio {folder} is not a folder.")
        own = [each for place in _walk(folder, leave_out) for each in _collections_of(place, folder)]
        if not own:
            raise ReaudioError(
                f"--audio {folder} holds no audio files, and no Arrow or Parquet shards with a column of audio."
            )
        found += own
    return found


def _walk(folder: Path, leave_out: Path) -> Iterator[Path]:
    """The folder and all below it, each once, in the order of their names; links are followed."""
    seen: set[Path] = set()
    for place, folders, _ in os.walk(folder, followlinks=True):
        path = Path(place)
        real = path.resolve()
        if real in seen or real == leave_out.resolve():
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield path


def _collections_of(place: Path, root: Path) -> Iterator[Collection]:
    """Of the files directly in a folder."""
    files = [path for path in sorted(place.iterdir()) if not path.name.startswith(".") and path.is_file()]
    audio = tuple(Source(path.stem, path) for path in files if path.suffix.lower() in AUDIO_SUFFIXES)
    if audio:
        yield Collection(place, _split_of_folder(place, root), audio)
    by_split: dict[str, list[Source]] = {}
    for shard in (path for path in files if path.suffix.lower() in SHARD_SUFFIXES):
        split = _split_of_name(shard.stem) or _split_of_folder(place, root)
        rows = (Source(stem, shard, row) for row, stem in enumerate(row_names(shard)) if stem)
        by_split.setdefault(split, []).extend(rows)
    for split, sources in by_split.items():
        if sources:
            yield Collection(place, split, tuple(sources))


def _split_of_folder(place: Path, root: Path) -> str:
    """By the nearest folder that is named after a split, up to ``root`` itself."""
    inner = place.relative_to(root).parts
    return next(filter(None, map(_split_of_name, (*reversed(inner), root.name))), "")


def _split_of_name(name: str) -> str:
    """A split that the name begins or ends with: "train", "test_audio", "audiocaps-val", "train-00000-of-00045"."""
    words = [word for word in _NOT_LETTERS.split(name.lower()) if word]
    return next((_SPLITS[word] for word in (*words[:1], *words[-1:]) if word in _SPLITS), "")
