"""Digests that grow with the files: altered files, lines cut off, several writers."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from threading import Thread

import pytest

from reaudio_model.common.digest_log import DigestLog
from reaudio_model.common.errors import ReaudioError


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_files_that_were_altered_or_lost_are_not_whole(tmp_path: Path) -> None:
    log = DigestLog(tmp_path / "clips.sha256")
    assert log.whole(["a.wav"]) == set()
    for name in ("a.wav", "b c.wav", "d.wav"):
        log.write(name, name.encode())
    assert log.whole(["a.wav", "b c.wav", "d.wav", "unknown.wav"]) == {"a.wav", "b c.wav", "d.wav"}
    assert subprocess.run(["sha256sum", "-c", "clips.sha256"], cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "a.wav").write_bytes(b"another")
    (tmp_path / "d.wav").unlink()
    assert log.whole(["a.wav", "b c.wav", "d.wav"]) == {"b c.wav"}
    log.write("a.wav", b"again")
    assert log.read() == {"a.wav": sha(b"again"), "b c.wav": sha(b"b c.wav"), "d.wav": sha(b"d.wav")}


@pytest.mark.parametrize("cut", [1, 10, 67])
def test_a_line_that_was_cut_off_costs_that_file_alone(tmp_path: Path, cut: int) -> None:
    log = DigestLog(tmp_path / "x.sha256")
    log.write("a", b"1")
    log.write("b", b"2")
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    assert log.whole("ab") == {"a"}
    log.write("c", b"3")
    assert log.whole("abc") == {"a", "c"} if cut > 1 else log.whole("abc") >= {"a", "c"}


def test_noise_in_place_of_the_digests_makes_every_file_anew(tmp_path: Path) -> None:
    log = DigestLog(tmp_path / "x.sha256")
    log.path.write_bytes(b"\xff\x00noise")
    assert log.read() == {}
    log.write("a", b"1")
    assert log.whole("a") == {"a"}
    (tmp_path / "folder.sha256").mkdir()
    assert DigestLog(tmp_path / "folder.sha256").read() == {}
    with pytest.raises(ReaudioError, match="Cannot write"):
        DigestLog(tmp_path / "folder.sha256").add({"a": sha(b"1")})


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    def write(start: int) -> None:
        for i in range(start, start + 40):
            DigestLog(tmp_path / "x.sha256").write(str(i), str(i).encode())

    threads = [Thread(target=write, args=(40 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [str(i) for i in range(160)]
    assert DigestLog(tmp_path / "x.sha256").whole(names) == set(names)
