"""Recordings of AudioCaps' clips, found by their names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reaudio_eval.cli.prepare.collections import Collection, Source
from reaudio_model.common.audiocaps import clip_ids, file_names
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.naming import CAPTION, Schemes, caption_names, compared, match_names, name_key, unambiguous


@dataclass(frozen=True)
class Match:
    """The clips of a collection.

    Attributes:
        collection: with at least one clip of AudioCaps or none.
        scheme: how it is named; "" where no name is a clip's.
        clips: clip (youtube_id and start) -> its recordings, more than one where it is there several times.
        others: recordings that are of no clip.
    """

    collection: Collection
    scheme: str
    clips: dict[str, tuple[Source, ...]]
    others: tuple[Source, ...]


def clips_of(captions: pd.DataFrame) -> pd.DataFrame:
    """A row per clip with its first caption and its clip_id, which is one of its split."""
    clips = captions.drop_duplicates("clip")
    named = [clip_ids(rows) for _, rows in clips.groupby("split", sort=False)]
    return clips.assign(clip_id=pd.concat(named).reindex(clips.index))


def match_collections(captions: pd.DataFrame, collections: Iterable[Collection]) -> list[Match]:
    """Every collection with the clips that its names are of.

    Args:
        captions: of :class:`reaudio_eval.prompts.datasets._audiocaps_tables.AudioCapsTables`.
        collections: of :func:`reaudio_eval.cli.prepare.collections.find_collections`.

    Raises:
        ReaudioError: no collection has a clip; the message has examples of both.
    """
    schemes = {split: _schemes(_of_split(captions, split)) for split in ("", "train", "val", "test")}
    matches = []
    for collection in collections:
        own = _match(collection, schemes[collection.split])
        matches.append(own if own.clips or not collection.split else _match(collection, schemes[""]))
    if not any(match.clips for match in matches):
        have = [source.stem for match in matches for source in match.others][:3]
        want = [next(iter(names)) for names in schemes[""].values() if names]
        raise ReaudioError(
            f"No recording belongs to a clip of AudioCaps: their names are {', '.join(map(repr, have))}, expected are names such as "
            f"{', '.join(map(repr, want))}."
        )
    return matches


def match_stems(captions: pd.DataFrame, stems: Iterable[str]) -> dict[str, str]:
    """Name -> clip, of names under the scheme that most of them follow."""
    sources = tuple(Source(stem, Path(stem)) for stem in stems)
    if not sources:
        return {}
    match = _match(Collection(Path(), "", sources), _schemes(captions))
    return {source.stem: clip for clip, own in match.clips.items() for source in own}


def _of_split(captions: pd.DataFrame, split: str) -> pd.DataFrame:
    return captions[captions["split"] == split] if split else captions


def _schemes(captions: pd.DataFrame) -> Schemes:
    """Naming scheme -> name -> clip; a clip may be named after any of its captions."""
    if captions.empty:
        return {}
    clips = clips_of(captions)
    any_id = unambiguous(zip(captions["audiocap_id"], captions["clip"], strict=True))
    any_caption = caption_names(zip(captions["clip"], captions["caption"], strict=True))
    return file_names(clips, "clip") | {"audiocap_id": any_id} | any_caption


def _match(collection: Collection, schemes: Schemes) -> Match:
    by_stem: dict[str, list[Source]] = {}
    for source in collection.sources:
        by_stem.setdefault(name_key(source.stem), []).append(source)
    if not schemes:
        return Match(collection, "", {}, collection.sources)
    scheme = match_names(schemes, {stem: own[0].path for stem, own in by_stem.items()}).scheme
    names = schemes[scheme]
    clips: dict[str, tuple[Source, ...]] = {}
    for key, stem in compared(scheme, by_stem).items():
        if key in names:
            clips[names[key]] = (*clips.get(names[key], ()), *by_stem.pop(stem))
    others = tuple(source for own in by_stem.values() for source in own)
    return Match(collection, scheme if clips else "", clips, others)


def scheme_title(scheme: str) -> str:
    """For people."""
    return "the caption" if scheme == CAPTION else scheme or "no known name"
