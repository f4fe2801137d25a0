"""What is missing, corrupt, odd or double among the recordings of a data root."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from reaudio_eval.cli.prepare.recordings import Recording

PROBLEMS: Mapping[str, str] = {
    "missing": "no recording is named after the clip",
    "unreadable": "it cannot be decoded, and is not linked",
    "truncated": "the file is cut, damaged or joined",
    "silent": "its peak is below -80 dB full scale",
    "length": "it is not 10 s long, within half a second",
    "double": "a further recording of the clip, which is not linked",
    "same": "byte for byte the recording of another clip",
}


class Finding(NamedTuple):
    """One problem of a clip: a key of ``PROBLEMS``, the recording, and what is known of it."""

    split: str
    clip_id: str
    problem: str
    path: str = ""
    detail: str = ""


def findings(clips: pd.DataFrame, recordings: Mapping[str, Sequence[Recording]]) -> list[Finding]:
    """Every problem, in the order of the clips.

    Args:
        clips: a row per clip: clip, clip_id and split.
        recordings: clip -> its recordings, the best first; none of them for a clip without any.
    """
    twins = _twins(clips, recordings)
    found: list[Finding] = []
    for clip, clip_id, split in zip(clips["clip"], clips["clip_id"], clips["split"], strict=True):
        own = recordings.get(clip, ())
        problems = _problems(own) if own else [("missing", "", "")]
        if own and clip in twins:
            problems.append(("same", str(own[0].source), f"as {twins[clip]}"))
        found += [Finding(split, clip_id, *problem) for problem in problems]
    return found


def _problems(own: Sequence[Recording]) -> list[tuple[str, str, str]]:
    """Problem, recording and detail of a clip with recordings."""
    best, facts = own[0], own[0].facts
    if facts.status != "ok":
        problems = [("unreadable", str(best.source), facts.reason or "")]
    else:
        problems = [(flag, str(best.source), facts.reason or "") for flag in ("truncated", "silent") if flag in facts.flags]
        if best.has_odd_length:
            problems.append(("length", str(best.source), f"{facts.seconds:.2f} s"))
    for other in own[1:]:
        if other.path is None or other.path != best.path:
            equal = other.facts.sha256 is not None and other.facts.sha256 == facts.sha256
            problems.append(("double", str(other.source), "the same bytes" if equal else "other bytes"))
    return problems


def _twins(clips: pd.DataFrame, recordings: Mapping[str, Sequence[Recording]]) -> dict[str, str]:
    """Clip -> the clip_id of the first other one whose linked recording has the same bytes."""
    by_digest: dict[str, list[tuple[str, str]]] = {}
    for clip, clip_id in zip(clips["clip"], clips["clip_id"], strict=True):
        own = recordings.get(clip, ())
        if own and own[0].rank < 2 and own[0].facts.sha256:
            by_digest.setdefault(own[0].facts.sha256, []).append((clip, clip_id))
    groups = (group for group in by_digest.values() if len(group) > 1)
    return {clip: group[1][1] if i == 0 else group[0][1] for group in groups for i, (clip, _) in enumerate(group)}


def count(found: Iterable[Finding], split: str) -> dict[str, int]:
    """Problem -> clips of a split that have it."""
    clips = {(each.problem, each.clip_id) for each in found if each.split == split}
    n = Counter(problem for problem, _ in clips)
    return {problem: n[problem] for problem in PROBLEMS}


def findings_csv(found: Sequence[Finding]) -> bytes:
    """split, clip_id, problem, path, detail."""
    return pd.DataFrame(found, columns=Finding._fields).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
