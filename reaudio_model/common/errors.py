"""Errors that a user can fix.

The message is one sentence: what is wrong, where, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class ReaudioError(Exception):
    """A problem with the input or the machine. The CLI prints the message without a traceback and exits with 2."""


class UnknownNameError(ReaudioError):
    """A name that is not known; the message lists the nearest names, or all."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(str(name).lower(), names, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else f" Known: {', '.join(names)}."
        super().__init__(f"Unknown {kind} {name!r}.{hint}")


def one_of(kind: str, name: str, known: Collection[str]) -> str:
    """``name`` if it is known, else UnknownNameError with suggestions."""
    if name not in known:
        raise UnknownNameError(kind, name, known)
    return name


class CheckpointError(ReaudioError):
    """A checkpoint that is missing, truncated, of another architecture, altered, or unsafe to load."""


class AudioError(ReaudioError):
    """An audio file that cannot be decoded to finite samples."""
