"""The recordings of clips as files: extracted from shards, audited, and the best of each chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reaudio_eval.cli.prepare.collections import Source
from reaudio_eval.cli.prepare.shards import audio_of_rows, suffix_of
from reaudio_eval.features.audit import ClipAudit
from reaudio_eval.features.extract import embed_clips
from reaudio_model.common.audiocaps import CLIP_SECONDS
from reaudio_model.common.files import atomic_write
from reaudio_model.common.progress import Reporter
from reaudio_model.common.weights import sha256_file

EXTRACTED = "extracted"
LENGTH_TOLERANCE = 0.5  # seconds from the 10 of AudioSet's clips
_BATCH = 64  # clips between two entries of the cache of audits
_NO_AUDIO = "The row has neither bytes nor a path."


@dataclass(frozen=True)
class Recording:
    """A recording of a clip. path: its file, None where there is none; facts: of the audit."""

    source: Source
    path: Path | None
    facts: ClipAudit

    @property
    def rank(self) -> int:
        """0 is best."""
        if self.facts.status != "ok":
            return 2
        return int("truncated" in self.facts.flags)

    @property
    def has_odd_length(self) -> bool:
        """Whether it is not as long as AudioSet's clips are."""
        return self.facts.seconds is not None and abs(self.facts.seconds - CLIP_SECONDS) > LENGTH_TOLERANCE


def extract(clips: Mapping[str, Sequence[Source]], output: Path, reporter: Reporter) -> dict[Source, Path | None]:
    """The file of every recording; those in shards are written below ``output/extracted``, their bytes unchanged.

    Rows of one clip with the same bytes have one file. A file that is there already is not written again.

    Args:
        clips: clip -> its recordings.
        output: the data root.
        reporter: shows progress.

    Raises:
        ReaudioError: a shard that cannot be read, or a folder that cannot be written.
    """
    files: dict[Source, Path | None] = {}
    by_shard: dict[Path, dict[int, tuple[str, Source]]] = {}
    for clip, sources in clips.items():
        for source in sources:
            if source.row is None:
                files[source] = source.path
            else:
                by_shard.setdefault(source.path, {})[source.row] = (clip, source)
    written: dict[tuple[str, str], Path] = {}  # clip and digest -> file
    with reporter.stage("Extracting", sum(map(len, by_shard.values()))) as advance:
        for shard, rows in by_shard.items():
            folder = output / EXTRACTED / _folder_name(shard.parent)
            for row, content in audio_of_rows(shard, set(rows)):
                clip, source = rows[row]
                files[source] = _file(content, folder / f"{shard.stem}_{row + 1}", clip, written)
                advance(1)
    return files


def _folder_name(place: Path) -> str:
    """Of the shards of one folder: its name, and a digest of where it lies."""
    return f"{place.name}-{hashlib.sha256(str(place.resolve()).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _file(content: bytes | Path | None, stem: Path, clip: str, written: dict[tuple[str, str], Path]) -> Path | None:
    if not isinstance(content, bytes):
        return content
    digest = hashlib.sha256(content).hexdigest()
    path = written.setdefault((clip, digest), stem.with_name(stem.name + suffix_of(content)))
    if not _is_written(path, len(content), digest):
        atomic_write(path, content)
    return path


def _is_written(path: Path, n_bytes: int, digest: str) -> bool:
    with suppress(OSError):
        return path.stat().st_size == n_bytes and sha256_file(path) == digest
    return False


def audit(
    clips: Mapping[str, Sequence[Source]],
    files: Mapping[Source, Path | None],
    *,
    cache_dir: Path,
    jobs: int,
    max_seconds: float,
    reporter: Reporter,
) -> dict[str, list[Recording]]:
    """The recordings of every clip, the best first: whole ones before truncated, these before unreadable ones.

    A recording that was audited before is found in the cache by its bytes.

    Args:
        clips: clip -> its recordings.
        files: of :func:`extract`.
        cache_dir: where audits are kept.
        jobs: decoding threads.
        max_seconds: longer recordings are unreadable.
        reporter: shows progress.
    """
    paths = {str(path): path for path in files.values() if path is not None}
    audits = embed_clips({"": paths}, [], cache_dir, _BATCH, jobs, reporter, max_seconds).audits
    found: dict[str, list[Recording]] = {}
    for clip, sources in clips.items():
        own = []
        for source in sources:
            path = files[source]
            facts = ClipAudit(clip, "unreadable", reason=_NO_AUDIO) if path is None else audits["", str(path)]
            own.append(Recording(source, path, facts))
        found[clip] = sorted(own, key=lambda each: each.rank)
    return found
