"""Which clips of a table can be used.

Everything that reads (text, audio) pairs treats missing and unreadable clips alike: they are left out, counted and named, or refused
with ``--strict``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reaudio_model.common.audio import content_sha256, decode_many
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.retrieval.pairs import PairTable
from reaudio_model.retrieval.records import Pair

NAMED = 3  # clips named in a message


class CheckedClips(NamedTuple):
    """The clips of a table.

    Attributes:
        pairs: those that can be used, in table order.
        sha256: clip_id -> of the bytes of its audio, for each of ``pairs``; empty if audio is not used.
        left_out: clip_id -> why, of the others.
        truncated: clip_id -> why, of those in ``pairs`` whose file is not whole.
    """

    pairs: list[Pair]
    sha256: dict[str, str]
    left_out: dict[str, str]
    truncated: dict[str, str]


def check_clips(
    table: PairTable, what: str, *, strict: bool = False, jobs: int | None = None, reporter: Reporter | None = None
) -> CheckedClips:
    """Decode every clip of a table once; a note counts and names what is left out or not whole.

    Args:
        table: see :func:`reaudio_model.retrieval.pairs.read_pair_tables`.
        what: of the clips, for messages, e.g. "training clips".
        strict: refuse missing, unreadable and truncated clips.
        jobs: threads that decode; None is one for each processor.
        reporter: of progress and notes; None shows nothing.

    Raises:
        ReaudioError: with ``strict``, such a clip; or no clip can be read.
    """
    reporter = reporter or Reporter(quiet=True)
    left_out = dict.fromkeys(table.missing, "missing")
    checked = CheckedClips([], {}, left_out, {})
    paths = [pair.audio for pair in table.pairs if pair.audio is not None]
    decoded = decode_many(paths, jobs or os.cpu_count() or 1)
    with reporter.stage(f"checking {what}", len(paths)) as advance:
        for pair, audio in zip([pair for pair in table.pairs if pair.audio is not None], decoded, strict=True):
            if isinstance(audio, AudioError):
                left_out[pair.clip_id] = str(audio)
            else:
                checked.pairs.append(pair)
                checked.sha256[pair.clip_id] = audio.sha256
                if audio.truncated:
                    checked.truncated[pair.clip_id] = audio.truncated
            advance(1)
    _report(checked, len(table.pairs) + len(table.missing), what, strict, reporter)
    return checked


def unchecked_clips(table: PairTable) -> CheckedClips:
    """The clips of a table whose audio is not used."""
    return CheckedClips(list(table.pairs), {}, dict.fromkeys(table.missing, "missing"), {})


def require_unchanged(pairs: Sequence[Pair], sha256: Mapping[str, str]) -> None:
    """Check, after files were read, that their bytes are those of ``sha256`` (clip_id -> SHA-256).

    Raises:
        ReaudioError: one was changed.
        AudioError: one cannot be opened.
    """
    for pair in pairs:
        if pair.audio is not None and content_sha256(pair.audio) != sha256[pair.clip_id]:
            raise changed(pair)


def changed(pair: Pair) -> ReaudioError:
    """The error for a file that was replaced while it was used."""
    return ReaudioError(f"The clip {pair.clip_id!r} ({pair.audio}) was changed while it was used: repeat the command.")


def named(clip_ids: Sequence[str]) -> str:
    """The first three ids, for a message."""
    return ", ".join(clip_ids[:NAMED]) + (", ..." if len(clip_ids) > NAMED else "")


def _report(checked: CheckedClips, total: int, what: str, strict: bool, reporter: Reporter) -> None:
    left_out, truncated = list(checked.left_out), list(checked.truncated)
    if strict and left_out:
        raise ReaudioError(
            f"The audio of {len(left_out)} of {total} {what} is missing or cannot be read ({named(left_out)}): repair it, "
            "or leave out --strict."
        )
    if strict and truncated:
        raise ReaudioError(
            f"{len(truncated)} of {total} {what} are not whole ({named(truncated)}; {checked.truncated[truncated[0]]}): "
            "repair them, or leave out --strict."
        )
    if not checked.pairs:
        raise ReaudioError(f"None of the {total} {what} has audio that can be read ({named(left_out)}): repair the files.")
    if left_out:
        reporter.note(
            f"{len(left_out)} of {total} {what} are left out, their audio is missing or cannot be read: {named(left_out)}"
        )
    if truncated:
        reporter.note(f"{len(truncated)} of {total} {what} are not whole and used as they are: {named(truncated)}")
