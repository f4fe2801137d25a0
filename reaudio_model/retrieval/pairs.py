"""Reading (text, audio) pairs and prompts from tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reaudio_model.common.audio import find_clips
from reaudio_model.common.audiocaps import CAPTION_COLUMNS, SPLITS, check_captions, clip_ids, file_names
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.naming import Schemes, require_match
from reaudio_model.common.tables import SKIP_OPTION, Table, check_columns, read_table
from reaudio_model.retrieval.records import Pair

GENERAL_COLUMNS = ["clip_id", "caption", "audio"]
PAIRS = "the (text, audio) pairs"


class PairTable(NamedTuple):
    """pairs: those with an audio file, in table order; missing: clip ids without a file; notes: rows that were left out."""

    pairs: list[Pair]
    missing: list[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableOptions:
    """How tables are read, and the options of the command that messages name.

    skip: faulty rows are left out; skip_option: how a user says so, "" where there is no such option; root_option: how a user names the
    folder of the audio.
    """

    skip: bool = False
    skip_option: str = SKIP_OPTION
    root_option: str = "--audio-root"


STRICT = TableOptions()


def read_pairs(
    table: StrPath,
    *,
    audio_root: StrPath | None = None,
    split: str | None = None,
    caption_number: int = 1,
    options: TableOptions = STRICT,
) -> PairTable:
    """The pairs of one table.

    The columns determine the layout:

    - any set: ``clip_id, caption, audio`` and optionally ``source_id`` (or ``youtube_id``) and ``split``; ``audio`` is a
      path relative to ``audio_root``, by default the folder of the table;
    - AudioCaps: ``audiocap_id, youtube_id, start_time, caption`` and optionally ``split`` (else ``train.csv``, ``val.csv``
      and ``test.csv`` imply it). ``audio_root`` contains the clips, or folders train, val, test with them, named after the
      youtube_id, "Y" + youtube_id, the audiocap_id, or the video and its start; one scheme for all.

    Args:
        table: CSV in UTF-8.
        audio_root: see above.
        split: rows to use; None uses all.
        caption_number: which caption of a clip with several, from 1; the last one if it has fewer.
        options: what happens to faulty rows, and the names of options for messages.

    Raises:
        ReaudioError: the table is missing, damaged, not UTF-8, lacks a column, or has an empty, repeated or unusable value
            (all such rows are named); an unknown split; no audio folder, or none of the clips in it; a caption number below 1.
    """
    if caption_number < 1:
        raise ReaudioError(f"The caption number counts from 1, not {caption_number}.")
    path, root = as_path(table), None if audio_root is None else as_path(audio_root)
    read = read_table(path, ["caption"], PAIRS, skip=options.skip, option=options.skip_option)
    columns = read.rows.columns
    if "audio" in columns:
        rows = _general_rows(read, root or path.parent)
    elif set(CAPTION_COLUMNS) <= set(columns):
        rows = _audiocaps_rows(read, root, caption_number, options)
    else:
        raise ReaudioError(
            f"{path} needs the columns {', '.join(GENERAL_COLUMNS)}, or AudioCaps' {', '.join(CAPTION_COLUMNS)}; "
            f"it has {', '.join(columns)}."
        )
    if split is not None:
        rows = rows[rows["split"] == one_of("split", split, rows["split"].unique().tolist())]
    return _pairs(rows, path, options)._replace(notes=read.notes)


def read_pair_tables(
    tables: Iterable[StrPath],
    *,
    audio_root: StrPath | None = None,
    split: str | None = None,
    caption_number: int = 1,
    options: TableOptions = STRICT,
) -> PairTable:
    """Several tables as one set (see :func:`read_pairs`), e.g. AudioCaps' ``train.csv`` and ``val.csv``.

    Raises:
        ReaudioError: as there; or two tables share a clip_id.
    """
    found = [
        (
            as_path(table),
            read_pairs(table, audio_root=audio_root, split=split, caption_number=caption_number, options=options),
        )
        for table in tables
    ]
    return join_tables(found)


def join_tables(tables: Iterable[tuple[Path, PairTable]]) -> PairTable:
    """Several tables, with their paths, as one set.

    Raises:
        ReaudioError: two tables share a clip_id.
    """
    pairs: dict[str, Pair] = {}
    missing: list[str] = []
    notes: tuple[str, ...] = ()
    for path, found in tables:
        repeated = next((p.clip_id for p in found.pairs if p.clip_id in pairs), None)
        if repeated is not None:
            raise ReaudioError(f"{path}: the clip_id {repeated!r} is in an earlier table too: give every clip once.")
        pairs |= {p.clip_id: p for p in found.pairs}
        missing += found.missing
        notes += found.notes
    return PairTable(list(pairs.values()), missing, notes)


def read_prompts(table: StrPath, options: TableOptions = STRICT) -> PairTable:
    """Prompts from a CSV: ``clip_id, caption`` and optionally ``source_id`` (or ``youtube_id``) and ``split``.

    Raises:
        ReaudioError: the table is missing, damaged, not UTF-8, lacks a column, or has an empty, repeated or unusable value.
    """
    read = read_table(as_path(table), ["clip_id", "caption"], "the prompts", skip=options.skip, option=options.skip_option)
    return PairTable(_as_pairs(_checked(read).assign(audio=None)), [], read.notes)


def _general_rows(table: Table, root: Path) -> pd.DataFrame:
    """A row per pair: clip_id, caption, audio (a Path where its file should be, or None), source_id, split."""
    check_columns(table.path, list(table.rows.columns), GENERAL_COLUMNS)
    table.require_values("audio")
    rows = _checked(table)
    return rows.assign(audio=pd.Series([root / name.strip() for name in rows["audio"]], rows.index, dtype=object))


def _checked(table: Table) -> pd.DataFrame:
    """The rows with valid, distinct ids and captions, and with source_id and split, "" if the table has none."""
    table.require_ids()
    table.require_values("caption")
    table.require_unique(["clip_id"])
    rows = table.finish()
    source = next((c for c in ("source_id", "youtube_id") if c in rows.columns), None)
    return rows.assign(source_id=rows[source] if source else "", split=rows["split"] if "split" in rows.columns else "")


def _audiocaps_rows(table: Table, root: Path | None, caption_number: int, options: TableOptions) -> pd.DataFrame:
    """As :func:`_general_rows`, one row per clip."""
    if root is None:
        raise ReaudioError(f"{table.path} is a table of AudioCaps: name the folder of its clips with {options.root_option}.")
    check_captions(table)
    captions = table.finish()
    in_clip = captions.groupby("clip", sort=False)["caption"]
    chosen = captions[in_clip.cumcount() == (in_clip.transform("size").clip(upper=caption_number) - 1)]
    clips = chosen.assign(
        clip_id=clip_ids(chosen),
        source_id=chosen["youtube_id"],
        split=chosen["split"] if "split" in chosen.columns else table.path.stem if table.path.stem in SPLITS else "",
    )
    folders = [root / name for name in SPLITS if (root / name).is_dir()] or [root]
    audio = {stem: path for folder in folders for stem, path in find_clips(folder).items()}
    files = require_match(_file_names(clips, captions), audio, str(root)).files
    return clips.assign(audio=pd.Series([files.get(c) for c in clips["clip_id"]], clips.index, dtype=object))


def _file_names(clips: pd.DataFrame, captions: pd.DataFrame) -> Schemes:
    """Naming schemes of AudioCaps folders; a clip may be named after the id of any of its captions."""
    clip_id = captions["clip"].map(clips.set_index("clip")["clip_id"])
    return file_names(clips) | {"audiocap_id": dict(zip(captions["audiocap_id"], clip_id, strict=True))}


def _pairs(rows: pd.DataFrame, table: Path, options: TableOptions) -> PairTable:
    pairs = _as_pairs(rows)
    there = [pair for pair in pairs if pair.audio is not None and pair.audio.is_file()]
    if not there:
        looked_for = pairs[0].audio or f"a file named after the clip {pairs[0].clip_id}"
        raise ReaudioError(
            f"None of the {len(pairs)} audio files of {table} exists, the first would be {looked_for}: name their "
            f"folder with {options.root_option}."
        )
    found = {pair.clip_id for pair in there}
    return PairTable(there, [pair.clip_id for pair in pairs if pair.clip_id not in found])


def _as_pairs(rows: pd.DataFrame) -> list[Pair]:
    columns = (rows[name] for name in ("clip_id", "caption", "audio", "source_id", "split"))
    return [
        Pair(clip_id, caption.strip(), audio, source_id, split)
        for clip_id, caption, audio, source_id, split in zip(*columns, strict=True)
    ]
