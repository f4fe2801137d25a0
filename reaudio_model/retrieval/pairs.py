"""Reading (text, audio) pairs and prompts from tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reaudio_model.common.audio import find_clips
from reaudio_model.common.audiocaps import CAPTION_COLUMNS, SPLITS, clip_ids, file_names, with_clip
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.files import StrPath, as_path
from reaudio_model.common.naming import require_match
from reaudio_model.common.tables import read_table, require_ids, require_unique, require_values
from reaudio_model.retrieval.records import Pair

GENERAL_COLUMNS = ["clip_id", "caption", "audio"]
_NOT_WORDS = re.compile(r"[\W_]+")


class PairTable(NamedTuple):
    """pairs: those with an audio file, in table order; missing: clip ids without a file."""

    pairs: list[Pair]
    missing: list[str]


def read_pairs(
    table: StrPath, *, audio_root: StrPath | None = None, split: str | None = None, caption_number: int = 1
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

    Raises:
        ReaudioError: the table is missing, damaged, not UTF-8, lacks a column, or has an empty, repeated or unusable value
            (the row is named); an unknown split; no audio folder, or none of the clips in it; a caption number below 1.
    """
    if caption_number < 1:
        raise ReaudioError(f"The caption number counts from 1, not {caption_number}.")
    table, root = as_path(table), None if audio_root is None else as_path(audio_root)
    rows = read_table(table, ["caption"], "the (text, audio) pairs")
    if "audio" in rows.columns:
        rows = _general_rows(table, root or table.parent)
    elif set(CAPTION_COLUMNS) <= set(rows.columns):
        rows = _audiocaps_rows(table, root, caption_number)
    else:
        raise ReaudioError(
            f"{table} needs the columns {', '.join(GENERAL_COLUMNS)}, or AudioCaps' {', '.join(CAPTION_COLUMNS)}; "
            f"it has {', '.join(rows.columns)}."
        )
    if split is not None:
        rows = rows[rows["split"] == one_of("split", split, rows["split"].unique().tolist())]
    return _pairs(rows, table)


def read_pair_tables(
    tables: Iterable[StrPath], *, audio_root: StrPath | None = None, split: str | None = None, caption_number: int = 1
) -> PairTable:
    """Several tables as one set (see :func:`read_pairs`), e.g. AudioCaps' ``train.csv`` and ``val.csv``.

    Raises:
        ReaudioError: as there; or two tables share a clip_id.
    """
    pairs: dict[str, Pair] = {}
    missing: list[str] = []
    for table in tables:
        found = read_pairs(table, audio_root=audio_root, split=split, caption_number=caption_number)
        repeated = next((p.clip_id for p in found.pairs if p.clip_id in pairs), None)
        if repeated is not None:
            raise ReaudioError(f"{table}: the clip_id {repeated!r} is in an earlier table too: give every clip once.")
        pairs |= {p.clip_id: p for p in found.pairs}
        missing += found.missing
    return PairTable(list(pairs.values()), missing)


def read_prompts(table: StrPath) -> list[Pair]:
    """Prompts from a CSV: ``clip_id, caption`` and optionally ``source_id`` (or ``youtube_id``) and ``split``.

    Raises:
        ReaudioError: the table is missing, damaged, not UTF-8, lacks a column, or has an empty, repeated or unusable value.
    """
    table = as_path(table)
    rows = _checked(read_table(table, ["clip_id", "caption"], "the prompts"), table)
    return _as_pairs(rows.assign(audio=None))


def caption_key(caption: str) -> str:
    """A caption for comparison: lower case, without punctuation, single spaces."""
    return _NOT_WORDS.sub(" ", caption.casefold()).strip()


def _general_rows(table: Path, root: Path) -> pd.DataFrame:
    """A row per pair: clip_id, caption, audio (a Path where its file should be, or None), source_id, split."""
    rows = _checked(read_table(table, GENERAL_COLUMNS, "the (text, audio) pairs"), table)
    require_values(rows, "audio", table)
    return rows.assign(audio=pd.Series([root / name.strip() for name in rows["audio"]], rows.index, dtype=object))


def _checked(rows: pd.DataFrame, table: Path) -> pd.DataFrame:
    """The rows with valid, distinct ids and captions, and with source_id and split, "" if the table has none."""
    require_ids(rows, table)
    require_values(rows, "caption", table)
    require_unique(rows, ["clip_id"], table)
    source = next((c for c in ("source_id", "youtube_id") if c in rows.columns), None)
    return rows.assign(
        source_id=rows[source].str.strip() if source else "",
        split=rows["split"].str.strip() if "split" in rows.columns else "",
    )


def _audiocaps_rows(table: Path, root: Path | None, caption_number: int) -> pd.DataFrame:
    """As :func:`_general_rows`, one row per clip."""
    if root is None:
        raise ReaudioError(f"{table} is a table of AudioCaps: name the folder of its clips with --audio-root.")
    captions = with_clip(read_table(table, CAPTION_COLUMNS, "the captions of AudioCaps"), table)
    for column in ("youtube_id", "caption"):
        require_values(captions, column, table)
    require_unique(captions, ["audiocap_id"], table)
    in_clip = captions.groupby("clip", sort=False)["caption"]
    chosen = captions[in_clip.cumcount() == (in_clip.transform("size").clip(upper=caption_number) - 1)]
    clips = chosen.assign(
        clip_id=clip_ids(chosen),
        source_id=chosen["youtube_id"],
        split=chosen["split"] if "split" in chosen.columns else table.stem if table.stem in SPLITS else "",
    )
    folders = [root / name for name in SPLITS if (root / name).is_dir()] or [root]
    audio = {stem: path for folder in folders for stem, path in find_clips(folder).items()}
    files = require_match(_file_names(clips, captions), audio, str(root)).files
    return clips.assign(audio=pd.Series([files.get(c) for c in clips["clip_id"]], clips.index, dtype=object))


def _file_names(clips: pd.DataFrame, captions: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Naming schemes of AudioCaps folders; a clip may be named after the id of any of its captions."""
    clip_id = captions["clip"].map(clips.set_index("clip")["clip_id"])
    return file_names(clips) | {"audiocap_id": dict(zip(captions["audiocap_id"], clip_id, strict=True))}


def _pairs(rows: pd.DataFrame, table: Path) -> PairTable:
    pairs = _as_pairs(rows)
    there = [pair for pair in pairs if pair.audio is not None and pair.audio.is_file()]
    if not there:
        looked_for = pairs[0].audio or f"a file named after the clip {pairs[0].clip_id}"
        raise ReaudioError(
            f"None of the {len(pairs)} audio files of {table} exists, the first would be {looked_for}: see --audio-root."
        )
    found = {pair.clip_id for pair in there}
    return PairTable(there, [pair.clip_id for pair in pairs if pair.clip_id not in found])


def _as_pairs(rows: pd.DataFrame) -> list[Pair]:
    columns = (rows[name] for name in ("clip_id", "caption", "audio", "source_id", "split"))
    return [
        Pair(clip_id, caption.strip(), audio, source_id, split)
        for clip_id, caption, audio, source_id, split in zip(*columns, strict=True)
    ]
