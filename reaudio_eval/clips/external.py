"""Clips made by a program of the user's, from a table of prompts."""

from __future__ import annotations

import csv
import io
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reaudio_eval.prompts.dataset import Prompt
from reaudio_model.common.audio import AUDIO_SUFFIXES, content_sha256, decode
from reaudio_model.common.errors import AudioError, ReaudioError
from reaudio_model.common.files import atomic_write, folder_lock, json_bytes, make_folder
from reaudio_model.common.json_files import read_json_object
from reaudio_model.common.progress import Reporter
from reaudio_model.common.seeds import clip_seed
from reaudio_model.pipeline.request import RECORD

PLACES = ("{prompts}", "{out}")
PROMPTS_FILE = "prompts.csv"
COLUMNS = ("clip_id", "caption", "seed")
NAMED = 3
GRACE = 10.0  # seconds that an interrupted program has to end
STDERR = 2  # file descriptor; the standard output is that of this command


def split_command(command: str) -> list[str]:
    """A command line in words, checked.

    Raises:
        ReaudioError: quotes that are not closed, nothing in it, or a placeholder that is missing.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ReaudioError(f"--external {command!r} cannot be read ({error}): check its quotes.") from error
    absent = [place for place in PLACES if not any(place in word for word in words)]
    if absent:
        raise ReaudioError(
            f"--external needs {' and '.join(absent)}: a program that reads a CSV of prompts ({', '.join(COLUMNS)}) and writes "
            "<clip_id>.wav into a folder, such as 'python make.py {prompts} {out}'."
        )
    return words


def external_clips(
    command: str,
    prompts: Sequence[Prompt],
    output: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> dict[str, Path]:
    """Run a program that makes clips, and check what it made.

    The program is given a CSV of the prompts that have no clip yet, or one that was changed or is not whole, so that a repeated call goes
    on. Its output goes to stderr.

    Args:
        command: with ``{prompts}`` and ``{out}`` in the place of the CSV (clip_id, caption, seed) and of the folder; no shell runs it.
        prompts: unique clip ids.
        output: the folder; ``prompts.csv`` and ``generation.json`` are written beside the clips.
        seed: of the run.
        overwrite: make existing clips anew.
        reporter: of progress.

    Returns:
        clip_id -> file, of every prompt.

    Raises:
        ReaudioError: the program cannot be started or fails, clips are missing or unreadable after it, or the folder has clips without a
            record, of another command, of other prompts or of another seed.
    """
    reporter = reporter or Reporter(quiet=True)
    words = split_command(command)
    record: dict[str, Any] = {
        "external": words,
        "settings": {"seed": seed},
        "prompts": [[p.clip_id, p.caption] for p in prompts],
    }
    make_folder(output)
    with folder_lock(output, lambda: reporter.note(f"Another process writes to {output}: waiting for it.")):
        there = _found(output, prompts)
        made = {} if overwrite else _recorded(output / RECORD, record, there)
        kept = {} if overwrite else _kept(there, made, reporter)
        for clip_id in there.keys() - kept.keys():
            _remove(there[clip_id])
        missing = [p for p in prompts if p.clip_id not in kept]
        atomic_write(output / RECORD, json_bytes(record | {"clips": _entries(kept)}))
        if missing:
            reporter.note(f"{words[0]}: {len(missing)} of {len(prompts)} clips to make")
            atomic_write(output / PROMPTS_FILE, _table(missing, seed))
            _run([word.replace("{prompts}", str(output / PROMPTS_FILE)).replace("{out}", str(output)) for word in words])
        found = _found(output, prompts)
        sound = _sound(found)
        atomic_write(output / RECORD, json_bytes(record | {"clips": _entries(sound)}))
    _check_all(prompts, found, sound, output)
    return {p.clip_id: sound[p.clip_id] for p in prompts}


def _recorded(path: Path, record: Mapping[str, Any], there: Mapping[str, Path]) -> dict[str, str]:
    """clip_id -> SHA-256 of the clips that an earlier call of the same command recorded.

    Raises:
        ReaudioError: a record of another command, or clips without one.
    """
    remedy = "choose another --output, or --overwrite"
    if not path.is_file():
        if there:
            raise ReaudioError(f"{min(there.values())} has no record of how it was made: {remedy}.")
        return {}
    found = read_json_object(path, "the record of the generated clips", remedy=remedy)
    differing = [name for name in record if found.get(name) != record[name]]
    if differing:
        names = {"external": "command", "settings": "seed"}
        what = ", ".join(names.get(name, name) for name in differing)
        raise ReaudioError(f"{path} records clips that were made differently (not the same: {what}): {remedy}.")
    clips = found.get("clips")
    entries = [each for each in clips if isinstance(each, dict)] if isinstance(clips, list) else []
    return {str(each.get("clip_id")): str(each.get("sha256")) for each in entries}


def _kept(there: Mapping[str, Path], made: Mapping[str, str], reporter: Reporter) -> dict[str, Path]:
    """The clips that need not be made: those that are recorded and unchanged, and whole ones of a call that was interrupted."""
    kept = {}
    changed = []
    for clip_id, path in there.items():
        with suppress(AudioError):
            audio = decode(path)
            if made.get(clip_id, audio.sha256) != audio.sha256:
                changed.append(path.name)
            elif clip_id in made or audio.truncated is None:
                kept[clip_id] = path
    if changed:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        reporter.note(
            f"Made again, because they are no longer the files that were made: {', '.join(changed[:NAMED])}{more}."
        )
    return kept


def _remove(path: Path) -> None:
    """Remove a clip, so that a program that skips existing files makes it again."""
    if path.is_dir() and not path.is_symlink():
        raise ReaudioError(f"{path} is a folder in the place of a clip: remove it, or choose another --output.")
    path.unlink()


def _entries(clips: Mapping[str, Path]) -> list[dict[str, str]]:
    return [{"clip_id": c, "file": p.name, "sha256": content_sha256(p)} for c, p in sorted(clips.items())]


def _table(prompts: Sequence[Prompt], seed: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([p.clip_id, p.caption, clip_seed(seed, p.clip_id)] for p in prompts)
    return text.getvalue().encode()


def _run(words: Sequence[str]) -> None:
    """Run a program in a process group of its own, which ends with this one."""
    sys.stderr.flush()
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=STDERR, start_new_session=True)
    except OSError as error:
        raise ReaudioError(f"--external: {words[0]} cannot be started ({error.strerror}): check the command.") from error
    try:
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    if code:
        raise ReaudioError(
            f"--external: {words[0]} failed with exit code {code}: see its messages above. Clips that it made are kept; repeat the "
            "command to make the others."
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and the programs that it started; one that ignores this is killed, at once after a second Ctrl-C."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _found(folder: Path, prompts: Sequence[Prompt]) -> dict[str, Path]:
    """clip_id -> its file in a folder."""
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in AUDIO_SUFFIXES}
    return {p.clip_id: files[p.clip_id] for p in prompts if p.clip_id in files}


def _sound(files: Mapping[str, Path]) -> dict[str, Path]:
    """Those that can be decoded."""
    good = {}
    for clip_id, path in files.items():
        with suppress(AudioError):
            decode(path)
            good[clip_id] = path
    return good


def _check_all(prompts: Sequence[Prompt], found: Mapping[str, Path], sound: Mapping[str, Path], output: Path) -> None:
    missing = [p.clip_id for p in prompts if p.clip_id not in found]
    unreadable = sorted(found.keys() - sound.keys())
    faults = [
        f"{len(names)} of {len(prompts)} clips are {what}: {', '.join(names[:NAMED])}{' ...' * (len(names) > NAMED)}"
        for names, what in ((missing, "missing"), (unreadable, "unreadable"))
        if names
    ]
    if faults:
        raise ReaudioError(
            f"The program of --external ended without an error, but in {output} {'; '.join(faults)}. Files must be called <clip_id>.wav; "
            "repeat the command to make these alone."
        )
