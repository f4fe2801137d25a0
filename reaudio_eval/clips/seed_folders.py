"""Folders with several clips of each prompt, by seed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from reaudio_model.common.audio import AUDIO_SUFFIXES, find_clips
from reaudio_model.common.errors import ReaudioError

_NAME = re.compile(r"seed(0|[1-9]\d{0,8})")


def seed_folders(folder: Path) -> Mapping[int, Path]:
    """Seed -> folder of its clips: the sub-folders ``seed0``, ``seed1``, ... of ``folder`` in order, else ``{0: folder}``.

    Raises:
        ReaudioError: the folder holds both such sub-folders and clips.
    """
    if not folder.is_dir():
        return {0: folder}  # ``find_clips`` says what is wrong
    found = {int(match[1]): path for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)) and path.is_dir()}
    if not found:
        return {0: folder}
    if any(path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") for path in folder.iterdir()):
        first = found[min(found)]
        raise ReaudioError(
            f"{folder} holds clips beside the sub-folder {first.name}: move them into a sub-folder seedN of their own, or elsewhere."
        )
    return dict(sorted(found.items()))


def first_clips(folder: Path) -> dict[str, Path]:
    """The clips in a folder, or in that of its first seed; see :func:`reaudio_model.common.audio.find_clips`."""
    return find_clips(next(iter(seed_folders(folder).values())))
