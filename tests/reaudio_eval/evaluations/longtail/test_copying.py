"""``reaudio-eval longtail`` with systems that retrieve: what runs keep, Copying, leaks, alerts, the page, and the report made again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes import write_embedder
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.scoring import applicable
from reaudio_eval.runs.directory import read_run
from reaudio_eval.scores.evaluate import Options, prepare
from reaudio_model.retrieval.index_files import save_neighbours
from reaudio_model.retrieval.records import Neighbour, Pair

runner = CliRunner()
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_figures")]
HOSTILE = "<script>alert('n')</script> {{ 7 * 7 }}"

# Pastes the clip of the class's other take. The first prompt finds its own caption; of the last nothing was retrieved.
PASTER = '''
"""Submits what it retrieved: a plug-in model."""

import re

from reaudio_eval.clips.models import ModelPlugin
from reaudio_eval.clips.system import Retrieval
from reaudio_model.retrieval.records import Neighbour, Pair

def pairs(request):
    folder = request.dataset.references[request.prompts[0].clip_id].parent.parent / "good"
    for i, p in enumerate(request.prompts):
        other = p.clip_id[:-1] + ("1" if p.clip_id.endswith("0") else "0")
        caption = p.caption if i == 0 else "<script>alert('n')</script> {{ 7 * 7 }}"
        yield p.clip_id, Pair("pool-" + other, caption, folder / (other + ".wav"), "")


class Paster(ModelPlugin):
    def clips(self, request):
        return {clip_id: pair.audio for clip_id, pair in pairs(request)}

    def retrieved(self, request, clips):
        found = {clip_id: (Neighbour(pair, 0, 0.75),) for clip_id, pair in pairs(request)}
        return Retrieval(found, "the network of bands", {"pool": "train", "key": "audio"})


PLUGIN = Paster()
'''


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_embedder(folder / "plugins")
    (folder / "plugins" / "models").mkdir()
    (folder / "plugins" / "models" / "paster.py").write_text(PASTER, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def plugins(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REAUDIO_PLUGINS", str(world / "plugins"))
    monkeypatch.setenv("REAUDIO_CACHE", str(world / "cache"))


def run(world: Path, sounds: Path, output: str, *more: str, good: Path | None = None, media: str = "none") -> dict[str, Any]:
    arguments = [
        "longtail", "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"),
        "--clips", f"good={good or sounds / 'good'}", "--embedder", "bands", "--checkpoint",
        f"bands={world / 'plugins' / 'bands.bin'}", "--output", str(world / output), "--metric", "kl_bands",
        "--metric", "copying", "--json", "--quiet", "--media", media, *more,
    ]  # fmt: skip
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def done(world: Path, sounds: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REAUDIO_PLUGINS", str(world / "plugins"))
        patch.setenv("REAUDIO_CACHE", str(world / "cache"))
        return run(world, sounds, "out", "--model", "paster", media="inline")


def test_a_pasted_clip_is_its_neighbour_and_the_real_one_the_measure(done: dict[str, Any], world: Path) -> None:
    data = json.loads((world / "out" / "longtail.json").read_text(encoding="utf-8"))
    summary = pd.DataFrame(data["copying"]["summary"]).set_index(["system", "quantity"])["value"]
    assert summary["paster", "similarity"] == pytest.approx(1, abs=1e-9)
    assert summary["paster", "near_copies"] == 1
    assert summary["paster", "excess"] == pytest.approx(1 - summary["paster", "real_similarity"])
    assert summary["real", "excess"] == 0
    copying = {name: metrics["copying_bands"] for name, metrics in done["systems"].items()}
    assert copying["paster"]["value"] > copying["good"]["value"]
    assert copying["real"]["value"] == 0
    assert copying["paster"]["target"] == 0
    assert set(data["copying"]["neighbours_of"].values()) == {"paster"}


def test_runs_keep_the_neighbours_and_the_leaks(done: dict[str, Any]) -> None:
    by_name = {Path(p).parts[-2]: Path(p) for p in done["runs"]}
    kept = {p.name for p in by_name["paster"].iterdir()}
    assert {"retrieved.parquet", "leakage.json", "copying.parquet"} <= kept
    assert not {"retrieved.parquet", "leakage.json"} & {p.name for p in by_name["good"].iterdir()}
    table = pd.read_parquet(by_name["paster"] / "retrieved.parquet")
    assert list(table.columns) == ["clip_id", "rank", "similarity", "neighbour_id", "caption", "source_id", "split", "audio"]
    assert all(Path(p).is_file() for p in table["audio"])
    assert json.loads((by_name["paster"] / "leakage.json").read_text())["identical_caption"]["n"] == 1
    manifest = json.loads((by_name["paster"] / "manifest.json").read_text())
    assert manifest["retrieval"] == {
        "k": 1, "pool": "train", "key": "audio", "encoder_sha256": "the network of bands", "judges": ["bands"],
    }  # fmt: skip
    assert json.loads((by_name["good"] / "manifest.json").read_text())["neighbours_of"] == "paster"
    assert read_run(by_name["good"]).scores.copies["similarity"].between(-1, 1).all()


def test_alerts_name_leaks_and_the_judge(done: dict[str, Any]) -> None:
    messages = [a["message"] for a in done["alerts"] if a["level"] == "warning"]
    assert any("the neighbours of paster (k = 1) include an identical caption for 1 prompt, of 24" in m for m in messages)
    (judge,) = (m for m in messages if m.startswith("Same network for retrieval and scoring"))
    assert "paster retrieves with the network of Copying (Bands) and KL divergence (Bands)" in judge


def test_the_page_shows_it_and_captions_stay_text(done: dict[str, Any]) -> None:
    page = Path(done["report"]).read_text(encoding="utf-8")
    section = page[page.index('<section id="copying"') : page.index('<section id="listen"')]
    for text in (
        "Leakage and copying",
        "The nearest neighbour of paster contained the target clip, its recording or its caption for 1 prompt of 24",
        "near copies",
        "compared with clips retrieved by paster", "Scores on affected and on clean prompts", "pool train, key audio",
    ):  # fmt: skip
        assert text in section, text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#39;n&#39;)&lt;/script&gt; {{ 7 * 7 }}" in page
    assert "Played above as paster." in page[page.index('<section id="listen"') :]
    assert "†" in page[page.index('<section id="systems"') : page.index('<section id="labels"')]


@pytest.mark.slow
def test_the_report_made_again_without_audio_says_the_same(done: dict[str, Any], world: Path) -> None:
    out = world / "again"
    result = runner.invoke(app, ["report", str(world / "out"), "--output", str(out), "--media", "none", "--quiet"])
    assert result.exit_code == 0, result.output
    first, again = (json.loads((world / name / "longtail.json").read_text(encoding="utf-8")) for name in ("out", "again"))
    for name in ("leaks", "leak_scores", "copies", "summary", "retrieved"):
        assert sorted(map(str, first["copying"][name])) == sorted(map(str, again["copying"][name])), name
    assert {str(a) for a in again["alerts"]} == {str(a) for a in first["alerts"]}


@pytest.mark.slow
def test_a_second_run_reuses_what_is_finished(done: dict[str, Any], world: Path, sounds: Path) -> None:
    stamp = (Path(done["runs"][0]) / "manifest.json").stat().st_mtime_ns
    assert run(world, sounds, "out", "--model", "paster") == done
    assert (Path(done["runs"][0]) / "manifest.json").stat().st_mtime_ns == stamp


def folder_with_table(sounds: Path, target: Path) -> Path:
    """The good clips with a table of what "they" retrieved: nothing, a missing file, no file, and a broken one among others."""
    target.mkdir()
    for path in (sounds / "good").iterdir():
        (target / path.name).symlink_to(path)
    (target / "broken.bin").write_bytes(b"no audio")
    rows = {
        path.stem: [Neighbour(Pair("n" + path.stem, HOSTILE, path, ""), 0, 0.5)]
        for path in sorted((sounds / "poor").iterdir())
    }
    odd = sorted(rows)
    rows[odd[0]] = []
    for clip_id, audio in ((odd[1], target / "gone.wav"), (odd[2], None), (odd[3], target / "broken.bin")):
        rows[clip_id] = [Neighbour(Pair("x" + clip_id, "caption", audio, ""), 0, 0.5)]
    save_neighbours(target / "retrieved.parquet", rows)
    return target


@pytest.mark.slow
def test_a_folder_may_say_what_was_retrieved_and_missing_audio_is_listed(world: Path, sounds: Path, tmp_path: Path) -> None:
    found = run(world, sounds, "folder", good=folder_with_table(sounds, tmp_path / "clips"), media="inline")
    copying = found["systems"]["good"]["copying_bands"]
    assert copying["n_clips"] == 24 - 4
    assert copying["value"] is not None
    audit = found["audit"]["neighbours"]
    assert (audit["n_clips"], audit["n_ok"], audit["n_missing"], audit["n_unreadable"]) == (23, 20, 1, 2)
    messages = [a["message"] for a in found["alerts"]]
    assert any(m.startswith("3 of 23 retrieved clips are missing or unreadable (see the audit)") for m in messages)
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "No leakage for good" in page
    assert "The system names no audio file for it." in page
    assert "cannot be played" in page
    assert "<script>alert" not in page
    assert not any(m.startswith("The judge") for m in messages)  # the table does not say who retrieved


@pytest.mark.slow
def test_nothing_retrieved_by_anyone(world: Path, sounds: Path) -> None:
    found = run(world, sounds, "plain")
    metric = found["systems"]["good"]["copying_bands"]
    assert (metric["value"], metric["reason"]) == (None, "no system of this report retrieves, or its retrieval is unknown")
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "No system of this report declares retrieval" in page


def test_without_retrieval_copying_is_no_metric_unless_asked_for(world: Path) -> None:
    checkpoint = {"bands": world / "plugins" / "bands.bin"}
    options = Options(embedders=("bands",), checkpoints=checkpoint, cache_dir=world / "cache")
    named = dataclasses.replace(options, metrics=("kl_bands", "copying"))
    required = dataclasses.replace(options, require=("copying_bands",))
    for asked, retrieves, there in (
        (options, False, False),
        (options, True, True),
        (named, False, True),
        (required, False, True),
    ):
        metrics = {m.info.name for m in applicable(prepare(asked), retrieves, asked).metrics}
        assert ("copying_bands" in metrics, "kl_bands" in metrics) == (there, True)
    usual = {
        m.info.name for m in applicable(prepare(named), False, named, named.metrics).metrics
    }  # the dataset's, not the user's
    assert ("copying_bands" in usual, "kl_bands" in usual) == (False, True)


def test_a_system_cannot_be_called_neighbours(world: Path, sounds: Path) -> None:
    arguments = ["longtail", "--dataset", "folder", "--data-root", str(sounds), "--clips", f"neighbours={sounds / 'good'}"]
    result = runner.invoke(app, [*arguments, "--output", str(world / "x")])
    assert result.exit_code == 2
    assert "cannot be called 'neighbours'" in result.stderr
