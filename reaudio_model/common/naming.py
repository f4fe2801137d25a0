"""Names as they are compared, and audio files matched by them.

One naming scheme is used for a whole folder; single names are never guessed. Whatever looks a name up, or checks that names are unique,
compares them by one of the functions here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from reaudio_model.common.errors import ReaudioError

EXAMPLES = 3
CAPTION = "caption"  # the scheme whose files are named after captions
Schemes = dict[str, dict[str, str]]  # naming scheme -> file stem, as it is compared -> clip id
_NOT_WORDS = re.compile(r"[\W_]+")


def name_key(name: str) -> str:
    """A name of a clip, file or column as it is compared: without spaces around it, in Unicode's composed form (NFC)."""
    return unicodedata.normalize("NFC", name.strip())


def label_key(label: str) -> str:
    """A label or label name as it is compared: as :func:`name_key`, in any case."""
    return name_key(name_key(label).casefold())


def caption_key(caption: str) -> str:
    """A caption as it is compared: as :func:`label_key`, without punctuation, single spaces."""
    return _NOT_WORDS.sub(" ", label_key(caption)).strip()


class NameMatch(NamedTuple):
    """scheme: the one that most files follow; files: clip_id -> path, in the scheme's order of clips."""

    scheme: str
    files: dict[str, Path]


def unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Mapping of (name, clip) pairs, without names of several clips."""
    distinct = list(dict.fromkeys(pairs))
    uses = Counter(name for name, _ in distinct)
    return {name: clip for name, clip in distinct if uses[name] == 1}


def clip_id_names(clip_ids: Iterable[str]) -> Schemes:
    """The plain scheme: each file is named after its clip id."""
    return {"clip_id": {name_key(clip_id): clip_id for clip_id in clip_ids}}


def caption_names(clips: Iterable[tuple[str, str]]) -> Schemes:
    """Files named after captions, of (clip id, caption); a caption of several clips names none."""
    keys = ((caption_key(caption), clip_id) for clip_id, caption in clips)
    return {CAPTION: unambiguous((key, clip_id) for key, clip_id in keys if key)}


def compared(scheme: str, stems: Iterable[str]) -> dict[str, str]:
    """File stem as a scheme compares it -> the stem itself; where several are the same, the first."""
    key = caption_key if scheme == CAPTION else name_key
    found: dict[str, str] = {}
    for stem in stems:
        found.setdefault(key(stem), stem)
    return found


def match_names(schemes: Mapping[str, Mapping[str, str]], clips: Mapping[str, Path]) -> NameMatch:
    """Files of ``clips`` (stem -> path) under the scheme that most of them follow; the first of equals.

    If a scheme has several stems for a clip, the first existing one is used. ``files`` is empty if no scheme matches.
    """
    stems = {scheme: compared(scheme, clips) for scheme in schemes}
    best = max(schemes, key=lambda name: len(schemes[name].keys() & stems[name].keys()))
    files: dict[str, Path] = {}
    for name, clip_id in schemes[best].items():
        if name in stems[best]:
            files.setdefault(clip_id, clips[stems[best][name]])
    return NameMatch(best, files)


def require_match(schemes: Mapping[str, Mapping[str, str]], clips: Mapping[str, Path], where: str) -> NameMatch:
    """As :func:`match_names`.

    Raises:
        ReaudioError: no file belongs to a clip; the message has examples of both.
    """
    match = match_names(schemes, clips)
    if not match.files:
        have = ", ".join(repr(stem) for stem in list(clips)[:EXAMPLES])
        want = ", ".join(dict.fromkeys(repr(stem) for names in schemes.values() for stem in list(names)[:1]))
        raise ReaudioError(
            f"No file in {where} belongs to a clip: its names are {have}, expected are names such as {want}. Rename the files."
        )
    return match
