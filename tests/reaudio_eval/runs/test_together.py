"""Runs of different clips in one report: which clips and values are kept, with their reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from run_folders import KAD, make_dataset, make_scores, write

from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.directory import Run, read_run
from reaudio_eval.runs.together import put_together, with_sets
from reaudio_model.common.errors import ReaudioError


def ids(n: int, first: int = 0) -> list[str]:
    return [p.clip_id for p in make_dataset(n).prompts[first:]]


def of_clips(tmp_path: Path, name: str, clip_ids: Sequence[str], sets: Sequence[str] | None = None) -> Run:
    """A run of some of 96 clips; ``sets``: those that its set metrics count."""
    data = make_dataset()
    own = replace(data, prompts=tuple(p for p in data.prompts if p.clip_id in set(clip_ids)))
    scores = make_scores(own, strata_scheme("log10", data.train_counts), name, 0.5)
    scores = replace(scores, set_clip_ids=None if sets is None else frozenset(sets))
    return read_run(write(tmp_path, name, 0.5, dataset=own, scores=scores))


def test_clips_of_any_run_or_of_all(tmp_path: Path) -> None:
    runs = [of_clips(tmp_path, "a", ids(20)), of_clips(tmp_path, "b", ids(30, 10))]
    every = put_together(runs)
    assert every.clip_ids == ids(30)
    assert [list(s.scores["clip_id"].unique()) for s in every.scores] == [ids(20), ids(30, 10)]
    assert [s.system.n_clips for s in every.scores] == [20, 20]
    common = put_together(runs, common=True)
    assert common.clip_ids == ids(20, 10)
    assert [list(s.scores["clip_id"].unique()) for s in common.scores] == [ids(20, 10)] * 2
    assert every.dataset.prompts[:20] == runs[0].dataset.prompts


def test_set_metrics_keep_the_values_that_most_runs_count(tmp_path: Path) -> None:
    runs = [of_clips(tmp_path, "a", ids(20)), of_clips(tmp_path, "b", ids(30)), of_clips(tmp_path, "c", ids(40), ids(30))]
    found = put_together(runs)
    assert found.set_clip_ids == frozenset(ids(30))
    assert [s.set_values.empty for s in found.scores] == [True, False, False]
    assert (
        found.scores[0]
        .undefined[KAD.name]
        .startswith(
            "A value of a set of clips, stored for 20 clips, 20 of which are among the 30 that such values count here"
        )
    )
    assert [s.set_values.empty for s in put_together(runs, common=True).scores] == [False, True, True]


def test_the_clips_of_set_metrics_are_stored(tmp_path: Path) -> None:
    assert of_clips(tmp_path, "a", ids(20)).scores.set_clip_ids is None
    assert of_clips(tmp_path, "b", ids(20), ids(5)).scores.set_clip_ids == frozenset(ids(5))
    assert of_clips(tmp_path, "c", ids(20), []).scores.set_clip_ids == frozenset()


def test_restriction_is_exact(tmp_path: Path) -> None:
    runs = [of_clips(tmp_path, "a", ids(96)), of_clips(tmp_path, "b", ids(10))]
    part, _ = put_together(runs, common=True).scores
    whole = runs[0].scores.scores
    expected = whole[whole["clip_id"].isin(ids(10))]
    assert part.scores.reset_index(drop=True).equals(expected.reset_index(drop=True))
    assert part.set_values.empty
    assert "stored for 96 clips, 10 of which are among the 10" in part.undefined[KAD.name]
    assert with_sets(runs[0].scores, ids(96), ids(96)) is runs[0].scores


def test_references_labels_and_splits_of_all_runs(tmp_path: Path) -> None:
    one, other = of_clips(tmp_path, "a", ids(2)), of_clips(tmp_path, "b", ids(4))
    data = [
        replace(one.dataset, references={"c000": Path("x.wav")}, split="test"),
        replace(other.dataset, references={"c000": Path("y.wav"), "c003": Path("z.wav")}, split="all"),
    ]
    joined = put_together([replace(run, dataset=d) for run, d in zip((one, other), data, strict=True)]).dataset
    assert joined.references == {"c000": Path("x.wav"), "c003": Path("z.wav")}
    assert joined.split == "test and all"
    assert set(joined.label_names) == set(data[0].label_names) | set(data[1].label_names)


def test_no_clip_in_common(tmp_path: Path) -> None:
    runs = [of_clips(tmp_path, "a", ids(8)), of_clips(tmp_path, "b", ids(16, 8))]
    assert put_together(runs).clip_ids == ids(16)
    with pytest.raises(
        ReaudioError, match=r"no clip in common: 8 clips, such as 'c000': a \(.*\); 8 clips, such as 'c008': b"
    ):
        put_together(runs, common=True)
