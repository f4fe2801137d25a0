"""Tables of a prepared data root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from reaudio_eval.cli.prepare.matching import match_stems
from reaudio_eval.prompts.datasets._audiocaps_lists import COLUMNS, PUBLISHED_LISTS, list_rows
from reaudio_eval.prompts.datasets._audiocaps_manifest import read_manifest
from reaudio_eval.prompts.datasets._audiocaps_tables import (
    JOINED,
    OFFICIAL_CLASSES,
    SEGMENTS,
    AudioCapsTables,
    read_tables,
)
from reaudio_model.common.audiocaps import CAPTION_COLUMNS, SPLITS, clip_ids
from reaudio_model.common.csv_files import read_bytes
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, folder_name, has_file

TABLES = (*JOINED, *(f"{split}.csv" for split in SPLITS), OFFICIAL_CLASSES, *SEGMENTS)
_OPTION = "--tables"


def read_from(folders: Sequence[Path], *, skip: bool) -> AudioCapsTables:
    """The tables of AudioCaps, and AudioSet's, which may lie in several folders.

    Raises:
        ReaudioError: a folder that is not there, a table that two folders have, or see ``_audiocaps_tables.read_tables``.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ReaudioError(f"--tables {folder} is not a folder.")
        for path in (folder / name for name in TABLES if has_file(folder / name)):
            if path.name in found:
                raise ReaudioError(f"{found[path.name]} and {path} are the same table: name one of their folders.")
            found[path.name] = path
    if len(folders) == 1:
        return read_tables(folders[0], skip=skip, option=_OPTION)
    with TemporaryDirectory() as name:
        for path in found.values():
            (Path(name) / path.name).symlink_to(path.absolute())
        try:
            return read_tables(Path(name), skip=skip, option=_OPTION)
        except ReaudioError as error:
            raise ReaudioError(_named(str(error), name, found, folders)) from error


def _named(message: str, temporary: str, found: Mapping[str, Path], folders: Sequence[Path]) -> str:
    """A message with the user's paths in place of the temporary ones."""
    for name, path in found.items():
        message = message.replace(f"{temporary}/{name}", str(path))
    return message.replace(temporary, " and ".join(map(str, folders)))


def write_tables(tables: AudioCapsTables, output: Path) -> None:
    """``audiocaps_labelled.csv`` and ``audioset_classes.csv``, which ``--data-root`` reads, and the captions of each split.

    Raises:
        ReaudioError: the folder cannot be written.
    """
    captions, classes = tables.captions, tables.classes
    _write_csv(captions[["split", *CAPTION_COLUMNS, "labels"]], output / JOINED[0])
    rows = [(str(i), label, classes.names[label]) for i, label in enumerate(classes.ids)]
    _write_csv(pd.DataFrame(rows, columns=["index", "mid", "display_name"]), output / JOINED[1])
    for split in captions["split"].unique():
        _write_csv(captions.loc[captions["split"] == split, CAPTION_COLUMNS], output / f"{split}.csv")


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Unless it is there already."""
    data = frame.to_csv(index=False, lineterminator="\n").encode()
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    atomic_write(path, data)


def clip_lists(tables: AudioCapsTables, own: Mapping[str, Path]) -> dict[str, pd.DataFrame | ReaudioError]:
    """Name -> clips of a list (``_audiocaps_lists.COLUMNS``), or why it cannot be derived.

    Args:
        tables: of AudioCaps.
        own: name -> file of the user, a manifest (CSV with clip_id and caption) or a text with a name a line.

    Raises:
        ReaudioError: a file of the user that cannot be read, or names clips that are not of the test split.
    """
    found: dict[str, pd.DataFrame | ReaudioError] = {}
    for published in PUBLISHED_LISTS:
        try:
            found[published.name] = list_rows(tables, published)
        except ReaudioError as error:
            found[published.name] = error
    unusable = next((name for name in own if folder_name(name) != name), None)
    if unusable is not None:
        raise ReaudioError(
            f"--list {unusable}: a name has letters, digits, '-', '_' and '.' alone, because it names a file."
        )
    return found | {name: _own_list(tables, path) for name, path in own.items()}


def _own_list(tables: AudioCapsTables, path: Path) -> pd.DataFrame:
    if path.suffix.lower() == ".csv":
        rows = read_manifest(tables, path, "test").clips
        unknown = rows.loc[rows["clip"] == "", "clip_id"].tolist()
        found = rows
    else:
        found, unknown = _named_clips(tables, path)
    if unknown:
        listed = ", ".join(map(repr, unknown[:3]))
        raise ReaudioError(f"{path} names {len(unknown)} clips that AudioCaps does not have, such as {listed}: remove them.")
    return found[COLUMNS].reset_index(drop=True)


def _named_clips(tables: AudioCapsTables, path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The clips of the test split that a text names, with their first captions, and names that are none."""
    lines = read_bytes(path, "a list of clips").decode("utf-8", "replace").splitlines()
    stems = [Path(line.strip()).stem if "." in line else line.strip() for line in lines if line.strip()]
    captions = tables.captions[tables.captions["split"] == "test"]
    names = match_stems(captions, stems)
    clips = captions.drop_duplicates("clip")
    clips = clips.assign(clip_id=clip_ids(clips))
    return clips[clips["clip"].isin(names.values())], [stem for stem in stems if stem not in names]


def write_lists(lists: Mapping[str, pd.DataFrame | ReaudioError], output: Path) -> None:
    """``lists/NAME.csv`` of each list that there is.

    Raises:
        ReaudioError: the folder cannot be written.
    """
    for name, rows in lists.items():
        if isinstance(rows, pd.DataFrame):
            _write_csv(rows, output / "lists" / f"{name}.csv")
