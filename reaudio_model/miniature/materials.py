"""Writing the miniature as WAV files and CSV tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.code import computation_sha256
from reaudio_model.common.digest_log import DigestLog
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import atomic_write
from reaudio_model.common.progress import Reporter
from reaudio_model.common.workers import map_processes
from reaudio_model.miniature.synthesis import SAMPLE_RATE
from reaudio_model.miniature.varied import original, render_varied, varied_ids
from reaudio_model.miniature.world import WORLD_VERSION, balanced_ids, clip_ids, describe
from reaudio_model.retrieval.records import Pair

AUDIO = "audio"
FIELDS = ("clip_id", "caption", "audio", "source_id", "split", "labels")
# Clips of the balanced split for training encoders and the tagger, for training the second tagger, and for validation.
ENCODER_CLIPS, JUDGE_CLIPS, BALANCED_VALIDATION = 8_000, 6_000, 325
MORE_CLIPS, FIRST_MORE = 8_000, 15_000  # for CLAP and AudioMAE
QUIET = Reporter(quiet=True)


def tables() -> dict[str, tuple[str, ...]]:
    """Table -> its clips. ``judge`` is disjoint from ``encoders`` and ``encoders-more``; only ``test`` contains test clips."""
    first_of_judge = ENCODER_CLIPS
    first_validation = ENCODER_CLIPS + JUDGE_CLIPS
    return {
        "train": clip_ids("train"),
        "train-varied": varied_ids(),
        "val": clip_ids("val"),
        "test": clip_ids("test"),
        "pool": clip_ids("pool"),
        "encoders": balanced_ids(ENCODER_CLIPS),
        "encoders-more": balanced_ids(MORE_CLIPS, FIRST_MORE),
        "judge": balanced_ids(JUDGE_CLIPS, first_of_judge),
        "balanced-val": balanced_ids(BALANCED_VALIDATION, first_validation),
    }


def write_tables(
    folder: Path, names: Sequence[str], *, limit: int = 0, jobs: int = 2, progress: Reporter = QUIET
) -> dict[str, Path]:
    """Write some of :func:`tables` as CSV, and their clips as 16-bit WAV in ``audio/``; existing files are kept.

    Args:
        folder: new, or of this world version.
        names: of the tables.
        limit: clips of each table; 0 for all.
        jobs: processes that synthesise.
        progress: reports every clip.

    Returns:
        Name -> table, in the layout of :func:`reaudio_model.retrieval.pairs.read_pairs` with a column "labels" (";" between them).

    Raises:
        ReaudioError: ``folder`` has another version of the world, or cannot be written.
    """
    _claim(folder)
    wanted = {name: tables()[name][: limit or None] for name in names}
    ids = list(dict.fromkeys(clip_id for clips in wanted.values() for clip_id in clips))
    write_clips(folder / AUDIO, ids, jobs=jobs, progress=progress)
    return {name: _write_table(folder / f"{name}.csv", clips) for name, clips in wanted.items()}


def write_clips(folder: Path, ids: Sequence[str], *, jobs: int = 2, progress: Reporter = QUIET) -> dict[str, Path]:
    """The clips as ``<clip_id>.wav``; existing files are kept where they are what this code synthesised.

    Their digests are in ``clips-<code>.sha256`` beside them, where ``<code>`` names the code of the synthesis and its packages.

    Raises:
        ReaudioError: no such clip, or the folder cannot be written.
    """
    files = {clip_id: folder / f"{clip_id}.wav" for clip_id in ids}
    log = DigestLog(folder / f"clips-{_synthesis()}.sha256")
    whole, known = log.whole(path.name for path in files.values()), log.read()
    missing = [clip_id for clip_id in ids if files[clip_id].name not in whole]
    altered = [clip_id for clip_id in missing if files[clip_id].name in known and files[clip_id].is_file()]
    if altered:
        more = f" and {len(altered) - SHOWN} more" if len(altered) > SHOWN else ""
        progress.note(f"Synthesised anew, because their files in {folder} were altered: {', '.join(altered[:SHOWN])}{more}.")
    if missing:
        _sweep_logs(log.path)
    with progress.stage("synthesising", len(ids)) as advance:
        advance(len(ids) - len(missing))
        if jobs > 1 and len(missing) > 2 * CHUNK:
            chunks = [missing[i : i + CHUNK] for i in range(0, len(missing), CHUNK)]
            for done in map_processes(partial(_write_chunk, log.path), chunks, jobs, what="synthesises clips"):
                advance(done)
        else:
            for clip_id in missing:
                advance(_write_chunk(log.path, [clip_id]))
    return files


CHUNK = 50
SHOWN = 3  # names in a message


def _synthesis() -> str:
    """Twelve hex digits naming the code of the synthesis and the versions of its packages."""
    # the sound, and how it is written
    return computation_sha256("reaudio_model.miniature.varied", "reaudio_model.common.audio")[:12]


def _sweep_logs(current: Path) -> None:
    """Delete the digests that other code wrote: its files are replaced."""
    for path in current.parent.glob("clips-*.sha256"):
        if path != current:
            with suppress(OSError):
                path.unlink()


def _write_chunk(log: Path, ids: Sequence[str]) -> int:
    for clip_id in ids:
        DigestLog(log).write(f"{clip_id}.wav", wav_bytes(render_varied(clip_id), SAMPLE_RATE))
    return len(ids)


def pair(clip_id: str, audio: Path | None = None) -> Pair:
    """A clip as a pair of a retrieval set. Each clip is its own recording; pool clips are training material."""
    spec = describe(original(clip_id))
    return Pair(
        clip_id,
        spec.caption,
        audio,
        spec.clip_id,
        "val" if spec.split == "val" else "test" if spec.split == "test" else "train",
    )


def _claim(folder: Path) -> None:
    mark = folder / "world.txt"
    text = f"miniature world {WORLD_VERSION}\n"
    if not mark.exists():
        atomic_write(mark, text.encode())
    elif mark.read_text() != text:
        raise ReaudioError(f"{folder} contains {mark.read_text().strip()}, not {WORLD_VERSION}: choose another folder.")


def _write_table(path: Path, ids: Sequence[str]) -> Path:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(FIELDS)
    for clip_id in ids:
        found = pair(clip_id)
        writer.writerow(
            [
                clip_id,
                found.caption,
                f"{AUDIO}/{clip_id}.wav",
                found.source_id,
                found.split,
                ";".join(describe(original(clip_id)).labels),
            ]
        )
    atomic_write(path, buffer.getvalue().encode())
    return path
