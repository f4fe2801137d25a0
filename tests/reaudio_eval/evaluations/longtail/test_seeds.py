"""``--seeds``: several clips of each prompt, from models and from folders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reaudio_eval.clips.sampling import Sampling
from reaudio_eval.evaluations.longtail import rerender
from reaudio_eval.evaluations.longtail import run as longtail
from reaudio_eval.evaluations.longtail.request import LongtailRequest, ReportRequest
from reaudio_eval.evaluations.longtail.result import LongtailResult
from reaudio_eval.evaluations.sweep.request import SweepRequest
from reaudio_eval.frames.scores import SEED_VALUES
from reaudio_eval.runs.directory import read_run
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.progress import Reporter

pytestmark = pytest.mark.usefixtures("no_figures")

QUIET = Reporter(quiet=True)
EXACT = 1e-12  # the same sums in another order
MODEL = '''
"""Real clips with noise that depends on the seed: a plug-in model."""

import numpy as np
import soundfile

from reaudio_eval.clips.models import ModelPlugin
from reaudio_model.common.seeds import clip_seed

MADE = []


class Rough(ModelPlugin):
    def clips(self, request):
        request.output.mkdir(parents=True, exist_ok=True)
        return {p.clip_id: self.make(request, p.clip_id) for p in request.prompts}

    def make(self, request, clip_id):
        path = request.output / f"{clip_id}.wav"
        if not path.is_file():
            MADE.append((request.seed, clip_id))
            wave, rate = soundfile.read(request.dataset.references[clip_id])
            noise = np.random.default_rng(clip_seed(request.seed, clip_id)).standard_normal(len(wave))
            soundfile.write(path, wave + 0.2 * noise, rate)
        return path


PLUGIN = Rough()
'''


@pytest.fixture
def rough(world: Path) -> Path:
    path = world / "plugins" / "models" / "rough.py"
    path.parent.mkdir()
    path.write_text(MODEL, encoding="utf-8")
    return world


def run(world: Path, sounds: Path, output: str = "out", **options: Any) -> LongtailResult:
    """Plan and run, without the page."""
    usual = {
        "dataset": "folder",
        "data_root": sounds,
        "references": sounds / "reference",
        "noise": False,
        "embedders": "bands",
    }
    files = {"checkpoints": {"bands": world / "plugins" / "bands.bin"}, "output": world / output}
    return longtail.run(longtail.plan(LongtailRequest.of(usual | files | options), QUIET), QUIET)


def scores_of(found: LongtailResult) -> pd.DataFrame:
    return read_run(found.runs[0]).scores.scores.set_index(["metric", "clip_id"])


def messages(found: LongtailResult) -> str:
    return "\n".join(alert.message for alert in found.alerts)


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_scores_are_means_over_the_seeds(rough: Path, sounds: Path) -> None:
    found = run(rough, sounds, models="rough", seeds=3, seed=4)
    together = read_run(found.runs[0]).scores
    single = [scores_of(run(rough, sounds, f"out{seed}", models="rough", seed=seed)) for seed in (4, 5, 6)]
    values = pd.concat([each["value"] for each in single], axis=1)
    mine = together.scores.set_index(["metric", "clip_id"]).loc[values.index]
    assert mine["value"].to_numpy() == pytest.approx(values.mean(axis=1).to_numpy(), abs=EXACT)
    assert mine["sd_values"].to_numpy() == pytest.approx(values.std(axis=1).to_numpy(), abs=EXACT)
    assert (mine.loc["kl_bands", "sd_values"] > 0).all()
    assert together.system.seeds == (4, 5, 6)
    assert set(SEED_VALUES.check(together.seed_values)["seed"]) == {4, 5, 6}
    assert "Generated clips of each prompt: 3 (seeds 4, 5, 6) of every system." in messages(found)


@pytest.mark.slow
def test_a_report_has_the_same_numbers_and_a_repeated_command_makes_nothing(rough: Path, sounds: Path) -> None:
    first = run(rough, sounds, models="rough", seeds=2)
    before = stamps(rough / "out")
    assert stamps(rough / "out").keys() >= {rough / "out" / "clips" / "rough" / "seed1" / "hum0.wav"}
    again = run(rough, sounds, models="rough", seeds=2)
    assert stamps(rough / "out") == before
    read = rerender.run(rerender.plan(ReportRequest(first.runs), QUIET), QUIET)
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name], obj=name)
        pd.testing.assert_frame_equal(table, read.tables[name], obj=name)
    assert "Generated clips of each prompt: 2 (seeds 0, 1) of every system." in messages(read)
    more = run(rough, sounds, models="rough", seeds=3)
    assert stamps(rough / "out").items() >= before.items()
    assert more.runs[0] != first.runs[0]


@pytest.mark.slow
def test_one_seed_changes_nothing(rough: Path, sounds: Path) -> None:
    without, one = run(rough, sounds, models="rough"), run(rough, sounds, "one", models="rough", seeds=1)
    for a, b in zip(without.runs, one.runs, strict=True):
        assert a.relative_to(rough / "out") == b.relative_to(rough / "one")
        names = {p.name for p in a.iterdir()}
        assert names == {p.name for p in b.iterdir()}
        assert "seed_values.parquet" not in names
        for name in names - {"manifest.json", "request.yaml", "clips.parquet", "audit.json"}:  # these hold paths and options
            assert (a / name).read_bytes() == (b / name).read_bytes(), name
    assert "Generated clips of each prompt" not in messages(one)


@pytest.mark.slow
def test_folders_of_seeds(world: Path, sounds: Path) -> None:
    for seed, system in enumerate(("good", "poor")):
        shutil.copytree(sounds / system, world / "mine" / f"seed{seed}")
    (world / "mine" / "seed1" / "further.wav").write_bytes((sounds / "good" / "hum0.wav").read_bytes())
    found = run(world, sounds, clips={"mine": world / "mine", "one": sounds / "good"})
    mine = read_run(found.runs[0])
    good, poor = (scores_of(run(world, sounds, name, clips={"a": sounds / name})) for name in ("good", "poor"))
    expected = (good["value"] + poor["value"]) / 2
    table = mine.scores.scores.set_index(["metric", "clip_id"]).loc[expected.index]
    assert table["value"].to_numpy() == pytest.approx(expected.to_numpy(), abs=EXACT)
    assert mine.scores.system.clips["hum0"] == (world / "mine" / "seed0" / "hum0.wav")
    assert set(mine.audit) == {"mine", "mine (seed 1)", "reference"}
    assert "Generated clips of each prompt: 2 (seeds 0, 1) of mine; 1 of one." in messages(found)
    assert "1 of 49 files of mine belong to no prompt of this evaluation and are not scored: seed1/further.wav." in messages(
        found
    )


@pytest.mark.slow
def test_a_prompt_counts_where_every_seed_has_a_clip(world: Path, sounds: Path) -> None:
    for seed in (0, 1):
        shutil.copytree(sounds / "good", world / "mine" / f"seed{seed}")
    (world / "mine" / "seed1" / "hum0.wav").unlink()
    found = run(world, sounds, clips={"mine": world / "mine"})
    mine = read_run(found.runs[0])
    assert len(mine.dataset.prompts) == 23
    assert mine.audit["mine (seed 1)"]["n_missing"] == 1
    assert "Seeds of mine are byte for byte the same clips" in messages(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips": "one={sounds}/good", "seeds": 3}, "--seeds has no effect: no --model generates. Leave it out."),
        ({"models": "rough", "seeds": 0}, "--seeds must be 1 to 1000, not 0."),
        ({"models": "rough", "seeds": 2, "seed": 2**63 - 1}, "with --seeds 2 passes the largest seed, 9223372036854775807"),
        (
            {"models": "rough", "seeds": 2, "clips": "rough (seed 1)={sounds}/good"},
            "'rough .seed 1.' is a system and the clips of",
        ),
    ],
)
def test_seeds_that_mean_nothing_are_refused(rough: Path, sounds: Path, options: dict[str, Any], message: str) -> None:
    given = {name: value.format(sounds=sounds) if isinstance(value, str) else value for name, value in options.items()}
    with pytest.raises(ReaudioError, match=message):
        run(rough, sounds, **given)


def test_a_sweep_over_seeds_has_no_seeds() -> None:
    with pytest.raises(ReaudioError, match="--over seed makes a setting of every seed, --seeds averages over them"):
        SweepRequest("re-audioldm-s", over={"seed": (0, 1)}, sampling=Sampling(seeds=2))
