"""Tables of AudioCaps: joined, or official with AudioSet's segment lists."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.prompts.datasets._tables import LabelSet, read_class_list
from reaudio_model.common.audiocaps import CAPTION_COLUMNS, SPLITS, check_captions, with_clip
from reaudio_model.common.csv_files import read_records
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.tables import Table, read_table

JOINED = ("audiocaps_labelled.csv", "audioset_classes.csv")
OFFICIAL_CLASSES = "class_labels_indices.csv"
SEGMENTS = ("unbalanced_train_segments.csv", "balanced_train_segments.csv", "eval_segments.csv")
SEGMENT_COLUMNS = ["youtube_id", "start_time", "end_time", "labels"]
NO_SEGMENT = "not a segment of AudioSet (YTID, start_seconds, end_seconds, positive_labels)"


@dataclass(frozen=True)
class AudioCapsTables:
    """The tables of a data root.

    Attributes:
        captions: a row per caption in file order, all strings: split, audiocap_id, youtube_id, start_time (whole seconds),
            caption, labels (";"-separated, "" if unknown), clip (youtube_id and start_time).
        classes: AudioSet's 527.
        notes: rows that were left out.
    """

    captions: pd.DataFrame
    classes: LabelSet
    notes: tuple[str, ...] = ()


def read_tables(root: Path | None, *, skip: bool = False, option: str = "--data-root") -> AudioCapsTables:
    """Tables of a folder with either of

    - ``audiocaps_labelled.csv`` (split, audiocap_id, youtube_id, start_time, caption, labels) and ``audioset_classes.csv``;
    - AudioCaps' ``train.csv``, ``val.csv``, ``test.csv`` and AudioSet's ``class_labels_indices.csv``, ``*_segments.csv``.

    Args:
        root: the folder.
        skip: leave faulty rows out.
        option: that names the folder, for messages.

    Raises:
        ReaudioError: no folder, or neither set of files in it; damaged tables (see ``tables.read_table``).
    """
    if root is None:
        raise ReaudioError(f"The dataset audiocaps needs {option}, the folder with its CSV files.")
    if not root.is_dir():
        raise ReaudioError(f"{option} {root} is not a folder.")
    if (root / JOINED[0]).is_file():
        return _read_joined(root, skip)
    if any((root / f"{split}.csv").is_file() for split in SPLITS):
        return _read_official(root, skip)
    raise ReaudioError(
        f"{option} {root} has no AudioCaps tables: looked for {' and '.join(JOINED)}, or for train.csv, val.csv and "
        f"test.csv with {OFFICIAL_CLASSES} and {SEGMENTS[0]}."
    )


def _read_joined(root: Path, skip: bool) -> AudioCapsTables:
    what = "the captions of AudioCaps with their labels"
    table = read_table(root / JOINED[0], ["split", *CAPTION_COLUMNS, "labels"], what, skip=skip)
    classes = read_class_list(root / JOINED[1])
    check_captions(table, within=("split",))
    _check_labels(table, classes, {})
    return AudioCapsTables(table.finish(), classes, table.notes)


def _read_official(root: Path, skip: bool) -> AudioCapsTables:
    tables = [
        read_table(root / f"{split}.csv", CAPTION_COLUMNS, f"the {split} captions of AudioCaps", skip=skip)
        for split in SPLITS
    ]
    for table in tables:
        check_captions(table)
    parts = [t.finish()[[*CAPTION_COLUMNS, "clip"]].assign(split=split) for t, split in zip(tables, SPLITS, strict=True)]
    captions = pd.concat(parts, ignore_index=True)
    classes = read_class_list(root / OFFICIAL_CLASSES)
    labels, notes = _segment_labels(root, set(captions["youtube_id"]), classes, skip)
    captions["labels"] = captions["clip"].map(labels).fillna("")
    return AudioCapsTables(captions, classes, (*(note for t in tables for note in t.notes), *notes))


def _check_labels(table: Table, classes: LabelSet, known: dict[str, str]) -> None:
    """Mark rows with unknown labels, and with other labels than an earlier row of the same clip; ``known``: clip -> labels, grows."""
    table.parsed("labels", classes.parse)
    rows = table.sound
    for row, clip, labels in zip(rows.index, rows["clip"], rows["labels"], strict=True):
        if known.setdefault(clip, labels) != labels:
            table.fault(row, f"the clip {clip!r} has other labels than before")


def _segment_labels(
    root: Path, youtube_ids: Collection[str], classes: LabelSet, skip: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """clip (youtube_id and start) -> labels, from the segment lists that are there; and what was left out."""
    paths = [root / name for name in SEGMENTS if (root / name).is_file()]
    if not paths:
        raise ReaudioError(
            f"{root} has captions without labels: add AudioSet's {', '.join(SEGMENTS)} (the first is enough)."
        )
    labels: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    for path in paths:
        table = _read_segments(path, youtube_ids, skip)
        table.rows["labels"] = table.rows["labels"].str.replace(",", ";", regex=False)
        _check_labels(table, classes, labels)
        table.finish()
        notes += table.notes
    return labels, notes


def _read_segments(path: Path, youtube_ids: Collection[str], skip: bool) -> Table:
    """Rows of the wanted videos, and those that are no segments; the file has millions of others, and lines that start with "#"."""

    def is_wanted(cells: list[str]) -> bool:
        return len(cells) != len(SEGMENT_COLUMNS) or not cells[3].startswith("/") or cells[0] in youtube_ids

    table = Table(path, skip)
    table.fill(SEGMENT_COLUMNS, read_records(path, "a segment list", comment="#", skip_spaces=True), is_wanted)
    if not table.n_rows:
        raise ReaudioError(f"{path} has no segments: download AudioSet's {path.name} again, or remove it.")
    table.require("labels", lambda labels: labels.startswith("/"), NO_SEGMENT)
    with_clip(table)
    return table
