"""Clip names in AudioCaps tables and audio folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import unambiguous

SPLITS = ("train", "val", "test")
CAPTION_COLUMNS = ["audiocap_id", "youtube_id", "start_time", "caption"]
CLIP_SECONDS = 10


def with_clip(captions: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with start_time in whole seconds and a column ``clip``: youtube_id and start, the same in every release."""
    captions["start_time"] = whole_seconds(captions["start_time"], path)
    return captions.assign(clip=captions["youtube_id"] + "_" + captions["start_time"])


def whole_seconds(column: pd.Series[str], path: Path) -> pd.Series[str]:
    """The text of a whole number of seconds for "30", "30.0" and "30.000"; other text is a ReaudioError."""
    seconds = pd.to_numeric(column, errors="coerce")
    bad = column.index[seconds.isna()]
    if len(bad):
        raise ReaudioError(f"{path} row {bad[0] + 1}: start_time {column[bad[0]]!r} is not a number of seconds.")
    return seconds.astype(int).astype(str)


def clip_ids(clips: pd.DataFrame) -> pd.Series[str]:
    """The clip_id of each row (one per clip): its youtube_id, with the start where several clips share a video."""
    shared = clips["youtube_id"].duplicated(keep=False)
    return clips["youtube_id"].where(~shared, clips["clip"])


def file_names(clips: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Naming schemes of published folders of AudioCaps audio: scheme -> file stem -> clip_id.

    Args:
        clips: a row per clip: clip_id, youtube_id, audiocap_id, start_time and clip, "" where unknown.
    """
    clip_id, video, caption = clips["clip_id"], clips["youtube_id"], clips["audiocap_id"]
    clip = clips["clip"][clips["clip"] != ""]
    start = clips["start_time"][clip.index].astype(float).astype(int)
    first, last = start.astype(str), (start + CLIP_SECONDS).astype(str)
    stems = {
        "clip_id": clip_id,
        "youtube_id": video[video != ""],
        "Y + youtube_id": "Y" + video[video != ""],
        "audiocap_id": caption[caption != ""],
        "youtube_id_start": clip,
        "youtube_id_start_end": clip + "_" + last,
        "youtube_id_start_end in milliseconds": video[clip.index] + "_" + first + "000_" + last + "000",
    }
    return {scheme: unambiguous(zip(names, clip_id[names.index], strict=True)) for scheme, names in stems.items()}
