"""Sets of runs: what is found, what is kept, and the errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_folders import make_dataset, write

from reaudio_eval.runs.directory import read_run, write_run
from reaudio_eval.runs.find import RunSet
from reaudio_eval.runs.manifest import MANIFEST
from reaudio_model.common.errors import ReaudioError


def test_every_run_below_the_folders_is_read(tmp_path: Path) -> None:
    old, new = write(tmp_path, "a", 0.4), write(tmp_path, "a", 0.5, created="2026-02-01T00:00:00+00:00")
    other = write(tmp_path / "second", "b", 0.4)
    (tmp_path / "runs" / "folder" / "unfinished").mkdir()
    assert {run.path for run in RunSet.read([tmp_path]).runs} == {old, new, other}
    assert [run.path for run in RunSet.read([other, old]).runs] == [other, old]


def test_the_newest_run_of_each_system(tmp_path: Path) -> None:
    new = write(tmp_path, "a", 0.5, created="2026-02-01T00:00:00+00:00")
    old, other = write(tmp_path, "a", 0.4), write(tmp_path, "b", 0.4)
    assert [run.path for run in RunSet.read([old, other, new]).newest().runs] == [new, other]


def test_a_run_that_is_used_again_is_the_newest(tmp_path: Path) -> None:
    old, new = write(tmp_path, "a", 0.4), write(tmp_path, "a", 0.5, created="2026-02-01T00:00:00+00:00")
    assert [run.path for run in RunSet.read([tmp_path]).newest().runs] == [new]
    run = read_run(old)
    before = (new / MANIFEST).read_bytes()
    for path, now in ((new, "2026-02-02T00:00:00+00:00"), (old, "2026-02-03T00:00:00+00:00")):
        manifest = {**run.manifest, "created": now}
        write_run(path, run.scores, run.dataset, run.strata, {}, {}, manifest, unless_whole=True)
    assert (new / MANIFEST).read_bytes() == before  # it was the newest already
    assert [run.path for run in RunSet.read([tmp_path]).newest().runs] == [old]
    assert read_run(old).manifest["created"] == run.manifest["created"]


def test_chosen_prompts_stay_out_unless_named_or_alone(tmp_path: Path) -> None:
    whole, part = write(tmp_path, "a", 0.4), write(tmp_path, "b", 0.4, selection="rare classes")
    found = RunSet.read([tmp_path])
    kept = found.over_all_prompts()
    assert [run.path for run in kept.runs] == [whole]
    assert found.paths_not_in(kept) == [part]
    assert len(RunSet.read([whole, part]).over_all_prompts()) == 2
    alone = RunSet.read([part.parent])
    assert len(alone.over_all_prompts(or_chosen=True)) == 1
    with pytest.raises(ReaudioError, match=r"of chosen prompts only \(rare classes\)"):
        alone.over_all_prompts()


def test_another_version_of_the_code_replaces_only_the_same_system_seed_and_clips(tmp_path: Path) -> None:
    old = write(tmp_path, "a", 0.4, code_sha256="0" * 64)
    kept = {
        write(tmp_path, "a", 0.5, created="2026-02-01T00:00:00+00:00"),
        write(tmp_path, "a", 0.4, seed=1, code_sha256="0" * 64),
        write(tmp_path, "a", 0.4, dataset=make_dataset(80), code_sha256="0" * 64),
        write(tmp_path, "b", 0.4, code_sha256="0" * 64),
    }
    found = RunSet.read([tmp_path])
    assert {run.path for run in found.current().runs} == kept
    assert found.paths_not_in(found.current()) == [old]


def test_a_report_takes_the_newest_run_of_each_system_whatever_its_clips(tmp_path: Path) -> None:
    new = write(tmp_path, "a", 0.5, created="2026-02-01T00:00:00+00:00")
    write(tmp_path, "a", 0.4, dataset=make_dataset(80))
    other = write(tmp_path, "b", 0.4, dataset=make_dataset(80))
    assert {run.path for run in RunSet.read([tmp_path]).for_report().runs} == {new, other}


@pytest.mark.parametrize("named", [True, False])
def test_nothing_found(tmp_path: Path, named: bool) -> None:
    with pytest.raises(ReaudioError, match="no finished run" if named else "at least one run directory"):
        RunSet.read([tmp_path] if named else [])
