"""Scores that come with the package: exported without paths, given back whole, and refused where they do not belong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from run_folders import as_version_1, reseal

from reaudio_eval.clips.retrieval import Compared, neighbours_sha256
from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.frames.scores import SCORES, SET_VALUES
from reaudio_eval.prompts.dataset import Dataset, Prompt
from reaudio_eval.prompts.strata import strata_scheme
from reaudio_eval.runs import bundled
from reaudio_eval.runs.bundled import baseline_names, export_baseline, known_baselines, read_baseline
from reaudio_eval.runs.directory import write_run
from reaudio_eval.scores.system_scores import MetricInfo, SystemScores
from reaudio_model.common.audio import wav_bytes
from reaudio_model.common.errors import ReaudioError
from reaudio_model.miniature import world
from reaudio_model.retrieval.records import Neighbour, Pair

NAME = "re-audioldm-s-none"
IDS = world.clip_ids("test")[:4]
METRIC = MetricInfo("m_net", "M", "clip", True, "", "net", "abc")
STRATA = strata_scheme("log10", world.train_counts())


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundled run of four clips; returns the folder of the bundled runs."""
    monkeypatch.setattr(bundled.bundled, "identity", lambda _name: {"unet/x.safetensors": "1"})
    clips = {clip_id: tmp_path / "wav" / f"{clip_id}.wav" for clip_id in IDS}
    (tmp_path / "wav").mkdir()
    for path in clips.values():
        path.write_bytes(wav_bytes(0.1 * np.random.default_rng(0).standard_normal(4_000).astype(np.float32), 16_000))
    prompts = tuple(Prompt(i, world.describe(i).caption, world.describe(i).labels) for i in IDS)
    dataset = Dataset("miniature", "test", prompts, world.train_counts(), world.label_names(), references=clips)
    rows = pd.DataFrame([(i, "m_net", None, 0.5) for i in IDS], columns=SCORES.required)
    scores = SystemScores(SystemInfo(NAME, "generated", 4, clips), (METRIC,), rows, pd.DataFrame(columns=SET_VALUES.names))
    manifest = {"created": "2026", "seed": 3, "clip_ids_sha256": "x", "protocol": {"name": "miniature"}, "packages": {}}
    write_run(tmp_path / "run", scores, dataset, STRATA, {}, {NAME: {"odd": str(tmp_path)}}, manifest)
    export_baseline(tmp_path / "run", "miniature", tmp_path / "bundled" / NAME)
    return tmp_path / "bundled"


def read(folder: Path, **changed: object) -> SystemScores | str:
    asked = {"clip_ids": IDS, "metrics": [METRIC], "protocol": "miniature", "strata": STRATA, **changed}
    return read_baseline(NAME, folder=folder, **asked)  # type: ignore[arg-type]


def test_scores_come_back_with_clips_to_play(shipped: Path) -> None:
    found = read(shipped)
    assert isinstance(found, SystemScores)
    assert found.scores["value"].tolist() == [0.5] * 4
    assert set(found.system.clips) == set(IDS)
    assert found.system.n_clips == len(IDS)
    assert all(path.suffix == ".mp3" and path.stat().st_size > 200 for path in found.system.clips.values())
    assert "seed 3" in found.system.description


def test_nothing_of_this_machine_is_shipped(shipped: Path) -> None:
    for path in shipped.rglob("*"):
        if path.is_file() and path.suffix != ".mp3":
            assert str(shipped.parent).encode() not in path.read_bytes(), path


def test_other_clips_or_another_protocol_leave_it_out_with_a_sentence(shipped: Path) -> None:
    assert "bundled scores are of all 4 test clips; give --baselines fresh" in str(read(shipped, clip_ids=IDS[:2]))
    assert "of the protocol miniature" in str(read(shipped, protocol="fadtk"))


def test_metrics_and_strata_of_the_evaluation_decide(shipped: Path) -> None:
    found = read(shipped, metrics=[replace(METRIC, name="other")])
    assert isinstance(found, SystemScores)
    assert found.metrics == ()
    assert found.scores.empty
    assert isinstance(read(shipped, strata=strata_scheme("10,100", world.train_counts())), SystemScores)


def test_scores_of_other_weights_judges_or_worlds_are_refused(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReaudioError, match=r"do not belong to this package \(net differ\): give --baselines fresh"):
        read(shipped, metrics=[replace(METRIC, embedder_sha256="def")])
    path = shipped / NAME / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["bundled"]["world_version"] = 0
    reseal(path.parent, manifest)
    with pytest.raises(ReaudioError, match=r"\(world_version differ\)"):
        read(shipped)
    manifest["bundled"]["world_version"] = world.WORLD_VERSION
    reseal(path.parent, manifest)
    with monkeypatch.context() as other:
        other.setattr(bundled.bundled, "STEPS", bundled.bundled.STEPS + 1)
        with pytest.raises(ReaudioError, match=r"\(sampling differ\)"):
            read(shipped)
    monkeypatch.setattr(bundled.bundled, "identity", lambda _name: {"unet/x.safetensors": "2"})
    with pytest.raises(ReaudioError, match=r"\(weights differ\)"):
        read(shipped)


def test_copying_counts_only_against_the_same_neighbours(shipped: Path) -> None:
    metric = replace(METRIC, name="copying_net")
    found = {c: (Neighbour(Pair(f"n{c}", "x"), 0, 0.5),) for c in IDS}
    path = shipped / NAME
    rows = pd.read_parquet(path / "scores.parquet")
    rows.assign(metric="copying_net").to_parquet(path / "scores.parquet", index=False)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["metrics"][0] |= {"name": "copying_net", "role": "copying"}
    manifest["neighbours_sha256"] = neighbours_sha256(Compared("the pool", found), IDS)
    reseal(path, manifest)
    same = read(shipped, metrics=[metric], control=Compared("re-audioldm-l", found))
    assert isinstance(same, SystemScores)
    assert (len(same.scores), same.neighbours_of) == (4, "re-audioldm-l")
    for control in (None, Compared("other", dict.fromkeys(IDS, ()))):
        other = read(shipped, metrics=[metric], control=control)
        assert isinstance(other, SystemScores)
        assert other.scores.empty
        assert "compared with other retrieved clips; give --baselines fresh" in other.undefined["copying_net"]


def test_metrics_that_were_not_bundled_say_so(shipped: Path) -> None:
    found = read(shipped, metrics=[METRIC, replace(METRIC, name="new_net")])
    assert isinstance(found, SystemScores)
    assert found.undefined == {"new_net": f"not among its bundled scores; {bundled.REMEDY}"}


def test_the_control_is_what_bundled_systems_retrieve(tmp_path: Path) -> None:
    prompts = tuple(Prompt(i, world.describe(i).caption, source_id=i) for i in IDS)
    found = bundled.pool_control(Dataset("miniature", "test", prompts, {}, {}), tmp_path)
    assert {len(own) for own in found.neighbours.values()} == {3}
    assert all(n.pair.audio is not None and n.pair.audio.is_file() for own in found.neighbours.values() for n in own)


def test_baselines_stand_beside_bundled_models_only() -> None:
    dataset = Dataset("miniature", "test", (), {}, {})
    assert baseline_names(dataset, ["re-audioldm-l"]) == ["re-audioldm-s-none", "copy-retrieved"]
    assert baseline_names(dataset, ["re-audioldm-l", "re-audioldm-s-none"]) == ["copy-retrieved"]
    assert baseline_names(dataset, ["noise"]) == []
    assert baseline_names(replace(dataset, name="audiocaps"), ["re-audioldm-l"]) == []


def test_a_selection_of_the_clips_gets_their_scores(shipped: Path) -> None:
    found = read(shipped, clip_ids=IDS[1:3], selection=True)
    assert isinstance(found, SystemScores)
    assert sorted(found.scores["clip_id"]) == sorted(IDS[1:3])
    assert set(found.system.clips) == set(IDS[1:3])
    assert (found.system.n_clips, len(found.set_values)) == (2, 0)
    assert isinstance(read(shipped, clip_ids=IDS[1:3]), str)
    assert isinstance(read(shipped, clip_ids=[*IDS, "test-000099"], selection=True), str)


def test_runs_written_before_pools_were_kept_are_read(shipped: Path) -> None:
    path = shipped / NAME / "labels.parquet"
    pd.read_parquet(path).drop(columns="n_pool", errors="ignore").to_parquet(path)
    as_version_1(shipped / NAME)
    run = bundled.read_run(shipped / NAME)
    assert run.dataset.pool_counts is None
    assert run.dataset.n_pool("owl") is None


def test_the_shipped_scores_know_the_pool() -> None:
    dataset = bundled.read_run(bundled.FOLDER / NAME).dataset
    assert dataset.n_pool("owl") == 16  # only in the pool: world.POOL_SINGLES + POOL_IN_SCENES


def test_scores_of_other_sampling_are_left_out_with_a_note(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "FOLDER", shipped)
    monkeypatch.setattr(bundled.read_baseline, "__kwdefaults__", {**bundled.read_baseline.__kwdefaults__, "folder": shipped})
    dataset = Dataset("miniature", "test", (), {}, {})

    def known(sampling: Sampling | None, models: tuple[str, ...] = ("re-audioldm-l",)) -> tuple[list[str], list[str]]:
        scores, notes = known_baselines(
            dataset, models, clip_ids=IDS, metrics=[METRIC], protocol="miniature", strata=STRATA, sampling=sampling
        )
        return [s.system.name for s in scores], [n.message for n in notes]

    steps, guidance = bundled.bundled.STEPS, bundled.bundled.GUIDANCE
    for same in (None, Sampling(), Sampling(steps, guidance), Sampling(k=1), Sampling(candidates=1)):
        assert known(same) == ([NAME], [])
    for other in (Sampling(steps=1), Sampling(guidance=0.0), Sampling(candidates=2)):
        names, notes = known(other)
        assert names == []
        made = f"its bundled scores are of {steps} steps, guidance {guidance:g} and one candidate"
        assert f"{made}; give --baselines fresh" in notes[0]
    assert known(None, (NAME,)) == ([], [])
