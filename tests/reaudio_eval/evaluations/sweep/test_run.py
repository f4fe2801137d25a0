"""``reaudio-eval sweep`` end to end with a plug-in model that makes tones: cells, resuming, pairing, page, tables and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import write_embedder
from synthesise import CLASSES
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval import plugins as registry
from reaudio_eval.cli.app import app
from reaudio_eval.runs.directory import read_run
from reaudio_eval.statistics.intervals import holm

runner = CliRunner()

# Noise on the real clip, less of it with more steps, pairs and candidates; the seed and the caption change the noise alone.
MODEL = '''
"""Noisy copies: a plug-in model that samples."""

from pathlib import Path

import numpy as np
import soundfile

from reaudio_eval.clips.models import ModelPlugin
from reaudio_eval.clips.sampling import Sampling
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.seeds import clip_seed

CALLS = []
FAIL_AT = []


class Copies(ModelPlugin):
    candidates = True

    def defaults(self, dataset, weights, variant):
        return Sampling(8, 2.0, 2, "audio+text")

    def clips(self, request):
        s = request.sampling
        CALLS.append((s.steps, s.guidance, s.k, s.retrieval, request.seed, request.prompts[0].caption, request.batch_size))
        if len(CALLS) in FAIL_AT:
            raise ReaudioError("killed")
        found = {}
        for prompt in request.prompts:
            settings = f"{s.steps}-{s.guidance}-{s.k}-{s.retrieval}-{s.candidates}-{request.seed}-{len(prompt.caption)}"
            path = request.output / settings / f"{prompt.clip_id}.wav"
            if not path.exists():
                audio, rate = soundfile.read(request.dataset.references[prompt.clip_id], dtype="float32")
                rng = np.random.default_rng(clip_seed(request.seed, prompt.clip_id + prompt.caption))
                level = (0.4 / s.steps + 0.2 / (1 + s.k)) / s.candidates
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, audio + level * rng.standard_normal(len(audio)).astype("float32"), rate)
                request.spent.clips += 1
                request.spent.seconds += 0.25
            found[prompt.clip_id] = path
        return found


PLUGIN = Copies()
'''
DATASET = '''
"""The folder dataset with two captions of each clip: a plug-in dataset."""

import dataclasses

from reaudio_eval.prompts.datasets import DatasetPlugin, folder


class Twice(DatasetPlugin):
    def load(self, options):
        found = folder.PLUGIN.load(dataclasses.replace(options, captions=1))
        more = " <b>again</b>" * (options.captions - 1)
        prompts = tuple(dataclasses.replace(p, caption=p.caption + more) for p in found.prompts)
        return dataclasses.replace(found, prompts=prompts)


PLUGIN = Twice()
'''


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    plugins = tmp_path / "plugins"
    write_embedder(plugins)
    for kind, name, text in (("models", "copies", MODEL), ("datasets", "twice", DATASET)):
        (plugins / kind).mkdir(parents=True, exist_ok=True)
        (plugins / kind / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(plugins))
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def page_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the figures, which take most of the time, where only numbers matter."""
    monkeypatch.setattr("reaudio_eval.evaluations.sweep.factor_section.factor_figure", lambda *_: None)


def arguments(world: Path, sounds: Path, *more: str) -> list[str]:
    return [
        "sweep", "--model", "copies", "--dataset", "twice", "--data-root", str(sounds), "--references", str(sounds / "reference"),
        "--embedder", "bands", "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--output", str(world / "out"),
        "--strata", "100", *more,
    ]  # fmt: skip


def run(world: Path, sounds: Path, *more: str) -> dict[str, Any]:
    result = runner.invoke(app, arguments(world, sounds, "--json", "--quiet", "--media", "none", *more))
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refuse(world: Path, sounds: Path, *more: str) -> str:
    result = runner.invoke(app, arguments(world, sounds, *more))
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


def calls() -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = registry.load_module("models", "copies").CALLS
    return found


@pytest.mark.usefixtures("without_figures")
def test_cells_are_systems_compared_with_the_reference(world: Path, sounds: Path) -> None:
    found = run(
        world, sounds, "--over", "k=0,1", "--over", "steps=2", "--over", "retrieval=none,audio", "--metric", "kl_bands"
    )
    assert list(found["cells"]) == ["copies", "copies k=0", "copies k=1", "copies steps=2", "copies retrieval=audio"]
    assert found["reference"] == "copies"
    assert found["primary"] == "kl_bands"
    kl = {name: cell["metrics"]["kl_bands"]["value"] for name, cell in found["cells"].items()}
    assert kl["copies"] < kl["copies k=1"] < kl["copies k=0"]
    steps = [row for row in found["factors"]["steps"] if row["stratum"] == "all"]
    assert [row["setting"] for row in steps] == ["2", "8"]
    assert steps[0]["difference"] == pytest.approx(kl["copies steps=2"] - kl["copies"])
    assert steps[0]["difference_low"] < steps[0]["difference"] < steps[0]["difference_high"]
    assert steps[1]["difference"] is None
    assert steps[1]["reference"] is True
    none = [row for row in found["factors"]["retrieval"] if row["setting"] == "none" and row["stratum"] == "all"]
    assert none[0]["cell"] == "copies k=0"  # one cell, on two curves
    assert found["cells"]["copies"]["seconds_per_clip"] == pytest.approx(0.25)
    assert any("on average over all classes" in sentence for sentence in found["verdict"])


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_holm_runs_over_the_cells_of_each_family(world: Path, sounds: Path) -> None:
    run(world, sounds, "--over", "k=0,1", "--over", "steps=2,4", "--metric", "kl_bands")
    numbers = pd.read_csv(world / "out" / "tables" / "numbers.csv")
    tested = numbers[numbers["difference"].notna()]
    assert set(tested["family"]) == {"confirmatory", "exploratory"}
    named = tested[tested["family"] == "confirmatory"]
    assert set(named["stratum"]) == {"classes", "1-99", "gap_head_tail"}
    assert len(named) == 3 * 4
    np.testing.assert_allclose(named["p_holm"], holm(named["p_value"]))
    assert (tested["p_holm"] > tested["p_value"]).any()


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_finished_cells_are_neither_made_nor_scored_again(world: Path, sounds: Path) -> None:
    first = run(world, sounds, "--over", "k=0,1", "--metric", "kl_bands")
    manifests = {name: Path(cell["run"]) / "manifest.json" for name, cell in first["cells"].items()}
    before = {name: path.stat().st_mtime_ns for name, path in manifests.items()}
    embedded = sum(registry.load_module("embedders", "bands").CALLS)
    more = run(world, sounds, "--over", "k=0,1,5", "--over", "steps=2", "--metric", "kl_bands")
    assert {name: path.stat().st_mtime_ns for name, path in manifests.items()} == before
    assert sum(registry.load_module("embedders", "bands").CALLS) - embedded == 2 * len(CLASSES) * 2  # clips of two new cells
    for name in first["cells"]:
        assert more["cells"][name]["metrics"] == first["cells"][name]["metrics"]
        assert more["cells"][name]["seconds_per_clip"] == pytest.approx(0.25)  # as measured when the clips were made
    manifest = json.loads(manifests["copies k=1"].read_text())
    assert manifest["settings"] == {
        "k": 1, "steps": 8, "guidance": 2.0, "retrieval": "audio+text", "candidates": 1, "seed": 0, "captions": 1,
    }  # fmt: skip
    assert read_run(manifests["copies k=1"].parent).scores.system.name == "copies k=1"


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_a_killed_sweep_goes_on_to_the_same_numbers(world: Path, sounds: Path) -> None:
    model = registry.load_module("models", "copies")
    model.FAIL_AT.append(len(model.CALLS) + 2)
    assert "killed" in refuse(world, sounds, "--over", "k=0,1", "--metric", "kl_bands", "--quiet")
    model.FAIL_AT.clear()
    resumed = run(world, sounds, "--over", "k=0,1", "--metric", "kl_bands")
    whole = run(world, sounds, "--over", "k=0,1", "--metric", "kl_bands", "--output", str(world / "other"))
    for name, cell in whole["cells"].items():
        assert resumed["cells"][name]["metrics"] == cell["metrics"]
    assert resumed["cells"]["copies"]["seconds_per_clip"] is None  # its clips were made by the call that was killed
    assert (world / "out" / "tables" / "numbers.csv").read_bytes() == (
        world / "other" / "tables" / "numbers.csv"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_seeds_and_captions_have_a_spread_and_are_no_choice(world: Path, sounds: Path) -> None:
    found = run(world, sounds, "--over", "seed=0..2", "--over", "captions=1,2", "--metric", "kl_bands", "--seed", "0")
    seeds = [row["value"] for row in found["factors"]["seed"] if row["stratum"] == "all"]
    spread = next(row for row in found["spread"] if row["factor"] == "seed" and row["stratum"] == "all")
    assert spread["n"] == 3
    assert spread["mean"] == pytest.approx(np.mean(seeds))
    assert spread["sd"] == pytest.approx(np.std(seeds, ddof=1))
    assert (spread["low"], spread["high"]) == (min(seeds), max(seeds))
    reference = found["cells"]["copies"]["metrics"]["kl_bands"]
    assert spread["half_width"] == pytest.approx((reference["ci_high"] - reference["ci_low"]) / 2)
    seeds_sentence, captions_sentence = (s for s in found["verdict"] if s.startswith("Over "))
    assert seeds_sentence.startswith("Over 3 seeds")
    assert captions_sentence.startswith("Over 2 captions")
    assert any("another caption of each clip are scored against that caption" in a["message"] for a in found["alerts"])
    captions = {c[5] for c in calls()}
    assert any(text.endswith("<b>again</b>") for text in captions)
    again = read_run(Path(found["cells"]["copies captions=2"]["run"]))
    assert all(p.caption.endswith("again</b>") for p in again.dataset.prompts)


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_grid_shows_every_combination(world: Path, sounds: Path) -> None:
    found = run(world, sounds, "--design", "grid", "--over", "k=1,2", "--over", "steps=4,8", "--metric", "kl_bands")
    assert set(found["cells"]) == {"copies", "copies k=1", "copies steps=4", "copies k=1 steps=4"}
    assert {row["cell"] for row in found["factors"]["k"]} == {"copies", "copies k=1"}
    assert "all combinations" in (world / "out" / "sweep.html").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_the_reference_is_what_the_user_says(world: Path, sounds: Path) -> None:
    options = ["--steps", "4", "--guidance", "0", "--k", "1", "--retrieval", "audio", "--seed", "7", "--captions", "2"]
    options += ["--candidates", "2", "--batch-size", "3"]
    found = run(world, sounds, "--over", "k=2", *options, "--metric", "kl_bands", "--sample", "6")
    assert found["cells"]["copies"]["settings"] == {
        "k": 1, "steps": 4, "guidance": 0.0, "retrieval": "audio", "candidates": 2, "seed": 7, "captions": 2,
    }  # fmt: skip
    assert calls()[-2][:5] == (4, 0.0, 1, "audio", 7)
    assert calls()[-1][-1] == 3
    assert found["dataset"]["n_clips"] == 6


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_candidates_are_a_factor_and_a_warning(world: Path, sounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = run(world, sounds, "--over", "candidates=2,4", "--metric", "kl_bands")
    kl = [
        found["cells"][name]["metrics"]["kl_bands"]["value"]
        for name in ("copies", "copies candidates=2", "copies candidates=4")
    ]
    assert kl[0] > kl[1] > kl[2]
    messages = [alert["message"] for alert in found["alerts"]]
    assert any(
        m.startswith("Candidate selection: each clip of copies candidates=2 (of 2) and copies candidates=4 (of 4)")
        for m in messages
    )
    read = read_run(Path(found["cells"]["copies candidates=4"]["run"])).scores.system
    assert read.candidates == 4
    monkeypatch.setattr(registry.load("models", "copies"), "candidates", False)
    for option in (("--over", "candidates=2"), ("--over", "k=0", "--candidates", "2")):
        assert "copies makes one clip of each prompt, so candidates have no effect: leave them out." in refuse(
            world, sounds, *option
        )


@pytest.mark.slow
def test_page_figures_and_tables(world: Path, sounds: Path) -> None:
    over = ("--over", "k=0,1", "--over", "retrieval=audio", "--over", "captions=1,2")
    result = runner.invoke(app, arguments(world, sounds, *over, "--metric", "kl_bands", "--captions", "2"))
    assert result.exit_code == 0, result.output
    out = world / "out"
    page = (out / "sweep.html").read_text(encoding="utf-8")
    assert "<h1>Sweep of copies</h1>" in page
    assert "reference: k 2, steps 8, guidance 2, retrieval audio+text, candidates 1, seed 0, captions 2" in page
    for anchor in ("verdict", "cells", "by-k", "by-retrieval", "by-captions", "alerts", "listen", "audit", "provenance"):
        assert f'<section id="{anchor}"' in page
    assert "&lt;b&gt;again&lt;/b&gt;" in page
    assert "<b>again" not in page
    assert page.count("<audio") >= 2 * 5  # real audio and every cell, of two prompts at least
    assert "Every clip has noise of its own" not in page
    for stem in ("sweep-k-kl_bands", "sweep-retrieval-kl_bands", "sweep-captions-kl_bands"):
        assert all((out / "figures" / f"{stem}.{kind}").is_file() for kind in ("svg", "pdf", "png"))
        assert "\\begin{tabular}" in (out / "tables" / f"{stem}.tex").read_text()
        assert pd.read_csv(out / "tables" / f"{stem}.csv").columns[1].startswith("all clips")
    settings = (out / "tables" / "settings.tex").read_text()
    assert "\\begin{tabular}" in settings
    assert "Bold: significantly better than every other system" not in settings
    assert pd.read_csv(out / "tables" / "settings.csv")["setting"].iloc[0] == "reference"
    cells = pd.read_csv(out / "tables" / "cells.csv")
    assert list(cells["reference"]) == [True, False, False, False, False]
    record = json.loads((out / "sweep.json").read_text())
    assert [point["cell"] for point in record["factors"]["k"]] == ["copies k=0", "copies k=1", "copies"]
    assert len(record["numbers"]) == 5 * 6  # cells; all clips, all classes, three strata and the gap
    for sentence in record["verdict"]:
        assert sentence in result.stdout
    assert f"Report: {out / 'sweep.html'}" in result.stdout
    assert "5 cells of 24 clips: 120 clips in all" in result.stderr
    assert "This cell took" in result.stderr


@pytest.mark.usefixtures("without_figures")
def test_dry_run_lists_the_cells_and_makes_none(world: Path, sounds: Path) -> None:
    before = len(calls())
    result = runner.invoke(app, arguments(world, sounds, "--over", "steps=4,16", "--over", "guidance=1", "--dry-run"))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["n_cells"], found["n_clips"], found["design"]) == (4, 96, "star")
    assert {c["name"]: c["relative_cost"] for c in found["cells"]} == {
        "copies": 1.0, "copies steps=4": 0.5, "copies steps=16": 2.0, "copies guidance=1": 0.5,
    }  # fmt: skip
    assert len(calls()) == before
    assert not (world / "out").exists()


@pytest.mark.usefixtures("without_figures")
def test_only_the_first_prompts_or_all(world: Path, sounds: Path) -> None:
    for more, n in ((("--limit", "3"), 3), (("--all-prompts",), 24), (("--sample", "12"), 12)):
        result = runner.invoke(app, arguments(world, sounds, "--over", "k=1", "--dry-run", *more))
        assert json.loads(result.stdout)["dataset"]["n_prompts"] == n


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "Nothing to vary: give --over NAME=V1,V2"),
        (("--over", "stpes=1"), "Unknown factor 'stpes'. Did you mean 'steps'"),
        (("--over", "k=1", "--design", "gird"), "Unknown value of --design 'gird'. Did you mean 'grid'"),
        (("--over", "k=1", "--model", "real"), "real does not sample, so there is nothing to vary"),
        (("--over", "k=1", "--model", "noise"), "noise does not sample"),
        (("--over", "k=1", "--model", "clips"), "clips does not sample"),
        (("--over", "k=1", "--model", "copy-retrieved"), "copy-retrieved does not sample"),
        (("--over", "k=1", "--model", "copiez"), "Did you mean 'copies'"),
        (("--over", "k=0,1", "--model", "tango"), "tango retrieves nothing, so --over k has no effect"),
        (("--over", "steps=2", "--model", "tango", "--k", "2"), "tango retrieves nothing"),
        (
            ("--over", "k=1", "--limit", "3", "--sample", "3"),
            "--limit takes the first prompts and --sample some of every class",
        ),
        (("--over", "k=1", "--limit", "3", "--all-prompts"), "--all-prompts takes every prompt"),
        (("--over", "k=1", "--weights", "tango=x"), "--weights names 'tango', which is not the --model copies"),
        (("--over", "captions=1,2", "--captions", "classes"), "--over captions varies the dataset's own captions"),
        (("--over", "k=1", "--captions", "x"), "--captions x: give a whole number from 1, or `classes`"),
        (("--over", "k=1", "--primary", "fadd"), "Unknown metric 'fadd'"),
    ],
)
@pytest.mark.usefixtures("without_figures")
def test_bad_input_is_one_sentence(world: Path, sounds: Path, more: tuple[str, ...], message: str) -> None:
    assert message in refuse(world, sounds, "--quiet", *more)


@pytest.mark.usefixtures("without_figures")
def test_weights_that_are_none_are_named(world: Path, sounds: Path) -> None:
    more = ("--model", "re-audioldm-s", "--weights", f"re-audioldm-s={world}", "--over", "k=1")
    assert "is no saved Re-AudioLDM pipeline" in refuse(world, sounds, *more)


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_overwrite_never_refuses_finished_cells(world: Path, sounds: Path) -> None:
    run(world, sounds, "--over", "k=1", "--metric", "kl_bands")
    assert "exists already" in refuse(
        world, sounds, "--over", "k=1", "--metric", "kl_bands", "--overwrite", "never", "--quiet"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_python_api(world: Path, sounds: Path) -> None:
    result = reaudio_eval.sweep(
        model="copies", over={"steps": 2}, dataset="folder", data_root=sounds, references=sounds / "reference", strata="100",
        embedders=["bands"], checkpoints={"bands": world / "plugins" / "bands.bin"}, metrics="kl_bands",
        cache_dir=world / "cache", output=world / "api", media="none",
    )  # fmt: skip
    assert [cell.name for cell in result.sweep.cells] == ["copies", "copies steps=2"]
    assert len(result.runs) == 2
    assert set(result.sweep.curves["factor"]) == {"steps"}
    assert result.report.html.is_file()
