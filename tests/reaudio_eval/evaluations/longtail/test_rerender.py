"""Which runs a report is made of, and what is said about the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from run_folders import make_dataset, write

from reaudio_eval.evaluations.longtail.rerender import report_runs
from reaudio_model.common.errors import ReaudioError


def test_runs_with_other_training_counts_do_not_stand_in_one_table(tmp_path: Path) -> None:
    data = make_dataset()
    write(tmp_path, "a", 0.4, dataset=data)
    write(tmp_path, "b", 0.5, dataset=replace(data, train_counts={**data.train_counts, "l00": 3}))
    with pytest.raises(ReaudioError, match="cannot be compared: their training counts differ for 1 labels, such as 'l00'"):
        report_runs([tmp_path])


def test_earlier_runs_of_a_system_are_named(tmp_path: Path) -> None:
    old, new = write(tmp_path, "a", 0.4), write(tmp_path, "a", 0.5, created="2026-02-01T00:00:00+00:00")
    found, (note,) = report_runs([tmp_path])
    assert [run.path for run in found] == [new]
    assert str(old) in note.message
    assert report_runs([new])[1] == ()
