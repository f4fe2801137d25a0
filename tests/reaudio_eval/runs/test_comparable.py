"""Which runs may be compared: refusals that name what differs, names, notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import run_folders
from run_folders import CLAP, KAD, make_dataset, make_scores, write

from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs.comparable import (
    check,
    distinct,
    notes,
    read_runs,
    reference_alerts,
    reference_files_alerts,
)
from reaudio_eval.runs.directory import Run, read_run
from reaudio_model.common.errors import ReaudioError


def runs(*paths: Path) -> list[Run]:
    return [read_run(path) for path in paths]


def test_equal_settings_pass(tmp_path: Path) -> None:
    pair = runs(write(tmp_path, "a", 0.4), write(tmp_path, "b", 0.5))
    check(pair)
    assert not notes(pair)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("protocol", "their protocols differ (miniature and fadtk)"),
        ("caption", "clip 'c003' has different captions ('sound number 3 of <b>l03</b>' and 'another')"),
        ("labels", "clip 'c003' has different labels"),
        ("trust", "clip 'c003' has different labels"),
        ("counts", "training counts differ for 1 labels, such as 'l01' (2000 and 1999 clips)"),
        ("checkpoint", "clap_score comes from different checkpoints of clap (sha256 aaaaaaaaaa... and ffffffffff...)"),
    ],
)
def test_what_differs_is_named(tmp_path: Path, what: str, words: str) -> None:
    data = make_dataset()
    odd = data.prompts[3]
    prompts = {
        "caption": replace(odd, caption="another"),
        "labels": replace(odd, labels=("l05",)),
        "trust": replace(odd, labels_known=False),
    }
    if what in prompts:
        data = replace(data, prompts=(*data.prompts[:3], prompts[what], *data.prompts[4:]))
    if what == "counts":
        data = replace(data, train_counts=dict(data.train_counts) | {"l01": 1999})
    scores = make_scores(data, strata_scheme("log10", data.train_counts), "b", 0.5)
    if what == "checkpoint":
        scores = replace(scores, metrics=(replace(CLAP, embedder_sha256="f" * 64), *scores.metrics[1:]))
    changed = {"protocol": {"name": "fadtk", "source": "tests"}} if what == "protocol" else {}
    # The run that differs is the last of three, and the first shares no metric with it: every pair is looked at.
    first = runs(write(tmp_path, "a", 0.4))[0]
    first = replace(first, scores=replace(first.scores, metrics=(KAD,))) if what == "checkpoint" else first
    others = runs(write(tmp_path, "c", 0.4), write(tmp_path, "b", 0.5, dataset=data, scores=scores, **changed))
    with pytest.raises(ReaudioError, match="cannot be compared") as error:
        check([first, *others])
    assert words in str(error.value)
    assert str(others[1].path) in str(error.value)


def test_names_of_runs_of_one_system(tmp_path: Path) -> None:
    seeds = runs(write(tmp_path / "x", "a", 0.4), write(tmp_path / "x", "a", 0.4, seed=1), write(tmp_path / "x", "b", 0.4))
    assert [r.scores.system.name for r in distinct(seeds)] == ["a (seed 0)", "a (seed 1)", "b"]
    assert list(distinct(seeds)[0].audit) == ["a (seed 0)"]
    folders = runs(write(tmp_path / "x", "a", 0.4), write(tmp_path / "y", "a", 0.4))
    assert [r.scores.system.name for r in distinct(folders)] == ["a (x)", "a (y)"]
    settings = runs(write(tmp_path / "x", "a", 0.4), write(tmp_path / "x", "a", 0.5))
    assert [r.scores.system.name for r in distinct(settings)] == [f"a ({r.path.name[:7]})" for r in settings]
    copies = runs(write(tmp_path / "1" / "x", "a", 0.4), write(tmp_path / "2" / "x", "a", 0.4))
    assert [r.scores.system.name for r in distinct(copies)] == ["a (1)", "a (2)"]
    assert [r.scores.system.name for r in distinct(copies[::-1])] == ["a (2)", "a (1)"]


def test_landmarks_come_last_and_once(tmp_path: Path) -> None:
    found = runs(
        write(tmp_path / "x", "noise", 0.1, kind="noise"),
        write(tmp_path / "x", "real", 0.8, kind="real"),
        write(tmp_path / "x", "a", 0.4),
        write(tmp_path / "y", "real", 0.8, kind="real", seed=1),
        write(tmp_path / "y", "noise", 0.1, kind="noise", seed=1),
        write(tmp_path / "y", "b", 0.4),
    )
    assert [r.scores.system.name for r in distinct(found)] == ["a", "b", "real", "noise"]


def test_a_folder_gives_each_run_once_and_drops_what_older_code_scored(tmp_path: Path) -> None:
    old = write(tmp_path, "a", 0.4, code_sha256="d" * 64, created="2025-01-01T00:00:00+00:00")
    new = write(tmp_path, "a", 0.41)
    other = write(tmp_path, "a", 0.42, seed=1)
    found, alerts = read_runs([tmp_path, new])
    assert {run.path for run in found} == {new, other}
    assert str(old) in alerts[0].message
    named, alerts = read_runs([old, new])
    assert [run.path for run in named] == [old, new]
    assert not alerts


def test_runs_of_chosen_prompts_stay_out_of_a_folder_unless_there_are_no_others(tmp_path: Path) -> None:
    part = write(tmp_path, "a", 0.5, dataset=make_dataset(24), selection="prompts with a rare class")
    assert [run.path for run in read_runs([tmp_path])[0]] == [part]
    whole = write(tmp_path, "a", 0.4)
    found, alerts = read_runs([tmp_path])
    assert [run.path for run in found] == [whole]
    assert "of chosen prompts only" in alerts[0].message
    assert str(part) in alerts[0].message
    assert {run.path for run in read_runs([tmp_path, part])[0]} == {whole, part}


def test_differences_that_are_only_noted(tmp_path: Path) -> None:
    found = runs(
        write(tmp_path, "a", 0.4),
        write(tmp_path, "b", 0.4, seed=3, code_sha256="d" * 64, packages={"torch": "2.7"}),
        write(tmp_path, "real", 0.8, kind="real", seed=3),
    )
    check(found)
    text = " ".join(alert.message for alert in notes(found))
    assert "different versions of the scoring code: 0.1.0 (cccccccccc): a, real; 0.1.0 (dddddddddd): b" in text
    assert "different seeds: seed 0: a; seed 3: b" in text
    assert "different versions of torch: 2.6: a, real; 2.7: b" in text


def test_other_real_recordings_are_noticed(tmp_path: Path) -> None:
    same = runs(write(tmp_path / "x", "real", 0.8, kind="real"), write(tmp_path / "y", "real", 0.8, kind="real"))
    ids = [p.clip_id for p in make_dataset().prompts]
    assert not reference_alerts(same, ids)
    scores = same[1].scores.scores
    first = scores["clip_id"] == "c000"
    moved = scores.assign(value=np.where(first, scores["value"] + 0.1, scores["value"]))
    other = replace(same[1], scores=replace(same[1].scores, scores=moved))
    (alert,) = reference_alerts([same[0], other], ids)
    assert alert.level == "warning"
    assert "on 1 of 96 clips" in alert.message
    assert not reference_alerts([same[0], other], ids[1:])


def test_other_files_of_real_audio_are_noticed(tmp_path: Path) -> None:
    one = write(tmp_path, "a", 0.4, content={"clips": "1", "reference": "2"})
    same = write(tmp_path, "b", 0.4, content={"clips": "3", "reference": "2"})
    older, other = write(tmp_path, "c", 0.4), write(tmp_path, "d", 0.4, content={"clips": "3", "reference": "4"})
    assert not reference_files_alerts(runs(one, same, older))
    (alert,) = reference_files_alerts(runs(one, same, other))
    assert (alert.level, alert.first_screen) == ("warning", True)
    assert str(one) in alert.message
    assert str(other) in alert.message


def test_sets_of_other_seeds_are_not_paired(tmp_path: Path) -> None:
    from reaudio_eval.statistics.longtail import analyse

    found = runs(write(tmp_path, "a", 0.4), write(tmp_path, "b", 0.45), write(tmp_path, "c", 0.4, seed=1))
    data = run_folders.make_dataset()
    paired = analyse([r.scores for r in found], data, found[0].strata).paired
    kad = paired[(paired["metric"] == KAD.name) & (paired["quantity"] == "all")].set_index(["system_a", "system_b"])
    assert np.isfinite(kad.loc[("a", "b"), "p_value"])
    assert np.isnan(kad.loc[("a", "c"), "p_value"])
    assert "different seeds" in kad.loc[("a", "c"), "reason"]
    assert np.isfinite(kad.loc[("a", "c"), "difference"])
