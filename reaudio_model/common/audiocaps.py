"""Clip names in AudioCaps tables and audio folders."""

from __future__ import annotations

import math

import pandas as pd

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import Schemes, caption_names, unambiguous
from reaudio_model.common.tables import Table, shown

SPLITS = ("train", "val", "test")
CAPTION_COLUMNS = ["audiocap_id", "youtube_id", "start_time", "caption"]
CLIP_SECONDS = 10
MAX_START = 10**7  # seconds; no video is that long


def check_captions(table: Table, *, within: tuple[str, ...] = ()) -> None:
    """Check a table of AudioCaps' captions, and add the column ``clip`` (see :func:`with_clip`).

    Args:
        table: with ``CAPTION_COLUMNS``.
        within: columns that an audiocap_id is unique in, e.g. the split.
    """
    for column in ("audiocap_id", "youtube_id", "caption"):
        table.require_values(column)
    table.require_unique(["audiocap_id", *within])
    with_clip(table)


def with_clip(table: Table) -> None:
    """Bring start_time to whole seconds and add the column ``clip``: youtube_id and start, the same in every release; both are "" where
    there is no start."""
    parsed = table.parsed("start_time", whole_seconds)
    rows = table.rows
    starts = [parsed.get(row, "") for row in rows.index]
    clips = [f"{video}_{start}" if start else "" for video, start in zip(rows["youtube_id"], starts, strict=True)]
    columns = {"start_time": starts, "clip": clips}
    table.rows = rows.assign(**{name: pd.Series(values, rows.index, dtype=object) for name, values in columns.items()})


def whole_seconds(text: str) -> str:
    """The text of a whole number of seconds for "30", "30.0" and "30.000".

    Raises:
        ReaudioError: other text.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_START:
        raise ReaudioError(f"start_time {shown(text)} is not a number of seconds")
    return str(int(seconds))


def clip_ids(clips: pd.DataFrame) -> pd.Series[str]:
    """The clip_id of each row (one per clip): its youtube_id, with the start where several clips share a video."""
    shared = clips["youtube_id"].duplicated(keep=False)
    return clips["youtube_id"].where(~shared, clips["clip"])


def file_names(clips: pd.DataFrame, owner: str = "clip_id") -> Schemes:
    """Naming schemes of published folders of AudioCaps audio: scheme -> file stem -> ``owner``.

    Args:
        clips: a row per clip: clip_id, caption, youtube_id, audiocap_id, start_time and clip, "" where unknown.
        owner: the column that names are resolved to.
    """
    owners, video, caption = clips[owner], clips["youtube_id"], clips["audiocap_id"]
    clip = clips["clip"][clips["clip"] != ""]
    start = clips["start_time"][clip.index].astype(int)
    last = (start + CLIP_SECONDS).astype(str)
    first_ms, last_ms = (start * 1000).astype(str), last + "000"
    stems = {
        "clip_id": clips["clip_id"],
        "youtube_id": video[video != ""],
        "Y + youtube_id": "Y" + video[video != ""],
        "audiocap_id": caption[caption != ""],
        "youtube_id_start": clip,
        "youtube_id_start_end": clip + "_" + last,
        "youtube_id_start_end in milliseconds": video[clip.index] + "_" + first_ms + "_" + last_ms,
        "youtube_id_start in milliseconds": video[clip.index] + "_" + first_ms,
        "Y + youtube_id_start": "Y" + clip,
        "Y + youtube_id_start_end": "Y" + clip + "_" + last,
    }
    found = {scheme: unambiguous(zip(names, owners[names.index], strict=True)) for scheme, names in stems.items()}
    return found | caption_names(zip(owners, clips["caption"], strict=True))
