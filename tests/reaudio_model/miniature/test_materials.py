"""The miniature as files: which clips a table names, that they are the world's, and that nothing held out is among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError
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
    one[ids[0]].write_bytes(b"kept")
    assert write_clips(tmp_path / "one", ids, jobs=1)[ids[0]].read_bytes() == b"kept"
    many = clip_ids("val")[:102]
    two = write_clips(tmp_path / "two", many, jobs=2)
    assert all(path.is_file() for path in two.values())
    np.testing.assert_array_equal(decode(two[many[-1]]).samples[:, 0], render(many[-1]))


def test_another_version_of_the_world_is_refused(tmp_path: Path) -> None:
    (tmp_path / "world.txt").write_text("miniature world 0\n")
    with pytest.raises(ReaudioError, match=r"contains miniature world 0, not \d+: choose another folder"):
        write_tables(tmp_path, ["val"], limit=1)
