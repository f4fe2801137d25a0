"""``reaudio-eval zeroshot`` end to end on synthesised sounds: its options, what it writes, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from synthesise import CLASSES
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.zeroshot import request as command
from reaudio_eval.prompts.regimes import FEW_SHOT
from reaudio_eval.runs.directory import read_run

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_figures")
# rumble: no training clip; drone 1, chirp 3, buzz 9: few-shot
RARE = {"rumble", "drone", "chirp", "buzz"}


def arguments(world: Path, sounds: Path, *more: str, verb: str = "zeroshot") -> list[str]:
    return [
        verb, "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"),
        "--clips", f"good={sounds / 'good'}", "--clips", f"poor={sounds / 'poor'}", "--embedder", "bands",
        "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--output", str(world / "out"), *more,
    ]  # fmt: skip


KNOWN = ("--trained-on", "good=dataset", "--trained-on", "poor=dataset")
BARE = ("--json", "--quiet", "--media", "none", "--metric", "kl_bands", "--no-noise")


def call(arguments: list[str]) -> dict[str, Any]:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def run(world: Path, sounds: Path, *more: str, bare: tuple[str, ...] = BARE) -> dict[str, Any]:
    return call(arguments(world, sounds, *bare, *more))


def longtail(world: Path, sounds: Path) -> dict[str, Any]:
    return call(arguments(world, sounds, *BARE, verb="longtail"))


def refuse(world: Path, sounds: Path, *more: str) -> str:
    result = runner.invoke(app, arguments(world, sounds, *more))
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


def rows(found: dict[str, Any], frame: str, **cells: str) -> list[dict[str, Any]]:
    return [row for row in found[frame] if all(row[key] == value for key, value in cells.items())]


@pytest.mark.slow
def test_only_prompts_with_a_rare_class_are_scored(world: Path, sounds: Path) -> None:
    found = run(world, sounds, *KNOWN, "--twin", "poor", bare=BARE[:4])
    assert found["dataset"]["n_clips"] == 2 * len(RARE)
    assert [(r["regime"], r["n_classes"], r["n_clips"]) for r in found["regimes"]] == [
        ("few_shot", 3, 6), ("unknown_pool", 1, 2),
    ]  # fmt: skip
    assert {r["system"]: r["role"] for r in found["systems"]} == {
        "good": "system", "poor": "control", "real": "real", "noise": "noise",
    }  # fmt: skip
    kl = {row["system"]: row["value"] for row in rows(found, "by_regime", metric="kl_bands", regime="few_shot")}
    assert kl["good"] < kl["poor"]
    assert not any(row["metric"].startswith(("fad", "fd", "kad", "is_")) for row in found["by_regime"])
    assert any("Metrics of sets of clips" in a["message"] for a in found["alerts"])


@pytest.mark.slow
def test_files_beside_the_page(world: Path, sounds: Path) -> None:
    run(world, sounds, *KNOWN, "--twin", "poor")
    out = world / "out"
    names = {p.name for p in (out / "tables").iterdir()}
    assert {f"zeroshot_{n}.csv" for n in ("systems", "regimes", "classes", "by_regime", "per_class", "paired")} <= names
    assert {"zeroshot-regimes-kl_bands.tex", "zeroshot-paired-kl_bands.tex", "zeroshot-classes-kl_bands.tex"} <= names
    content = json.loads((out / "zeroshot.json").read_text(encoding="utf-8"))
    assert content["few_shot"] == FEW_SHOT
    with (out / "tables" / "zeroshot_classes.csv").open(encoding="utf-8") as file:
        assert {row["label"] for row in csv.DictReader(file)} == RARE


@pytest.mark.slow
def test_the_pool_of_a_folder_dataset_is_a_column(world: Path, sounds: Path, tmp_path: Path) -> None:
    root = tmp_path / "with-pool"
    root.mkdir()
    (root / "captions.csv").write_bytes((sounds / "captions.csv").read_bytes())
    lines = [f"{label},{n},{16 if label == 'rumble' else n}" for label, n in CLASSES.items()]
    (root / "counts.csv").write_text("\n".join(["label,n_train,n_pool", *lines]) + "\n", encoding="utf-8")
    found = run(world, sounds, *KNOWN, "--data-root", str(root))
    assert rows(found, "regimes", regime="pool_only")[0]["n_classes"] == 1
    assert read_run(Path(found["runs"][0])).dataset.n_pool("rumble") == 16


@pytest.mark.slow
def test_pool_labels_name_another_pool(world: Path, sounds: Path, tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_text("label,n_pool\nhum,10\n", encoding="utf-8")
    assert rows(run(world, sounds, *KNOWN, "--pool-labels", str(path)), "regimes", regime="neither")[0]["n_classes"] == 1
    path.write_text("label,n_pool\nrumble,10\n", encoding="utf-8")
    found = run(world, sounds, *KNOWN, "--pool-labels", str(path))
    assert rows(found, "regimes", regime="pool_only")[0]["n_classes"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "words"), [("rumbel,1", "Did you mean 'rumble'"), ("rumble,many", "n_pool 'many' is not a whole number")]
)
def test_bad_pool_labels(world: Path, sounds: Path, tmp_path: Path, row: str, words: str) -> None:
    path = tmp_path / "pool.csv"
    path.write_text(f"label,n_pool\n{row}\n", encoding="utf-8")
    assert words in refuse(world, sounds, "--pool-labels", str(path))


@pytest.mark.slow
def test_few_shot_is_declared(world: Path, sounds: Path) -> None:
    found = run(world, sounds, *KNOWN, "--few-shot", "3")
    assert found["few_shot"] == 3
    assert found["dataset"]["n_clips"] == 6
    page = (world / "out" / "zeroshot.html").read_text(encoding="utf-8")
    assert "few-shot: 1 to 3 training clips" in page


@pytest.mark.slow
def test_all_prompts_share_runs_with_longtail(world: Path, sounds: Path) -> None:
    found = run(world, sounds, *KNOWN, "--all")
    assert found["dataset"]["n_clips"] == 2 * len(CLASSES)
    assert rows(found, "regimes", regime="seen")
    stamps = [(Path(p) / "manifest.json").stat().st_mtime_ns for p in found["runs"]]
    again = longtail(world, sounds)["runs"]
    assert again == found["runs"]
    assert [(Path(p) / "manifest.json").stat().st_mtime_ns for p in again] == stamps


@pytest.mark.slow
def test_runs_over_chosen_prompts_stay_out_of_the_long_tail_report(world: Path, sounds: Path) -> None:
    part = run(world, sounds, *KNOWN)
    report = ["report", str(world / "out"), "--output", str(world / "again"), "--media", "none", "--quiet", "--json"]
    alone = runner.invoke(app, report)
    assert alone.exit_code == 2
    assert "are of chosen prompts only (prompts with a zero-shot or few-shot class)" in " ".join(alone.stderr.split())
    whole = longtail(world, sounds)
    assert sorted(call(report)["runs"]) == sorted(whole["runs"])
    assert sorted(call(["report", *part["runs"], *report[2:]])["runs"]) == sorted(part["runs"])


@pytest.mark.slow
def test_a_second_call_keeps_everything(world: Path, sounds: Path) -> None:
    first = run(world, sounds, *KNOWN, "--twin", "poor")
    stamp = (Path(first["runs"][0]) / "manifest.json").stat().st_mtime_ns
    page = (world / "out" / "zeroshot.html").read_bytes()
    assert run(world, sounds, *KNOWN, "--twin", "poor") == first
    assert (Path(first["runs"][0]) / "manifest.json").stat().st_mtime_ns == stamp
    assert (world / "out" / "zeroshot.html").read_bytes() == page


@pytest.mark.slow
def test_clips_of_unknown_training_are_never_silently_zero_shot(world: Path, sounds: Path) -> None:
    found = run(world, sounds, "--trained-on", "good=all", "--twin", "poor")
    zero = {row["system"]: row for row in rows(found, "by_regime", metric="kl_bands", regime="unknown_pool")}
    assert zero["good"]["value"] is None
    assert zero["good"]["reason"].startswith("n/a (seen)")
    assert zero["poor"]["value"] is not None
    assert any(a["message"].startswith("The training data of poor are not known") for a in found["alerts"])
    assert all(row["p_value"] is None for row in found["paired"])
    page = (world / "out" / "zeroshot.html").read_text(encoding="utf-8")
    assert "n/a (seen)" in page
    assert "training data unknown" in page


@pytest.mark.slow
def test_a_list_of_trained_labels(world: Path, sounds: Path, tmp_path: Path) -> None:
    path = tmp_path / "seen.txt"
    path.write_text("drone\nchirp\n", encoding="utf-8")
    found = run(world, sounds, "--trained-on", f"good={path}")
    row = rows(found, "by_regime", metric="kl_bands", regime="few_shot", system="good")[0]
    assert (row["n_seen"], row["n_classes"]) == (2, 1)


@pytest.mark.slow
def test_limit_takes_zero_shot_prompts_first(world: Path, sounds: Path) -> None:
    found = run(world, sounds, *KNOWN, "--limit", "2")
    assert [r["regime"] for r in found["regimes"]] == ["unknown_pool"]


def test_dry_run(world: Path, sounds: Path) -> None:
    plan = json.loads(runner.invoke(app, arguments(world, sounds, *KNOWN, "--dry-run")).stdout)
    assert plan["regimes"]["unknown_pool"] == ["rumble"]
    assert sorted(plan["regimes"]["few_shot"]) == sorted(RARE - {"rumble"})
    assert plan["trained_on"]["good"] == "the training set of the dataset"
    assert plan["dataset"]["n_prompts"] == 2 * len(RARE)
    assert not (world / "out").exists()


@pytest.mark.slow
def test_text_for_people(world: Path, sounds: Path) -> None:
    result = runner.invoke(app, arguments(world, sounds, *BARE[1:], *KNOWN, "--twin", "poor"))
    assert result.exit_code == 0
    assert "mean over classes by regime" in result.stdout
    assert "Warning: " in result.stdout
    assert f"Report: {world / 'out' / 'zeroshot.html'}" in result.stdout


@pytest.mark.slow
def test_copied_names_the_retrieved_clips(world: Path, sounds: Path) -> None:
    found = run(world, sounds, *KNOWN, "--copied", "poor")
    assert {row["role"] for row in found["paired"]} == {"copy"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--twin", "por"), "Unknown system of --control 'por'. Did you mean 'poor'"),
        (("--copied", "gud"), "Unknown system of --copied 'gud'"),
        (("--twin", "poor", "--copied", "poor"), "--control and --copied both name 'poor'"),
        (("--trained-on", "god=all"), "Unknown system of --trained-on 'god'. Did you mean 'good'"),
        (("--trained-on", "good"), "--trained-on 'good' must have the form NAME=WHAT"),
        (("--trained-on", "good=nowhere"), "neither one of the words"),
        (("--few-shot", "-1"), "--few-shot must be 0"),
        (("--limit", "0"), "--limit must be 1 or more"),
        (("--metric", "kad"), "None of the metrics has a value of a class"),
        (("--pool-labels", "nowhere.csv"), "nowhere.csv does not exist"),
        (("--model", "oracle-l"), "There are no public weights of oracle-l for folder"),
    ],
)
def test_bad_input(world: Path, sounds: Path, more: tuple[str, ...], words: str) -> None:
    message = refuse(world, sounds, *more)
    assert words in message
    assert "Traceback" not in message


def test_the_default_of_the_command_is_that_of_the_library() -> None:
    assert command.FEW_SHOT == FEW_SHOT


@pytest.mark.slow
def test_python_interface(world: Path, sounds: Path) -> None:
    import reaudio_eval as re

    result = re.zeroshot(
        clips={"good": sounds / "good"}, dataset="folder", data_root=str(sounds), references=sounds / "reference",
        embedders="bands", checkpoints={"bands": world / "plugins" / "bands.bin"}, cache_dir=world / "cache",
        few_shot=9, trained_on={"good": "dataset"}, output=world / "api", media="none",
    )  # fmt: skip
    assert set(result.analysis.classes["label"]) == RARE
    assert result.report.html.is_file()
