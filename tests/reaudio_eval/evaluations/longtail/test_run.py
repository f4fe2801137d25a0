"""``reaudio-eval longtail`` and ``report`` end to end on synthesised sounds; a plug-in of every kind in list, run and report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthesise import CLASSES
from typer.testing import CliRunner

from reaudio_eval import plugins
from reaudio_eval.cli.app import app
from reaudio_eval.runs.directory import read_run, verify_run
from reaudio_model.common.errors import ReaudioError

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_figures")

METRIC_PLUGIN = '''
"""Mean energy of a clip's bands: a plug-in metric."""

from reaudio_eval.scores.metrics import ClipMetric

METRICS = (ClipMetric("energy_{embedder}", "Energy", True, "", "tests", compute=lambda given: given.generated.clip_means.mean(axis=1)),)
'''
MODEL_PLUGIN = '''
"""The real clips again, under another name: a plug-in model."""

from reaudio_eval.clips.models import ModelPlugin

BATCHES = []


class Echo(ModelPlugin):
    def clips(self, request):
        BATCHES.append(request.batch_size)
        return {p.clip_id: request.dataset.references[p.clip_id] for p in request.prompts}


PLUGIN = Echo()
'''
DATASET_PLUGIN = '''
"""The folder dataset under another name: a plug-in dataset."""

import dataclasses

from reaudio_eval.prompts.datasets import DatasetPlugin, folder


class Tiny(DatasetPlugin):
    def load(self, options):
        return dataclasses.replace(folder.PLUGIN.load(options), name="tiny")


PLUGIN = Tiny()
'''


def arguments(world: Path, sounds: Path, *more: str, dataset: str = "folder", output: str = "out") -> list[str]:
    return [
        "longtail", "--dataset", dataset, "--data-root", str(sounds), "--references", str(sounds / "reference"),
        "--clips", f"good={sounds / 'good'}", "--clips", f"poor={sounds / 'poor'}", "--embedder", "bands",
        "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--output", str(world / output), *more,
    ]  # fmt: skip


def run(world: Path, sounds: Path, *more: str, **options: str) -> dict[str, Any]:
    result = runner.invoke(app, arguments(world, sounds, "--json", "--quiet", "--media", "none", *more, **options))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refuse(world: Path, sounds: Path, *more: str) -> str:
    result = runner.invoke(app, arguments(world, sounds, *more))
    assert result.exit_code == 2, result.output
    return result.stderr


def test_report_runs_and_numbers(world: Path, sounds: Path) -> None:
    found = run(world, sounds)
    assert list(found["systems"]) == ["good", "poor", "real", "noise"]
    assert Path(found["report"]).is_file()
    kl = {system: metrics["kl_bands"]["value"] for system, metrics in found["systems"].items()}
    assert kl["good"] < kl["poor"]
    assert kl["real"] is None
    strata = found["strata"]["kl_bands"]
    assert set(strata) == {"head", "medium", "tail", "zero-shot"}
    assert strata["head"]["poor"]["value"] < strata["tail"]["poor"]["value"]
    assert sum(strata[s]["good"]["n_classes"] for s in strata) == len(CLASSES)


def test_run_directory_keeps_the_contract(world: Path, sounds: Path) -> None:
    found = run(world, sounds)
    path = Path(found["runs"][0])
    assert path.parts[-4:-1] == ("runs", "folder", "good")
    names = {"manifest.json", "prompts.parquet", "labels.parquet", "clips.parquet", "scores.parquet", "set_values.parquet"}
    assert names | {"metrics.json", "audit.json", "request.yaml"} == {p.name for p in path.iterdir()}
    scores = pd.read_parquet(path / "scores.parquet")
    columns = ["schema_version", "clip_id", "system", "metric", "embedder", "value", "label", "n_train", "stratum", "seed"]
    assert list(scores.columns) == columns
    row = scores[(scores["clip_id"] == "chirp0") & (scores["metric"] == "kl_bands")].iloc[0]
    assert row["n_train"] == CLASSES["chirp"]
    assert row["stratum"] == "tail"
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    for key in (
        "schema_version",
        "command",
        "created",
        "packages",
        "git",
        "protocol",
        "embedders",
        "hardware",
        "seed",
        "dataset",
    ):
        assert key in manifest, key
    assert json.loads((path / "metrics.json").read_text(encoding="utf-8")) == found["systems"]["good"]


@pytest.mark.slow
def test_a_baseline_is_the_control_of_a_report_and_of_no_run(world: Path, sounds: Path) -> None:
    found = run(world, sounds, "--baseline", "poor")
    roles = {s["name"]: s["role"] for s in _record(world / "out")["systems"]}
    assert roles == {"good": "system", "poor": "control", "real": "real", "noise": "noise"}
    assert [read_run(Path(path)).scores.system.role for path in found["runs"]] == ["system", "system", "real", "noise"]
    report = ["report", str(world / "out"), "--output", str(world / "again"), "--media", "none", "--quiet"]
    assert runner.invoke(app, [*report, "--baseline", "poor"]).exit_code == 0
    assert {s["name"]: s["role"] for s in _record(world / "again")["systems"]} == roles
    wrong = runner.invoke(app, [*report, "--baseline", "noise"])
    assert (wrong.exit_code, "--baseline noise is noise, a reference" in wrong.stderr) == (2, True)


def _record(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "longtail.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_runs_read_back_as_they_were_written(world: Path, sounds: Path) -> None:
    found = run(world, sounds)
    again = read_run(Path(found["runs"][1]))
    assert again.scores.system.name == "poor"
    assert len(again.dataset.prompts) == 2 * len(CLASSES)
    assert again.dataset.n_train("hum") == CLASSES["hum"]
    assert [s.name for s in again.strata] == ["head", "medium", "tail", "zero-shot"]


@pytest.mark.slow
def test_report_from_runs_has_the_same_numbers(world: Path, sounds: Path) -> None:
    run(world, sounds)
    result = runner.invoke(
        app, ["report", str(world / "out"), "--output", str(world / "again"), "--media", "none", "--quiet"]
    )
    assert result.exit_code == 0, result.output
    first, second = (json.loads((world / name / "longtail.json").read_text(encoding="utf-8")) for name in ("out", "again"))
    for key in ("overall", "by_stratum", "per_class", "trend", "paired"):
        assert sorted(map(str, first[key])) == sorted(map(str, second[key])), key


@pytest.mark.slow
def test_report_with_other_strata(world: Path, sounds: Path) -> None:
    run(world, sounds)
    out = str(world / "lvis")
    result = runner.invoke(
        app, ["report", str(world / "out"), "--output", out, "--strata", "lvis", "--media", "none", "--json", "--quiet"]
    )
    assert set(json.loads(result.stdout)["strata"]["kl_bands"]) == {"frequent", "common", "rare", "zero-shot"}


@pytest.mark.slow
def test_report_of_runs_over_different_clips(world: Path, sounds: Path) -> None:
    run(world, sounds)
    run(world, sounds, "--limit", "6", output="fewer")
    runs = [str(world / "out" / "runs" / "folder" / "good"), str(world / "fewer" / "runs" / "folder" / "poor")]
    words = ["report", *runs, "--output", str(world / "x"), "--media", "none", "--json", "--quiet"]
    counts = []
    for more in ([], ["--common"]):
        result = runner.invoke(app, [*words, *more])
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        counts.append([found["systems"][name]["kl_bands"]["n_clips"] for name in ("good", "poor")])
        alerts = [a for a in found["alerts"] if f"good on {2 * len(CLASSES)}; poor on 6" in a["message"]]
        assert len(alerts) == (0 if more else 1)
    assert counts == [[2 * len(CLASSES), 6], [6, 6]]


def test_report_of_something_else(world: Path) -> None:
    result = runner.invoke(app, ["report", str(world), "--output", str(world / "x")])
    assert result.exit_code == 2
    assert "There is no finished run" in result.stderr


@pytest.mark.slow
def test_damaged_run_is_named(world: Path, sounds: Path) -> None:
    path = Path(run(world, sounds)["runs"][0])
    (path / "scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReaudioError, match="is damaged"):
        read_run(path)
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    (path / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 99}), encoding="utf-8")
    with pytest.raises(ReaudioError, match="schema version 99"):
        read_run(path)


@pytest.mark.slow
def test_damaged_runs_are_scored_again_by_the_same_command(world: Path, sounds: Path) -> None:
    first = run(world, sounds)
    good, poor, real, _ = map(Path, first["runs"])
    stamp = (real / "manifest.json").stat().st_mtime_ns
    (good / "scores.parquet").write_bytes(b"PAR1")
    (poor / "manifest.json").write_text("null", encoding="utf-8")
    result = runner.invoke(app, arguments(world, sounds, "--json", "--media", "none"))
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "good is scored again. The run " in said
    assert "poor is scored again. " in said
    assert json.loads(result.stdout)["systems"] == first["systems"]
    assert [verify_run(path) for path in (good, poor, real)] == [[], [], []]
    assert (real / "manifest.json").stat().st_mtime_ns == stamp


@pytest.mark.slow
def test_two_processes_with_one_output_and_one_cache_agree(world: Path, sounds: Path) -> None:
    command = [sys.executable, "-m", "reaudio_eval", *arguments(world, sounds, "--json", "--quiet", "--media", "none")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    first, second = (json.loads(out) for out, _ in answers)
    assert first == second
    assert [verify_run(path) for path in first["runs"]] == [[]] * 4
    assert not [path for path in world.rglob("*") if path.name.startswith(".tmp-") or path.suffix == ".lock"]


@pytest.mark.slow
def test_second_run_is_byte_identical_and_keeps_finished_runs(world: Path, sounds: Path) -> None:
    first = run(world, sounds)
    manifest = Path(first["runs"][0]) / "manifest.json"
    stamp = manifest.stat().st_mtime_ns
    pages = (world / "out" / "longtail.json").read_bytes()
    assert run(world, sounds) == first
    assert manifest.stat().st_mtime_ns == stamp
    assert (world / "out" / "longtail.json").read_bytes() == pages


@pytest.mark.slow
def test_overwrite_always_and_never(world: Path, sounds: Path) -> None:
    first = run(world, sounds)
    manifest = Path(first["runs"][0]) / "manifest.json"
    stamp = manifest.stat().st_mtime_ns
    assert run(world, sounds, "--overwrite", "always")["systems"] == first["systems"]
    assert manifest.stat().st_mtime_ns > stamp
    assert "exists already; choose another --output" in refuse(world, sounds, "--overwrite", "never")


@pytest.mark.slow
def test_order_of_systems_changes_no_number(world: Path, sounds: Path) -> None:
    first = run(world, sounds)["systems"]
    reordered = arguments(world, sounds, "--json", "--quiet", "--media", "none", output="other")
    i, j = (k for k, a in enumerate(reordered) if a.startswith(("good=", "poor=")))
    reordered[i], reordered[j] = reordered[j], reordered[i]
    assert json.loads(runner.invoke(app, reordered).stdout)["systems"] == first


@pytest.mark.slow
def test_adding_a_system_changes_no_number(world: Path, sounds: Path) -> None:
    first = run(world, sounds)["systems"]
    more = run(world, sounds, "--clips", f"third={sounds / 'good'}", output="other")["systems"]
    assert {name: more[name] for name in first} == first


@pytest.mark.slow
def test_a_missing_clip_leaves_one_system(world: Path, sounds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    for path in sorted((sounds / "good").iterdir())[3:]:
        (folder / path.name).symlink_to(path)
    found = run(world, sounds, "--clips", f"part={folder}")
    counts = {name: metrics["kl_bands"]["n_clips"] for name, metrics in found["systems"].items() if name != "real"}
    assert counts == dict.fromkeys(("good", "poor", "noise"), 2 * len(CLASSES)) | {"part": 2 * len(CLASSES) - 3}
    assert found["audit"]["part"]["n_missing"] == 3
    assert any("good, poor, real and noise on 24; part on 21." in a["message"] for a in found["alerts"])
    assert "--strict" in refuse(world, sounds, "--clips", f"part={folder}", "--strict")


@pytest.mark.slow
def test_without_real_and_noise(world: Path, sounds: Path) -> None:
    assert list(run(world, sounds, "--no-real", "--no-noise")["systems"]) == ["good", "poor"]


def test_dry_run(world: Path, sounds: Path) -> None:
    plan = json.loads(runner.invoke(app, arguments(world, sounds, "--dry-run")).stdout)
    assert [s["name"] for s in plan["systems"]] == ["good", "poor", "real", "noise"]
    assert plan["strata"]["tail"] == "1 to 99"
    assert not (world / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--strata", "log2"), "Did you mean 'log10'"),
        (("--strata", "10,5"), "ascending"),
        (("--model", "nosie"), "Did you mean 'noise'"),
        (("--dataset", "audiocap"), "Did you mean 'audiocaps'"),
        (("--primary", "kl_band"), "Did you mean 'kl_bands'"),
        (("--clips", "good=x"), "names 'good' twice"),
        (("--clips", "GOOD=x"), "Two systems are called"),
        (("--clips", "reference=x"), "cannot be called 'reference'"),
        (("--clips", "new=nowhere"), "does not exist"),
        (("--limit", "0"), "--limit must be 1 or more"),
        (("--baseline", "por"), "Unknown system of --baseline 'por'. Did you mean 'poor'"),
        (("--baseline", "real"), "--baseline real is real audio, a reference that is shown and not compared"),
    ],
)
def test_bad_input(world: Path, sounds: Path, more: tuple[str, str], words: str) -> None:
    message = refuse(world, sounds, *more)
    assert words in message
    assert "Traceback" not in message


def test_no_system(world: Path, sounds: Path) -> None:
    result = runner.invoke(
        app, ["longtail", "--dataset", "folder", "--data-root", str(sounds), "--output", str(world / "o")]
    )
    assert result.exit_code == 2
    assert "give --clips NAME=FOLDER, --model NAME" in result.stderr


@pytest.mark.slow
def test_output_that_cannot_be_written(world: Path, sounds: Path) -> None:
    (world / "out").write_bytes(b"a file")
    assert "there is a file where a folder is needed" in refuse(world, sounds)


@pytest.mark.slow
def test_python_interface_returns_frames(world: Path, sounds: Path) -> None:
    import reaudio_eval as re

    embed = {"embedders": "bands", "checkpoints": {"bands": world / "plugins" / "bands.bin"}, "cache_dir": world / "cache"}
    result = re.longtail(
        clips={"good": sounds / "good"}, dataset="folder", data_root=str(sounds), references=sounds / "reference",
        output=world / "api", media="none", **embed,
    )  # fmt: skip
    assert set(result.analysis.per_class["label"]) == set(CLASSES)
    assert result.report.html.is_file()
    assert re.read_run(result.runs[0]).scores.system.name == "good"
    scores = re.score(sounds / "good", sounds / "reference", **embed)
    assert scores.n_clips == 2 * len(CLASSES)


@pytest.mark.slow
def test_one_file_adds_a_metric_a_model_a_dataset_and_an_embedder(world: Path, sounds: Path) -> None:
    for kind, name, text in (
        ("metrics", "energy", METRIC_PLUGIN), ("models", "echo", MODEL_PLUGIN), ("datasets", "tiny", DATASET_PLUGIN),
    ):  # fmt: skip
        folder = world / "plugins" / kind
        folder.mkdir()
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    for kind, name in (("metrics", "energy"), ("models", "echo"), ("datasets", "tiny"), ("embedders", "bands")):
        assert name in runner.invoke(app, ["list", kind]).stdout
    found = run(world, sounds, "--model", "echo", "--batch-size", "3", dataset="tiny")
    assert plugins.load_module("models", "echo").BATCHES == [3]
    assert found["systems"]["echo"]["energy_bands"]["value"] is not None
    assert Path(found["runs"][0]).parts[-3] == "tiny"
    page = (world / "out" / "longtail.html").read_text(encoding="utf-8")
    for text in ("energy_bands", "echo", "tiny"):
        assert text in page, text


def test_two_metrics_of_one_name_are_refused(world: Path, sounds: Path) -> None:
    folder = world / "plugins" / "metrics"
    folder.mkdir()
    (folder / "other.py").write_text(METRIC_PLUGIN.replace("energy_", "kl_"), encoding="utf-8")
    assert "Two metrics are called 'kl_bands'" in refuse(world, sounds)
