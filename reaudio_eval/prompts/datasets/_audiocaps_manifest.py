"""Manifests of clips made from captions of AudioCaps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reaudio_eval.prompts.dataset import ALL_SPLITS
from reaudio_eval.prompts.datasets._audiocaps_tables import AudioCapsTables
from reaudio_model.common.audiocaps import with_clip
from reaudio_model.common.naming import caption_key
from reaudio_model.common.tables import Table, read_table, shown

# Optional columns of a manifest, with the same value on every row of a clip.
FACTS = ("caption", "audiocap_id", "youtube_id", "start_time", "labels", "match")
RECORDING = ["youtube_id", "start_time", "clip"]  # columns that name the recording


class Manifest(NamedTuple):
    """clips: a row per clip (see :func:`read_manifest`); notes: what was looked up by which name, and what was left out."""

    clips: pd.DataFrame
    notes: tuple[str, ...]


class Found(NamedTuple):
    """What the tables say of a clip.

    recordings: those that it may be, as their column ``clip``; by: the name that was looked up; contradictory: its names are of
    different recordings.
    """

    recordings: tuple[str, ...] = ()
    by: str = ""
    contradictory: bool = False


def read_manifest(tables: AudioCapsTables, path: Path, split: str, *, skip: bool = False) -> Manifest:
    """The clips of a manifest: clip_id, caption and optionally audiocap_id, youtube_id, start_time, labels, match and system.

    Labels and recording are looked up by audiocap_id, youtube_id (and start), or the exact caption, in that order. The clip_id counts as
    an audiocap_id or as a name of the recording where most clip ids of the manifest are such names.

    Args:
        tables: of AudioCaps.
        path: the manifest.
        split: its captions are preferred where a caption is looked up; of "all" none are.
        skip: leave faulty rows out.

    Returns:
        A row per clip: clip_id, caption, labels (tuple), known, ambiguous, and where known, else "", audiocap_id, youtube_id, start_time
        and clip.

    Raises:
        ReaudioError: see ``tables.read_table``; rows of one clip that disagree, an unknown label.
    """
    table = read_table(path, ["clip_id", "caption"], "the manifest of clips", skip=skip)
    table.require_ids()
    table.require_values("caption")
    table.require_unique([c for c in ("clip_id", "system") if c in table.rows.columns])
    _check_rows_of_clips(table)
    _check_starts(table)
    given = table.parsed("labels", tables.classes.parse) if "labels" in table.rows.columns else {}
    table.rows = table.rows.assign(**{c: "" for c in FACTS if c not in table.rows.columns})
    clips = table.finish().drop_duplicates("clip_id")[["clip_id", *FACTS, "clip"]]
    found = _Names(tables.captions, clips, split).look_up()
    by_clip = {clip: tables.classes.parse(cell) for clip, cell in _labels_of(tables.captions).items()}
    labels, ambiguous = [], []
    for row, each, match in zip(clips.index, found, clips["match"], strict=True):
        possible = {by_clip[clip] for clip in each.recordings}
        unsure = each.contradictory or len(possible) > 1
        stated = given.get(row, ())
        labels.append(stated or (() if unsure else next(iter(possible), ())))
        ambiguous.append(match == "ambiguous" or (unsure and not stated))
    clips = _with_recordings(clips, found, tables.captions)
    clips = clips.assign(labels=pd.Series(labels, clips.index, dtype=object), ambiguous=ambiguous)
    return Manifest(clips.assign(known=clips["labels"].map(bool) & ~clips["ambiguous"]), (*_notes(found), *table.notes))


def _check_rows_of_clips(table: Table) -> None:
    """Mark rows that say something else of a clip than its first row."""
    rows = table.sound
    clips = rows.drop_duplicates("clip_id").set_index("clip_id")
    for column in [c for c in FACTS if c in rows.columns]:
        first = rows["clip_id"].map(clips[column])
        for row in rows.index[rows[column] != first]:
            clip, here, before = (shown(str(v)) for v in (rows.at[row, "clip_id"], rows.at[row, column], first[row]))
            table.fault(row, f"the clip {clip} has the {column} {here} here and {before} before; make them agree")


def _check_starts(table: Table) -> None:
    """Add the column ``clip`` where a row names a video and a start."""
    rows = table.rows.assign(**{c: "" for c in ("youtube_id", "start_time") if c not in table.rows.columns})
    table.rows = rows.assign(
        start_time=rows["start_time"].where((rows["youtube_id"] != "") & (rows["start_time"] != ""), "0")
    )
    with_clip(table)
    untimed = (rows["youtube_id"] == "") | (rows["start_time"] == "")
    table.rows[["start_time", "clip"]] = table.rows[["start_time", "clip"]].mask(untimed, "")


def _labels_of(captions: pd.DataFrame) -> Mapping[str, str]:
    rows = captions.drop_duplicates("clip")
    return dict(zip(rows["clip"], rows["labels"], strict=True))


class _Names:
    """Names of recordings in the tables, and those that the clips of a manifest have."""

    def __init__(self, captions: pd.DataFrame, clips: pd.DataFrame, split: str) -> None:
        self._clips = clips
        self._by_id = _index(zip(captions["audiocap_id"], captions["clip"], strict=True))
        self._by_video = _index(zip(captions["youtube_id"], captions["clip"], strict=True))
        self._by_caption = _index(zip(captions["caption"].str.strip(), captions["clip"], strict=True))
        own = captions if split == ALL_SPLITS else captions[captions["split"] == split]
        self._by_own_caption = _index(zip(own["caption"].str.strip(), own["clip"], strict=True))
        self._captions = dict(zip(captions["audiocap_id"], captions["caption"], strict=True))
        self._known = set(captions["clip"])
        self._ids_are = self._meaning_of_ids()

    def look_up(self) -> list[Found]:
        """For every clip of the manifest, in its order."""
        columns = (self._clips[c] for c in ("clip_id", "caption", "audiocap_id", "youtube_id", "clip"))
        return [self._find(*row) for row in zip(*columns, strict=True)]

    def _meaning_of_ids(self) -> str:
        """What most clip ids are: "audiocap_id", "youtube_id", or "" for names of their own.

        An audiocap_id is a number, which a name of another meaning can be too: only those whose caption is the same count.
        """
        rows = list(zip(self._clips["clip_id"], self._clips["caption"], strict=True))
        n = {
            "audiocap_id": sum(caption_key(self._captions.get(name, "")) == caption_key(caption) for name, caption in rows),
            "youtube_id": sum(bool(self._of_video_name(clip_id)) for clip_id, _ in rows),
        }
        best = max(n, key=lambda name: n[name])
        return best if 2 * n[best] > len(rows) else ""

    def _find(self, clip_id: str, caption: str, audiocap_id: str, video: str, clip: str) -> Found:
        stated = self._of_recording(video, clip)
        by_id = self._by_id.get(audiocap_id, ()) if audiocap_id else ()
        if by_id:
            return Found(by_id, "audiocap_id", contradictory=bool(video) and not set(by_id) & set(stated))
        if video:
            return Found(stated, "youtube_id" if stated else "")
        if self._ids_are == "audiocap_id" and clip_id in self._by_id:
            return Found(self._by_id[clip_id], "the audiocap_id in clip_id")
        if self._ids_are == "youtube_id" and self._of_video_name(clip_id):
            return Found(self._of_video_name(clip_id), "the youtube_id in clip_id")
        exact = caption.strip()
        by_caption = self._by_own_caption.get(exact) or self._by_caption.get(exact, ())
        return Found(by_caption, "the exact caption" if by_caption else "")

    def _of_recording(self, video: str, clip: str) -> tuple[str, ...]:
        if clip:
            return (clip,) if clip in self._known else ()
        return self._by_video.get(video, ()) if video else ()

    def _of_video_name(self, name: str) -> tuple[str, ...]:
        """Recordings that a name in the style of a youtube_id stands for, with or without "Y" before or the start behind it."""
        if name in self._known:
            return (name,)
        return self._by_video.get(name) or self._by_video.get(name.removeprefix("Y"), ())


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Name -> the recordings with it, each once."""
    found: dict[str, dict[str, None]] = {}
    for name, clip in pairs:
        found.setdefault(name, {})[clip] = None
    return {name: tuple(clips) for name, clips in found.items()}


def _with_recordings(clips: pd.DataFrame, found: list[Found], captions: pd.DataFrame) -> pd.DataFrame:
    """The clips with the recording that was found, where there is exactly one and none was stated."""
    facts = captions.drop_duplicates("clip").set_index("clip", drop=False)
    sure = [each.recordings[0] if len(each.recordings) == 1 and not each.contradictory else "" for each in found]
    one = pd.Series(sure, clips.index, dtype=object)
    new = (clips["clip"] == "") & (one != "")
    filled = clips.copy()
    for column in RECORDING:
        filled.loc[new, column] = one[new].map(facts[column])
    return filled


def _notes(found: list[Found]) -> list[str]:
    """How recordings were found, where the manifest does not name them; and names that contradict each other."""
    notes = []
    for name in ("the audiocap_id in clip_id", "the youtube_id in clip_id", "the exact caption"):
        n = sum(each.by == name for each in found)
        if n:
            notes.append(f"The recording and labels of {n} of {len(found)} clips were looked up by {name}.")
    n = sum(each.contradictory for each in found)
    if n:
        notes.append(f"{n} of {len(found)} clips have an audiocap_id and a youtube_id of different recordings.")
    return notes
