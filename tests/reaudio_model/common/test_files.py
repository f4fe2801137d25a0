"""Atomic writes, explained errors, JSON and hashes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.files import (
    as_path,
    atomic_folder,
    atomic_path,
    atomic_write,
    canonical_sha256,
    explain_write_error,
    folder_lock,
    folder_name,
    json_bytes,
    sweep_temporary,
    temporary_path,
)


def test_atomic_write_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    atomic_write(target, b"one")
    atomic_write(target, b"two")
    assert target.read_bytes() == b"two"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    atomic_write(target, b"old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "clip.flac") as temporary:
        assert temporary.suffix == ".flac"
        assert temporary.name.startswith(".")
        temporary.touch()


def test_disk_full_is_one_sentence_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ReaudioError, match="the disk is full; free some space and repeat the command"):
        atomic_write(tmp_path / "x", b"data")


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with pytest.raises(ReaudioError, match="there is a file where a folder is needed"):
        atomic_write(tmp_path / "out" / "x", b"data")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.EACCES, "not writable"), (errno.EROFS, "not writable"), (errno.EDQUOT, "disk is full"), (errno.EIO, "error")],
)
def test_every_write_error_is_explained(code: int, words: str) -> None:
    assert words in str(explain_write_error(OSError(code, "Input/output error"), Path("x")))


def test_names_in_another_encoding_are_json() -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    assert json.loads(json_bytes({name: "dög"})) == {name: "dög"}
    assert len(canonical_sha256([name])) == 64
    assert canonical_sha256(["dög"]) == "9a88a9d90fcb21ca221ddd58b8193590ec69367789c5e0ef2931ed100d8396c4"


def test_json_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"value": float("nan")})


def test_canonical_hash_ignores_key_order_only() -> None:
    assert canonical_sha256({"a": 1, "b": [1, 2]}) == canonical_sha256({"b": [1, 2], "a": 1})
    assert canonical_sha256([1, 2]) != canonical_sha256([2, 1])


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "folder"

    def fail() -> None:
        with atomic_folder(target) as partial:
            (partial / "a").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
    for text in ("one", "two"):
        with atomic_folder(target, replace=True) as partial:
            (partial / "a").write_text(text)
        assert (target / "a").read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_folder_is_replaced_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")

    def write() -> None:
        with atomic_folder(tmp_path) as partial:
            (partial / "a").touch()

    with pytest.raises(ReaudioError, match="there is a file where"):
        write()
    assert (tmp_path / "kept").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "expected"), [("AudioLDM-2", "AudioLDM-2"), ("a/b c", "a_b_c"), ("..", "_"), ("é<x>", "é_x_"), ("", "_")]
)
def test_folder_names_stay_below_their_parent(name: str, expected: str) -> None:
    assert folder_name(name) == expected


def test_a_users_path_may_be_a_string_and_start_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/a") == as_path(Path("~/a")) == tmp_path / "a"


LEAVE = """
import sys
from pathlib import Path
from reaudio_model.common.files import temporary_path
for name in ("clip.wav", "run"):
    path = temporary_path(Path(sys.argv[1]) / name)
    path.mkdir() if name == "run" else path.write_bytes(b"half")
    print(path, flush=True)
if sys.argv[2] == "wait":
    sys.stdin.read()
"""


def test_what_ended_processes_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LEAVE, str(tmp_path), "end"], capture_output=True, text=True, check=True)
    litter = {Path(line) for line in done.stdout.split("\n") if line}
    (tmp_path / ".tmp-mine").write_bytes(b"the user's")
    ended = next(iter(litter)).name.split("-")[2]
    other = tmp_path / f".tmp-{'0' * 8}-{ended}-{'0' * 12}-x"  # of another machine, where that number may be in use
    other.write_bytes(b"")
    with subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(tmp_path), "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as living:
        assert living.stdout is not None
        kept = {Path(living.stdout.readline().strip()) for _ in range(2)}
        # The living process has swept the folder when it asked for its first path there.
        assert set(tmp_path.iterdir()) == {*kept, other, tmp_path / ".tmp-mine"}
        assert len(litter) == len(kept) == 2
        own = temporary_path(tmp_path / "x")
        own.write_bytes(b"")
        assert sweep_temporary(tmp_path) == []
    assert set(sweep_temporary(tmp_path)) == kept
    assert set(tmp_path.iterdir()) == {own, other, tmp_path / ".tmp-mine"}
    assert own.name.split("-")[2] == str(os.getpid())


def test_one_at_a_time_holds_a_folder_and_leaves_no_file(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with folder_lock(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with folder_lock(tmp_path):
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ReaudioError, match="Cannot write"):
        folder_lock(tmp_path / "none").__enter__()
