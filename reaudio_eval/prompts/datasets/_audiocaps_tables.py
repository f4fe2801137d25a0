"""Tables of AudioCaps: joined, or official with AudioSet's segment lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.prompts.datasets._tables import LabelSet, read_class_list
from reaudio_model.common.audiocaps import CAPTION_COLUMNS, SPLITS, with_clip
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.tables import read_table

JOINED = ("audiocaps_labelled.csv", "audioset_classes.csv")
OFFICIAL_CLASSES = "class_labels_indices.csv"
SEGMENTS = ("unbalanced_train_segments.csv", "balanced_train_segments.csv", "eval_segments.csv")
SEGMENT_COLUMNS = ["youtube_id", "start_time", "end_time", "labels"]
CHUNK_ROWS = 250_000


@dataclass(frozen=True)
class AudioCapsTables:
    """The tables of a data root.

    Attributes:
        captions: a row per caption in file order, all strings: split, audiocap_id, youtube_id, start_time (whole seconds),
            caption, labels (";"-separated, "" if unknown), clip (youtube_id and start_time).
        classes: AudioSet's 527.
        source: the file or folder to name in messages.
    """

    captions: pd.DataFrame
    classes: LabelSet
    source: Path


def read_tables(root: Path | None) -> AudioCapsTables:
    """Tables of a folder with either of

    - ``audiocaps_labelled.csv`` (split, audiocap_id, youtube_id, start_time, caption, labels) and ``audioset_classes.csv``;
    - AudioCaps' ``train.csv``, ``val.csv``, ``test.csv`` and AudioSet's ``class_labels_indices.csv``, ``*_segments.csv``.

    Raises:
        ReaudioError: no folder, or neither set of files in it; damaged tables (see ``tables.read_table``).
    """
    if root is None:
        raise ReaudioError("The dataset audiocaps needs --data-root, the folder with its CSV files.")
    if not root.is_dir():
        raise ReaudioError(f"--data-root {root} is not a folder.")
    if (root / JOINED[0]).is_file():
        return _read_joined(root)
    if any((root / f"{split}.csv").is_file() for split in SPLITS):
        return _read_official(root)
    raise ReaudioError(
        f"--data-root {root} has no AudioCaps tables: looked for {' and '.join(JOINED)}, or for train.csv, val.csv and "
        f"test.csv with {OFFICIAL_CLASSES} and {SEGMENTS[0]}."
    )


def _read_joined(root: Path) -> AudioCapsTables:
    path = root / JOINED[0]
    captions = read_table(path, ["split", *CAPTION_COLUMNS, "labels"], "the captions of AudioCaps with their labels")
    return AudioCapsTables(with_clip(captions, path), read_class_list(root / JOINED[1]), path)


def _read_official(root: Path) -> AudioCapsTables:
    paths = {split: root / f"{split}.csv" for split in SPLITS}
    tables = [
        read_table(path, CAPTION_COLUMNS, f"the {split} captions of AudioCaps")[CAPTION_COLUMNS].assign(split=split)
        for split, path in paths.items()
    ]
    captions = with_clip(pd.concat(tables, ignore_index=True), root)
    labels = _segment_labels(root, set(captions["youtube_id"]))
    captions["labels"] = captions["clip"].map(labels).fillna("")
    return AudioCapsTables(captions, read_class_list(root / OFFICIAL_CLASSES), root)


def _segment_labels(root: Path, youtube_ids: set[str]) -> pd.Series[str]:
    """clip (youtube_id and start) -> labels, from the segment lists that are there."""
    paths = [root / name for name in SEGMENTS if (root / name).is_file()]
    if not paths:
        raise ReaudioError(
            f"{root} has captions without labels: add AudioSet's {', '.join(SEGMENTS)} (the first is enough)."
        )
    parts = [part for path in paths for part in _read_segments(path, youtube_ids)]
    table = with_clip(pd.concat(parts, ignore_index=True), root).drop_duplicates("clip")
    return table.set_index("clip")["labels"].str.replace(",", ";", regex=False)


def _read_segments(path: Path, youtube_ids: set[str]) -> list[pd.DataFrame]:
    """Rows of the wanted videos; the file has millions of others, and lines starting with "#" above them."""
    parts = []
    try:
        with path.open(encoding="utf-8") as file:
            n_comments = next((i for i, line in enumerate(file) if not line.startswith("#")), 0)
        for chunk in pd.read_csv(
            path,
            skiprows=n_comments,
            header=None,
            names=SEGMENT_COLUMNS,
            dtype=str,
            skipinitialspace=True,
            chunksize=CHUNK_ROWS,
        ):
            # Unquoted labels shift the columns; pandas then takes the first for an index.
            if not isinstance(chunk.index, pd.RangeIndex) or not chunk["labels"].str.startswith("/", na=False).all():
                raise _not_segments(path)
            parts.append(chunk[chunk["youtube_id"].isin(youtube_ids)])
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        raise _not_segments(path) from error
    return parts


def _not_segments(path: Path) -> ReaudioError:
    return ReaudioError(
        f"{path} is not a segment list of AudioSet (YTID, start_seconds, end_seconds, positive_labels in UTF-8)."
    )
