"""Which file belongs to which clip: by one naming scheme for a whole folder, exactly, never by guessing at single names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from reaudio_model.common.errors import ReaudioError

EXAMPLES = 3


class NameMatch(NamedTuple):
    """scheme: the one that names most files; files: clip_id -> path, in the scheme's order of clips."""

    scheme: str
    files: dict[str, Path]


def unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name -> thing from (name, thing) pairs, without the names that stand for several things."""
    distinct = list(dict.fromkeys(pairs))
    uses = Counter(name for name, _ in distinct)
    return {name: thing for name, thing in distinct if uses[name] == 1}


def clip_id_names(clip_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The plain scheme: each file is called after its clip id."""
    return {"clip_id": {clip_id: clip_id for clip_id in clip_ids}}


def match_names(schemes: Mapping[str, Mapping[str, str]], clips: Mapping[str, Path]) -> NameMatch:
    """Files of ``clips`` (stem -> path) under the scheme that most of them follow; the first of equals.

    Where a scheme has several stems for a clip, the first that exists is taken. ``files`` is empty if no scheme names any.
    """
    best = max(schemes, key=lambda name: len(schemes[name].keys() & clips.keys()))
    files: dict[str, Path] = {}
    for stem, clip_id in schemes[best].items():
        if stem in clips:
            files.setdefault(clip_id, clips[stem])
    return NameMatch(best, files)


def require_match(schemes: Mapping[str, Mapping[str, str]], clips: Mapping[str, Path], where: str) -> NameMatch:
    """As :func:`match_names`.

    Raises:
        ReaudioError: no file belongs to a clip; examples of both sides are named.
    """
    match = match_names(schemes, clips)
    if not match.files:
        have = ", ".join(repr(stem) for stem in list(clips)[:EXAMPLES])
        want = ", ".join(repr(stem) for names in schemes.values() for stem in list(names)[:1])
        raise ReaudioError(f"No file in {where} belongs to a clip: names there are {have}, expected are such as {want}.")
    return match
