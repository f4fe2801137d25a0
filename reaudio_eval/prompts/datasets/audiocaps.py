"""AudioCaps with AudioSet's labels (326 classes in training).

``--data-root`` holds the tables (see ``_audiocaps_tables.read_tables``). Kim et al., "AudioCaps: Generating Captions for
Audios in The Wild", NAACL 2019; Gemmeke et al., "Audio Set", ICASSP 2017.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.datasets import DatasetOptions, DatasetPlugin, SplitLabels
from reaudio_eval.prompts.datasets._audiocaps_tables import AudioCapsTables, read_tables
from reaudio_eval.prompts.datasets._tables import AUDIOSET
from reaudio_model.common.audio import find_clips
from reaudio_model.common.audiocaps import clip_ids, file_names, whole_seconds
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.naming import require_match, unambiguous
from reaudio_model.common.tables import read_table, require_ids, require_unique, require_values

# Optional columns of a manifest, with the same value on every row of a clip.
MANIFEST_FACTS = ("caption", "audiocap_id", "youtube_id", "start_time", "labels", "match")


class AudioCaps(DatasetPlugin):
    """AudioCaps on disk."""

    def load(self, options: DatasetOptions) -> Dataset:
        """AudioCaps prompts with labels, training counts and, where a folder is given, references.

        ``options.captions`` picks the n-th caption of each clip in file order. ``options.clip_manifest`` replaces the clips of
        the split by those of a CSV: clip_id, caption and optionally audiocap_id, youtube_id, start_time, labels, match
        ("ambiguous" labels are not trusted) and system, with a row per clip or one per clip and system.

        Raises:
            ReaudioError: tables missing, damaged or contradictory; unknown split, label, or caption number; no reference fits.
        """
        tables = read_tables(options.data_root)
        clips = _clips(tables, options)
        schemes = file_names(clips)
        notes = _label_notes(clips)
        references: Mapping[str, Path] = {}
        if options.references is not None:
            names = schemes | {"the audiocap_id of any caption": _reference_names(tables, clips)}
            match = require_match(names, find_clips(options.references), str(options.references))
            references = match.files
            notes.append(f"{len(references)} of {len(clips)} references found, their files named by {match.scheme}.")
        train_counts = _train_counts(tables)
        return Dataset(
            name="audiocaps",
            split=options.split,
            prompts=_prompts(clips),
            train_counts=train_counts,
            label_names=tables.classes.names,
            references=references,
            vocabulary=tables.classes.ids,
            vocabulary_name=AUDIOSET,
            file_names=schemes,
            notes=tuple(notes),
            pool_counts=train_counts,  # the default pool is the training split
        )

    def split_labels(self, options: DatasetOptions) -> SplitLabels:
        """The labels of every clip of every split, a clip once however many captions it has."""
        tables = read_tables(options.data_root)
        splits = tables.captions["split"]
        return SplitLabels(
            names={label: tables.classes.names[label] for label in tables.classes.ids},
            clips={str(split): _clip_labels(tables, split) for split in splits.unique()},
            n_captions={str(split): int(n) for split, n in splits.value_counts().items()},
        )


PLUGIN = AudioCaps()


def _train_counts(tables: AudioCapsTables) -> dict[str, int]:
    """Label id -> distinct training clips that carry it."""
    return dict(Counter(label for labels in _clip_labels(tables, "train") for label in labels))


def _clip_labels(tables: AudioCapsTables, split: str) -> list[tuple[str, ...]]:
    return _parse(tables, tables.captions[tables.captions["split"] == split].drop_duplicates("clip"))


def _parse(tables: AudioCapsTables, rows: pd.DataFrame) -> list[tuple[str, ...]]:
    cells = zip(rows["clip"], rows["labels"], strict=True)
    return [tables.classes.parse(cell, f"{tables.source}, clip {clip}") for clip, cell in cells]


def _clips(tables: AudioCapsTables, options: DatasetOptions) -> pd.DataFrame:
    """A row per clip: clip_id, caption, labels (tuple), known, ambiguous, and where known, else "", audiocap_id, youtube_id,
    start_time and clip (video and start)."""
    split = one_of("split", options.split, tables.captions["split"].unique().tolist())
    if options.clip_manifest is None:
        return _split_clips(tables, split, options.captions)
    if options.captions != 1:
        raise ReaudioError(
            "--captions chooses among AudioCaps' own; a --clip-manifest brings its captions: drop one of them."
        )
    return _manifest_clips(tables, options.clip_manifest)


def _split_clips(tables: AudioCapsTables, split: str, number: int) -> pd.DataFrame:
    """A row per clip of the split, with its ``number``-th caption; the same order of clips for every number."""
    rows = tables.captions[tables.captions["split"] == split]
    require_unique(rows, ["audiocap_id"], tables.source)
    by_clip = rows.groupby("clip", sort=False)
    fewest = by_clip.size().min()
    if not 1 <= number <= fewest:
        raise ReaudioError(f"--captions {number}: every clip of {split} has {fewest}, so give a number from 1 to {fewest}.")
    chosen = rows[by_clip.cumcount() == number - 1].set_index("clip", drop=False)
    clips = chosen.loc[rows["clip"].unique()].reset_index(drop=True)
    return clips.assign(
        clip_id=clip_ids(clips),
        labels=pd.Series(_parse(tables, clips), clips.index),
        known=clips["labels"] != "",
        ambiguous=False,
    )


def _manifest_clips(tables: AudioCapsTables, path: Path) -> pd.DataFrame:
    """A row per clip of a manifest."""
    table = read_table(path, ["clip_id", "caption"], "the manifest of clips")
    require_ids(table, path)
    require_values(table, "caption", path)
    require_unique(table, [c for c in ("clip_id", "system") if c in table.columns], path)
    clips = _one_row_per_clip(table, path).reindex(columns=["clip_id", *MANIFEST_FACTS], fill_value="")
    timed = clips[(clips["youtube_id"] != "") & (clips["start_time"] != "")]
    clips["clip"] = (timed["youtube_id"] + "_" + whole_seconds(timed["start_time"], path)).reindex(
        clips.index, fill_value=""
    )
    cells = clips["labels"].where(clips["labels"].str.strip() != "", _look_up(tables.captions, clips))
    ambiguous = clips["match"] == "ambiguous"
    labels = [tables.classes.parse(cell, f"{path} row {row}") for row, cell in zip(cells.index + 1, cells, strict=True)]
    return clips.assign(labels=pd.Series(labels, clips.index), known=(cells != "") & ~ambiguous, ambiguous=ambiguous)


def _one_row_per_clip(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    clips = table.drop_duplicates("clip_id")
    for column in [c for c in MANIFEST_FACTS if c in table.columns]:
        first = table["clip_id"].map(clips.set_index("clip_id")[column])
        other = table.index[table[column] != first]
        if len(other):
            row = other[0]
            raise ReaudioError(
                f"{path} row {row + 1}: the clip {table.at[row, 'clip_id']!r} has the {column} {table.at[row, column]!r} "
                f"here and {first[row]!r} before; make them agree."
            )
    return clips


def _look_up(captions: pd.DataFrame, clips: pd.DataFrame) -> pd.Series[str]:
    """Labels by video and start (the same in every release), by video where no start is given, else by audiocap_id; "" where
    none is known."""
    keys = (captions[column] for column in ("clip", "youtube_id", "audiocap_id"))
    by_clip, by_video, by_caption = (unambiguous(zip(key, captions["labels"], strict=True)) for key in keys)
    rows = zip(clips["clip"], clips["youtube_id"], clips["audiocap_id"], strict=True)
    found = [
        (by_clip.get(clip) if clip else by_video.get(video)) or by_caption.get(caption, "") for clip, video, caption in rows
    ]
    return pd.Series(found, clips.index)


def _prompts(clips: pd.DataFrame) -> tuple[Prompt, ...]:
    rows = zip(*(clips[c] for c in ("clip_id", "caption", "labels", "known", "youtube_id")), strict=True)
    return tuple(Prompt(clip_id, caption, labels, bool(known), video) for clip_id, caption, labels, known, video in rows)


def _label_notes(clips: pd.DataFrame) -> list[str]:
    n_ambiguous = int(clips["ambiguous"].sum())
    n_unknown = int((~clips["known"]).sum()) - n_ambiguous
    counted = {"ambiguous labels": n_ambiguous, "no known labels": n_unknown}
    return [
        f"{n} of {len(clips)} clips have {what}: they count in the overall numbers and in no stratum."
        for what, n in counted.items()
        if n
    ]


def _reference_names(tables: AudioCapsTables, clips: pd.DataFrame) -> dict[str, str]:
    """A real clip may be called after the id of any of its captions; a generated one may not."""
    timed = clips["clip"] != ""
    by_clip = unambiguous(zip(clips["clip"][timed], clips["clip_id"][timed], strict=True))
    by_video = unambiguous(zip(clips["youtube_id"][~timed], clips["clip_id"][~timed], strict=True))
    rows = zip(*(tables.captions[c] for c in ("audiocap_id", "clip", "youtube_id")), strict=True)
    owners = ((caption, by_clip.get(clip) or by_video.get(video)) for caption, clip, video in rows)
    return unambiguous((caption, clip_id) for caption, clip_id in owners if clip_id is not None)
