"""AudioCaps with AudioSet's labels (326 classes in training).

``--data-root`` holds the tables (see ``_audiocaps_tables.read_tables``). Kim et al., "AudioCaps: Generating Captions for
Audios in The Wild", NAACL 2019; Gemmeke et al., "Audio Set", ICASSP 2017.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from reaudio_eval.prompts.dataset import ALL_SPLITS, Dataset, NumberedPrompt, Prompt
from reaudio_eval.prompts.datasets import DatasetOptions, DatasetPlugin, SplitLabels
from reaudio_eval.prompts.datasets._audiocaps_manifest import read_manifest
from reaudio_eval.prompts.datasets._audiocaps_tables import AudioCapsTables, read_tables
from reaudio_eval.prompts.datasets._tables import AUDIOSET
from reaudio_model.common.audio import find_clips
from reaudio_model.common.audiocaps import clip_ids, file_names
from reaudio_model.common.errors import ReaudioError, one_of
from reaudio_model.common.naming import (
    CAPTION,
    caption_key,
    caption_names,
    clip_id_names,
    match_names,
    require_match,
    unambiguous,
)


class AudioCaps(DatasetPlugin):
    """AudioCaps on disk."""

    def load(self, options: DatasetOptions) -> Dataset:
        """AudioCaps prompts with labels, training counts and, where a folder is given, references.

        ``options.captions`` picks the n-th caption of each clip in file order. ``options.clip_manifest`` replaces the clips of
        the split by those of a CSV (see ``_audiocaps_manifest.read_manifest``), with a row per clip or one per clip and system.

        Raises:
            ReaudioError: tables missing, damaged or contradictory; unknown split, label, or caption number; no reference fits.
        """
        tables = read_tables(options.data_root, skip=options.skip_bad_rows)
        clips, found = _clips(tables, options)
        notes = _label_notes(clips) + found
        references: Mapping[str, Path] = {}
        if options.references is not None:
            references, scheme = _references(tables, clips, options.references)
            notes.append(f"{len(references)} of {len(clips)} references found, their files named by {scheme}.")
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
            class_names=tables.classes.ordered_names,
            file_names=file_names(clips),
            notes=(*notes, *tables.notes),
            pool_counts=train_counts,  # the default pool is the training split
            captions=_captions_by_name(tables, clips) if options.clip_manifest is None else {},
        )

    def split_labels(self, options: DatasetOptions) -> SplitLabels:
        """The labels of every clip of every split, a clip once however many captions it has."""
        tables = read_tables(options.data_root, skip=options.skip_bad_rows)
        splits = tables.captions["split"]
        return SplitLabels(
            names={label: tables.classes.names[label] for label in tables.classes.ids},
            clips={str(split): _clip_labels(tables, split) for split in splits.unique()},
            n_captions={str(split): int(n) for split, n in splits.value_counts().items()},
            notes=tables.notes,
        )


PLUGIN = AudioCaps()


def _train_counts(tables: AudioCapsTables) -> dict[str, int]:
    """Label id -> distinct training clips that carry it."""
    return dict(Counter(label for labels in _clip_labels(tables, "train") for label in labels))


def _clip_labels(tables: AudioCapsTables, split: str) -> list[tuple[str, ...]]:
    rows = tables.captions[tables.captions["split"] == split].drop_duplicates("clip")
    return [tables.classes.parse(cell) for cell in rows["labels"]]


def _clips(tables: AudioCapsTables, options: DatasetOptions) -> tuple[pd.DataFrame, list[str]]:
    """A row per clip: clip_id, caption, labels (tuple), known, ambiguous, and where known, else "", audiocap_id, youtube_id,
    start_time, clip (video and start) and split; and notes."""
    split = one_of("split", options.split, [*tables.captions["split"].unique().tolist(), ALL_SPLITS])
    if options.clip_manifest is None:
        return _split_clips(tables, split, options.captions)
    if options.captions != 1:
        raise ReaudioError(
            "--captions chooses among AudioCaps' own; a --clip-manifest brings its captions: drop one of them."
        )
    manifest = read_manifest(tables, options.clip_manifest, split, skip=options.skip_bad_rows)
    split_of = dict(zip(tables.captions["clip"], tables.captions["split"], strict=True))
    return manifest.clips.assign(split=manifest.clips["clip"].map(split_of).fillna("")), list(manifest.notes)


def _captions_of(tables: AudioCapsTables, split: str) -> pd.DataFrame:
    """The rows of a split, or of every one."""
    return tables.captions if split == ALL_SPLITS else tables.captions[tables.captions["split"] == split]


def _split_clips(tables: AudioCapsTables, split: str, number: int) -> tuple[pd.DataFrame, list[str]]:
    """A row per clip of the split, with its ``number``-th caption; the same order of clips for every number."""
    rows = _captions_of(tables, split)
    by_clip = rows.groupby("clip", sort=False)
    sizes = by_clip.size()
    # Where rows were left out, single clips have fewer captions than the others.
    fewest = int(sizes.max() if tables.notes else sizes.min())
    if not 1 <= number <= fewest:
        where = "some clips of all splits have" if split == ALL_SPLITS else f"every clip of {split} has"
        raise ReaudioError(f"--captions {number}: {where} {fewest}, so give a number from 1 to {fewest}.")
    chosen = rows[by_clip.cumcount() == number - 1].set_index("clip", drop=False)
    there = sizes.index[sizes >= number]
    clips = chosen.loc[there].reset_index(drop=True)
    lost = len(sizes) - len(there)
    note = f"{lost} of {len(sizes)} clips have no caption {number} after rows were left out, and are left out too."
    clips = clips.assign(
        clip_id=clip_ids(rows.drop_duplicates("clip"))[(sizes >= number).to_numpy()].to_numpy(),
        labels=pd.Series([tables.classes.parse(cell) for cell in clips["labels"]], clips.index, dtype=object),
        known=clips["labels"] != "",
        ambiguous=False,
    )
    return clips, [note] * bool(lost)


def _captions_by_name(tables: AudioCapsTables, clips: pd.DataFrame) -> dict[str, dict[str, NumberedPrompt]]:
    """Naming scheme -> file stem -> the prompt it names, of every caption of the clips."""
    prompts = dict(zip(clips["clip"], _prompts(clips), strict=True))
    rows = tables.captions[tables.captions["clip"].isin(prompts)]
    by_id: dict[str, NumberedPrompt] = {}
    seen: Counter[str] = Counter()
    for name, clip, caption in zip(*(rows[c] for c in ("audiocap_id", "clip", CAPTION)), strict=True):
        seen[clip] += 1
        by_id[name] = NumberedPrompt(seen[clip], dataclasses.replace(prompts[clip], caption=caption))
    unique = caption_names((p.clip_id, p.caption) for _, p in by_id.values())[CAPTION]
    by_caption: dict[str, NumberedPrompt] = {}
    for each in by_id.values():
        if caption_key(each.prompt.caption) in unique:
            by_caption.setdefault(caption_key(each.prompt.caption), each)
    return {"audiocap_id": by_id, CAPTION: by_caption}


def _prompts(clips: pd.DataFrame) -> tuple[Prompt, ...]:
    rows = zip(*(clips[c] for c in ("clip_id", "caption", "labels", "known", "youtube_id", "split")), strict=True)
    return tuple(
        Prompt(clip, caption, labels, bool(known), video, split) for clip, caption, labels, known, video, split in rows
    )


def _label_notes(clips: pd.DataFrame) -> list[str]:
    n_ambiguous = int(clips["ambiguous"].sum())
    n_unknown = int((~clips["known"]).sum()) - n_ambiguous
    counted = {"ambiguous labels": n_ambiguous, "no known labels": n_unknown}
    return [
        f"{n} of {len(clips)} clips have {what}: they count in the overall numbers and in no stratum."
        for what, n in counted.items()
        if n
    ]


def _references(tables: AudioCapsTables, clips: pd.DataFrame, folder: Path) -> tuple[dict[str, Path], str]:
    """clip_id -> real clip, and how the files are named. Several clips may be of one recording; a real clip may be called after the id
    of any of its captions."""
    owned = clips.assign(owner=clips["clip"].where(clips["clip"] != "", clips["clip_id"]))
    by_clip = dict(zip(owned["clip"], owned["owner"], strict=True))
    untimed = owned[owned["clip"] == ""]
    by_video = unambiguous(zip(untimed["youtube_id"], untimed["owner"], strict=True))
    rows = zip(*(tables.captions[c] for c in ("audiocap_id", "clip", "youtube_id")), strict=True)
    owners = ((name, by_clip.get(clip) or by_video.get(video)) for name, clip, video in rows)
    any_caption = unambiguous((name, owner) for name, owner in owners if owner)
    schemes = file_names(owned, "owner") | {"the audiocap_id of any caption": any_caption}
    files = find_clips(folder)
    match = require_match(schemes, files, str(folder))
    if match.scheme == "clip_id":  # each clip has a file of its own
        return match_names(clip_id_names(clips["clip_id"]), files).files, match.scheme
    rows = zip(owned["clip_id"], owned["owner"], strict=True)
    return {clip_id: match.files[owner] for clip_id, owner in rows if owner in match.files}, match.scheme
