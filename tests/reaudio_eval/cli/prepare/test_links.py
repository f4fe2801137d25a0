"""Links of a data root."""

from __future__ import annotations

from pathlib import Path

import pytest
from shard_files import write_file

from reaudio_eval.cli.prepare.links import link_all
from reaudio_model.common.errors import ReaudioError


def test_the_folder_holds_exactly_the_links(tmp_path: Path) -> None:
    root, audio = tmp_path / "root", tmp_path / "audio"
    targets = {"a.wav": write_file(audio / "Ya.wav", b"a"), "b.wav": write_file(root / "extracted" / "b.wav", b"b")}
    link_all(root / "test_audio", {**targets, "old.wav": audio / "Ya.wav"}, root)
    write_file(root / "test_audio" / "of the user.txt", b"x")
    link_all(root / "test_audio", targets, root)
    assert sorted(path.name for path in (root / "test_audio").iterdir()) == ["a.wav", "b.wav", "of the user.txt"]
    assert (root / "test_audio" / "a.wav").readlink() == audio / "Ya.wav"
    assert str((root / "test_audio" / "b.wav").readlink()) == "../extracted/b.wav"
    assert (root / "test_audio" / "b.wav").read_bytes() == b"b"


def test_a_link_that_is_right_is_left_as_it_is_and_another_target_replaces_it(tmp_path: Path) -> None:
    one, two = (write_file(tmp_path / name, name.encode()) for name in ("one.wav", "two.wav"))
    link = tmp_path / "root" / "a.wav"
    link_all(link.parent, {"a.wav": one}, tmp_path / "root")
    before = link.lstat().st_ino
    link_all(link.parent, {"a.wav": one}, tmp_path / "root")
    assert link.lstat().st_ino == before
    link_all(link.parent, {"a.wav": two}, tmp_path / "root")
    assert link.read_bytes() == b"two.wav"


def test_a_file_in_the_place_of_a_link_is_not_replaced(tmp_path: Path) -> None:
    write_file(tmp_path / "root" / "a.wav", b"mine")
    with pytest.raises(ReaudioError, match=r"a\.wav is a file that this command did not make: move it away"):
        link_all(tmp_path / "root", {"a.wav": write_file(tmp_path / "b.wav", b"x")}, tmp_path / "root")
    assert (tmp_path / "root" / "a.wav").read_bytes() == b"mine"
