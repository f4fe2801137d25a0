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

    The program is given a CSV of the prompts that have no clip yet, so that a repeated call goes on. Its output goes to stderr.

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
        ReaudioError: the program cannot be started or fails, clips are missing or unreadable after it, or the folder has clips of another
            command, of other prompts or of another seed.
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
        _check_record(output / RECORD, record, overwrite)
        if overwrite:
            for path in _found(output, prompts).values():
                path.unlink()
        missing = [p for p in prompts if p.clip_id not in _sound(_found(output, prompts))]
        atomic_write(output / RECORD, json_bytes(record | {"clips": []}))
        if missing:
            reporter.note(f"{words[0]}: {len(missing)} of {len(prompts)} clips to make")
            atomic_write(output / PROMPTS_FILE, _table(missing, seed))
            _run([word.replace("{prompts}", str(output / PROMPTS_FILE)).replace("{out}", str(output)) for word in words])
        found = _found(output, prompts)
        sound = _sound(found)
        clips = [{"clip_id": c, "file": p.name, "sha256": content_sha256(p)} for c, p in sorted(sound.items())]
        atomic_write(output / RECORD, json_bytes(record | {"clips": clips}))
    _check_all(prompts, found, sound, output)
    return {p.clip_id: sound[p.clip_id] for p in prompts}


def _check_record(path: Path, record: Mapping[str, Any], overwrite: bool) -> None:
    if overwrite or not path.is_file():
        return
    found = read_json_object(path, "the record of the generated clips", remedy="choose another --output, or --overwrite")
    differing = [name for name in record if found.get(name) != record[name]]
    if differing:
        names = {"external": "command", "settings": "seed"}
        what = ", ".join(names.get(name, name) for name in differing)
        raise ReaudioError(
            f"{path} records clips that were made differently (not the same: {what}): choose another --output, or --overwrite."
        )


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
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if code:
        raise ReaudioError(
            f"--external: {words[0]} failed with exit code {code}: see its messages above. Clips that it made are kept; repeat the "
            "command to make the others."
        )


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
