"""AudioCaps: official tables and a folder of audio to a checked data root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reaudio_eval.cli.prepare.collections import Source, find_collections
from reaudio_eval.cli.prepare.findings import Finding, count, findings, findings_csv
from reaudio_eval.cli.prepare.links import link_all
from reaudio_eval.cli.prepare.matching import Match, clips_of, match_collections, scheme_title
from reaudio_eval.cli.prepare.recordings import Recording, audit, extract
from reaudio_eval.cli.prepare.tables import clip_lists, read_from, write_lists, write_tables
from reaudio_eval.prompts.datasets._audiocaps_tables import AudioCapsTables
from reaudio_model.common.audiocaps import SPLITS
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write, folder_lock, json_bytes, make_folder
from reaudio_model.common.progress import Reporter

RECORD = "prepare.json"
FINDINGS = "findings.csv"


@dataclass(frozen=True)
class Plan:
    """What is known before any audio is read.

    Attributes:
        tables: of AudioCaps.
        clips: a row per clip: clip, clip_id, split.
        matches: the collections with their clips.
        sources: clip -> its recordings.
        lists: name -> clips of a list, or why it cannot be derived.
    """

    tables: AudioCapsTables
    clips: pd.DataFrame
    matches: tuple[Match, ...]
    sources: Mapping[str, tuple[Source, ...]]
    lists: Mapping[str, pd.DataFrame | ReaudioError]


def plan(
    tables: Sequence[Path],
    audio: Sequence[Path],
    output: Path,
    own_lists: Mapping[str, Path],
    *,
    skip_bad_rows: bool = False,
) -> Plan:
    """Read the tables and find the recordings by their names.

    Args:
        tables: folders of the tables.
        audio: folders of the recordings.
        output: the data root, which is not searched.
        own_lists: name -> file.
        skip_bad_rows: leave faulty rows of the tables out.

    Raises:
        ReaudioError: tables or folders that cannot be used, or no recording of a clip.
    """
    _check_output(output, tables, audio)
    read = read_from(tables, skip=skip_bad_rows)
    lists = clip_lists(read, own_lists)
    matches = match_collections(read.captions, find_collections(audio, output))
    sources: dict[str, tuple[Source, ...]] = {}
    for match in matches:
        for clip, own in match.clips.items():
            sources[clip] = (*sources.get(clip, ()), *own)
    return Plan(read, clips_of(read.captions), tuple(matches), sources, lists)


def _check_output(output: Path, tables: Sequence[Path], audio: Sequence[Path]) -> None:
    """Refuse a folder that holds what this command did not write."""
    for folder in (*tables, *audio):
        if folder.resolve() == output.resolve():
            raise ReaudioError(f"--output {output} is a folder that is read: choose another.")
    if output.exists() and not output.is_dir():
        raise ReaudioError(f"--output {output} is a file: give a folder.")
    if output.is_dir() and any(output.iterdir()) and not (output / RECORD).is_file():
        raise ReaudioError(f"--output {output} is not empty, and was not made by this command: choose another folder.")


@dataclass(frozen=True)
class Prepared:
    """A data root. recordings: clip -> its recordings, the best first; {} where none was read (a dry run)."""

    plan: Plan
    recordings: Mapping[str, Sequence[Recording]]
    findings: tuple[Finding, ...]

    def has_audio(self, clip: str) -> bool:
        """Whether a recording of the clip is linked; in a dry run, whether there is one."""
        own = self.recordings.get(clip, ())
        return own[0].rank < 2 if own else not self.recordings and clip in self.plan.sources

    @property
    def listed(self) -> list[Finding]:
        """The findings of splits with any recording; of the others every clip is missing."""
        split_of = dict(zip(self.plan.clips["clip"], self.plan.clips["split"], strict=True))
        there = {split_of[clip] for clip in self.plan.sources}
        return [finding for finding in self.findings if finding.split in there]

    def to_json(self) -> dict[str, Any]:
        """Counts, collections and lists."""
        return {
            "splits": {split: self._counts(split) for split in SPLITS if (self.plan.clips["split"] == split).any()},
            "collections": [
                {
                    "place": str(match.collection.place),
                    "split": match.collection.split or None,
                    "is_table": match.collection.is_table,
                    "named_by": match.scheme or None,
                    "n_clips": len(match.clips),
                    "n_others": len(match.others),
                    "others": [str(source) for source in match.others[:10]],
                }
                for match in self.plan.matches
            ],
            "lists": {name: self._list(rows) for name, rows in self.plan.lists.items()},
            "notes": list(self.plan.tables.notes),
        }

    def _counts(self, split: str) -> dict[str, int]:
        clips = self.plan.clips.loc[self.plan.clips["split"] == split, "clip"]
        n_audio = sum(map(self.has_audio, clips))
        return {"n_clips": len(clips), "n_audio": n_audio, **count(self.findings, split)}

    def _list(self, rows: pd.DataFrame | ReaudioError) -> dict[str, Any]:
        if isinstance(rows, ReaudioError):
            return {"n_clips": None, "n_audio": None, "reason": str(rows)}
        clips = rows["youtube_id"] + "_" + rows["start_time"]
        return {"n_clips": len(rows), "n_audio": sum(map(self.has_audio, clips)), "reason": None}

    def to_text(self) -> str:
        """Tables of the splits and lists, and the collections."""
        facts = self.to_json()
        lines = [_table("split", facts["splits"]), ""]
        for match in self.plan.matches:
            found = f"{len(match.clips):,} clips, named by {scheme_title(match.scheme)}"
            others = f"; {len(match.others):,} of no clip, such as {match.others[0].stem!r}" if match.others else ""
            lines.append(f"{match.collection.place}: {found}{others}")
        lines.append("")
        for name, each in facts["lists"].items():
            lines.append(f"{name}: " + (each["reason"] or f"{each['n_audio']:,} of {each['n_clips']:,} clips have audio"))
        return "\n".join(lines)


def _table(title: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = [title, *(name.removeprefix("n_") for name in names)]
    body = [[split, *(f"{row[name]:,}" for name in names)] for split, row in rows.items()]
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in (head, *body)
    )


def preview(planned: Plan) -> Prepared:
    """What is missing or double by names alone."""
    found = []
    for clip, clip_id, split in zip(*(planned.clips[c] for c in ("clip", "clip_id", "split")), strict=True):
        own = planned.sources.get(clip, ())
        if not own:
            found.append(Finding(split, clip_id, "missing"))
        elif len({source.path if source.row is None else source.path.parent for source in own}) > 1:
            found.append(Finding(split, clip_id, "double", str(own[1])))
    return Prepared(planned, {}, tuple(found))


def run(planned: Plan, output: Path, *, cache_dir: Path, jobs: int, max_seconds: float, reporter: Reporter) -> Prepared:
    """Write the data root. What an earlier command finished is not done again.

    Args:
        planned: of :func:`plan`.
        output: the data root.
        cache_dir: where audits are kept.
        jobs: decoding threads.
        max_seconds: longer recordings are unreadable.
        reporter: shows progress.

    Raises:
        ReaudioError: a shard that cannot be read, or a folder that cannot be written.
    """
    make_folder(output)
    with folder_lock(output):
        return _run(planned, output, cache_dir, jobs, max_seconds, reporter)


def _run(planned: Plan, output: Path, cache_dir: Path, jobs: int, max_seconds: float, reporter: Reporter) -> Prepared:
    atomic_write(output / RECORD, json_bytes({"finished": False}))
    write_tables(planned.tables, output)
    write_lists(planned.lists, output)
    files = extract(planned.sources, output, reporter)
    recordings = audit(planned.sources, files, cache_dir=cache_dir, jobs=jobs, max_seconds=max_seconds, reporter=reporter)
    for split in SPLITS:
        rows = planned.clips[planned.clips["split"] == split]
        targets = _targets(rows, recordings)
        if targets or (output / f"{split}_audio").is_dir():
            link_all(output / f"{split}_audio", targets, output)
    done = Prepared(planned, recordings, tuple(findings(planned.clips, recordings)))
    atomic_write(output / FINDINGS, findings_csv(done.listed))
    atomic_write(output / RECORD, json_bytes({"finished": True, **done.to_json()}))
    return done


def _targets(clips: pd.DataFrame, recordings: Mapping[str, Sequence[Recording]]) -> dict[str, Path]:
    """Name of the link -> file, of the clips with a readable recording."""
    found = {}
    for clip, clip_id in zip(clips["clip"], clips["clip_id"], strict=True):
        own = recordings.get(clip, ())
        if own and own[0].rank < 2 and own[0].path is not None:
            found[clip_id + own[0].path.suffix.lower()] = own[0].path
    return found
