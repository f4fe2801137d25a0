"""The miniature as files: which clips a table names, that they are the world's, and that nothing held out is among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reaudio_model.common.audio import decode, wav_bytes
from reaudio_model.common.code import code_closure
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter
from reaudio_model.miniature import materials
from reaudio_model.miniature.materials import ENCODER_CLIPS, tables, write_clips, write_tables
from reaudio_model.miniature.varied import original
from reaudio_model.miniature.world import clip_ids, describe, render
from reaudio_model.retrieval.pairs import read_pairs


def test_no_table_that_is_trained_on_or_retrieved_from_holds_a_test_clip() -> None:
    held_out = set(tables()["test"])
    assert held_out == set(clip_ids("test"))
    for name in tables().keys() - {"test"}:
        assert not held_out & {original(clip_id) for clip_id in tables()[name]}, name


def test_the_second_judge_shares_no_clip_with_the_encoders() -> None:
    parts = [set(tables()[name]) for name in ("encoders", "encoders-more", "judge", "balanced-val")]
    assert len(set().union(*parts)) == sum(map(len, parts))
    assert len(parts[0]) == ENCODER_CLIPS


def test_tables_are_read_as_pairs(tmp_path: Path) -> None:
    found = write_tables(tmp_path, ["train", "test"], limit=3, jobs=1)
    pairs = read_pairs(found["train"]).pairs
    assert [p.clip_id for p in pairs] == list(clip_ids("train")[:3])
    assert [p.caption for p in pairs] == [describe(p.clip_id).caption for p in pairs]
    assert {p.split for p in pairs} == {"train"}
    assert {p.split for p in read_pairs(found["test"]).pairs} == {"test"}
    for pair in pairs:
        assert pair.audio is not None
        np.testing.assert_array_equal(decode(pair.audio).samples[:, 0], render(pair.clip_id))
    assert "labels" in found["train"].read_text().splitlines()[0]


def test_clips_that_are_there_are_kept_and_processes_do_not_matter(tmp_path: Path) -> None:
    ids = clip_ids("train")[:2]
    one = write_clips(tmp_path / "one", ids, jobs=1)
    stamps = [path.stat().st_mtime_ns for path in one.values()]
    assert [path.stat().st_mtime_ns for path in write_clips(tmp_path / "one", ids, jobs=1).values()] == stamps
    many = clip_ids("val")[:102]
    two = write_clips(tmp_path / "two", many, jobs=2)
    assert all(path.is_file() for path in two.values())
    np.testing.assert_array_equal(decode(two[many[-1]]).samples[:, 0], render(many[-1]))
    stamp = two[many[0]].stat().st_mtime_ns
    assert write_clips(tmp_path / "two", many, jobs=2)[many[0]].stat().st_mtime_ns == stamp


def test_clips_that_were_altered_are_synthesised_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    reporter = Reporter(quiet=True)
    monkeypatch.setattr(reporter, "note", said.append)
    ids = clip_ids("val")[:3]
    files = write_clips(tmp_path, ids)
    before = [path.read_bytes() for path in files.values()]
    files[ids[0]].write_bytes(wav_bytes(np.zeros(16_000, dtype=np.float32), 16_000))
    files[ids[1]].unlink()
    assert [path.read_bytes() for path in write_clips(tmp_path, ids, progress=reporter).values()] == before
    assert said == [f"Synthesised anew, because their files in {tmp_path} were altered: {ids[0]}."]
    [log] = tmp_path.glob("clips-*.sha256")
    log.unlink()  # clips of a version that stored no digests
    files[ids[0]].write_bytes(b"RIFF")
    assert [path.read_bytes() for path in write_clips(tmp_path, ids).values()] == before


def test_other_code_of_the_synthesis_makes_the_clips_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = clip_ids("val")[:2]
    files = write_clips(tmp_path, ids)
    before = files[ids[0]].read_bytes()
    [log] = tmp_path.glob("clips-*.sha256")
    monkeypatch.setattr(materials, "_synthesis", lambda: "other")
    monkeypatch.setattr(materials, "render_varied", lambda clip_id: render(clip_id) / 2)
    assert write_clips(tmp_path, ids)[ids[0]].read_bytes() != before
    assert [path.name for path in tmp_path.glob("clips-*.sha256")] == ["clips-other.sha256"]
    assert log.name != "clips-other.sha256"
    closure = code_closure("reaudio_model.miniature.varied")
    assert {f"reaudio_model.miniature.{name}" for name in ("synthesis", "world", "animals", "machines")} <= closure.keys()


def test_another_version_of_the_world_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world.txt").write_text("miniature world 0\n")
    with pytest.raises(ReaudioError, match=r"contains miniature world 0, not \d+: choose another folder"):
        write_tables(tmp_path, ["val"], limit=1)
