"""``--scores``: tables of values alone, beside clips and from Python; runs that report and compare read; bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthesise import CLASSES
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_eval.runs.directory import read_run, verify_run

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_figures")
IDS = [f"{label}{take}" for label in CLASSES for take in range(2)]


def ratings(*systems: str, ids: list[str] = IDS) -> pd.DataFrame:
    """Two raters of every clip; systems differ by one point, rare classes are worse."""
    rng = np.random.default_rng(3)
    rows = [
        (clip_id, system, "relevance", float(np.clip(9 - n - i / 4 + rng.normal(), 0, 10)), rater)
        for n, system in enumerate(systems)
        for i, clip_id in enumerate(ids)
        for rater in ("x", "y")
    ]
    return pd.DataFrame(rows, columns=["clip_id", "system", "metric", "value", "rater"])


def arguments(world: Path, sounds: Path, command: str, *more: str) -> list[str]:
    return [command, "--dataset", "folder", "--data-root", str(sounds), "--output", str(world / "out"), *more]


def run(*words: str) -> dict[str, Any]:
    result = runner.invoke(app, [*words, "--media", "none", "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def table(world: Path) -> Path:
    path = world / "ratings.csv"
    ratings("A", "B", "real").to_csv(path, index=False)
    return path


def class_means(frame: pd.DataFrame, system: str) -> pd.Series:
    """Plain means: of raters, then of the clips of a class."""
    own = frame[frame["system"] == system].groupby("clip_id")["value"].mean()
    return own.groupby(own.index.str[:-1]).mean()


def test_a_table_alone(world: Path, sounds: Path, table: Path) -> None:
    words = arguments(world, sounds, "longtail", "--scores", str(table), "--score-metric", "relevance=higher,0,10")
    found = run(*words)
    assert found["primary"] == "relevance"
    assert list(found["systems"]) == ["A", "B", "real"]
    assert found["audit"] == {}
    strata = {"head": [n >= 1000 for n in CLASSES.values()], "tail": [0 < n < 100 for n in CLASSES.values()]}
    for system in ("A", "B", "real"):
        means = class_means(ratings("A", "B", "real"), system)
        for stratum, inside in strata.items():
            cell = found["strata"]["relevance"][stratum][system]
            expected = means[[label for label, own in zip(CLASSES, inside, strict=True) if own]]
            assert cell["value"] == pytest.approx(expected.mean(), abs=1e-12)
            assert (cell["n_classes"], cell["n_clips"]) == (len(expected), 2 * len(expected))
    messages = [a["message"] for a in found["alerts"]]
    assert "The clip ids of ratings.csv are read as clip_id." in messages
    assert "relevance: 144 values, averaged over 2 raters of each prompt and system." in messages
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "relevance" in page
    assert "computed elsewhere (--scores)" in page


@pytest.mark.slow
def test_the_runs_of_a_table_are_found_again_and_read_by_report_and_compare(world: Path, sounds: Path, table: Path) -> None:
    words = arguments(world, sounds, "longtail", "--scores", str(table), "--score-metric", "relevance=higher,0,10")
    first = run(*words)
    stored = read_run(Path(first["runs"][0]))
    assert verify_run(stored.path) == []
    assert stored.scores.scores["n_values"].tolist() == [2] * len(IDS)
    assert stored.scores.scores["sd_values"].notna().all()
    assert "protocol" not in stored.manifest
    assert stored.manifest["score_tables"][0]["rows"] == 144
    assert run(*words)["runs"] == first["runs"]
    report = run("report", str(world / "out"), "--output", str(world / "again"))
    assert report["strata"] == first["strata"]
    compared = run("compare", str(world / "out"), "--baseline", "A", "--output", str(world / "compare"))
    assert compared["compared"] == ["B"]
    frame = ratings("A", "B", "real")
    frame.loc[frame.index[0], "value"] = 0.0
    frame.to_csv(table, index=False)
    changed = run(*words)["runs"]
    assert [a == b for a, b in zip(changed, first["runs"], strict=True)] == [False, True, True]


@pytest.mark.slow
def test_a_file_beside_the_table_states_the_metric(world: Path, sounds: Path, table: Path) -> None:
    (world / "ratings.yaml").write_text("relevance: {direction: lower, range: [0, 10], title: How bad it is, unit: points}")
    found = run(*arguments(world, sounds, "longtail", "--scores", str(table)))
    metric = found["systems"]["A"]["relevance"]
    assert (metric["higher_is_better"], metric["unit"]) == (False, "points")
    assert "How bad it is" in Path(found["report"]).read_text(encoding="utf-8")


def clips(world: Path, sounds: Path) -> list[str]:
    checkpoint = f"bands={world / 'plugins' / 'bands.bin'}"
    return [
        "--references", str(sounds / "reference"), "--clips", f"A={sounds / 'good'}", "--embedder", "bands", "--checkpoint", checkpoint,
        "--no-noise",
    ]  # fmt: skip


@pytest.mark.slow
def test_beside_clips_a_metric_joins_its_system(world: Path, sounds: Path) -> None:
    path = world / "ratings.csv"
    ratings("A", "C", ids=IDS[:10]).to_csv(path, index=False)
    given = ["--scores", str(path), "--score-metric", "relevance=higher"]
    words = arguments(world, sounds, "longtail", *clips(world, sounds), *given)
    found = run(*words)
    assert list(found["systems"]) == ["A", "real", "C"]
    counts = {name: {m: row["n_clips"] for m, row in metrics.items() if row["value"] is not None}
              for name, metrics in found["systems"].items()}  # fmt: skip
    assert counts["A"]["relevance"] == 10
    assert counts["A"]["kl_bands"] == counts["A"]["fd_bands"] == len(IDS)
    assert counts["C"] == {"relevance": 10}
    assert "relevance" not in counts["real"]
    assert found["primary"] == "clap_score_bands"
    assert run(*words, "--primary", "relevance")["primary"] == "relevance"
    assert run(*words)["runs"] == found["runs"]
    report = run("report", str(world / "out"), "--output", str(world / "again"))
    assert report["strata"] == found["strata"]
    common = run(*words, "--common")
    assert common["systems"]["A"]["kl_bands"]["n_clips"] == 10
    assert common["systems"]["A"]["fd_bands"]["n_clips"] == 10
    assert common["systems"]["real"]["clap_score_bands"]["n_clips"] == 10
    only = run(*words, "--metric", "relevance")
    assert {m for metrics in only["systems"].values() for m, row in metrics.items() if row["value"] is not None} == {
        "relevance"
    }


@pytest.mark.slow
def test_zeroshot_takes_tables_alone_and_beside_clips(world: Path, sounds: Path) -> None:
    path = world / "ratings.csv"
    ratings("A", "C", "real").to_csv(path, index=False)
    given = ["--scores", str(path), "--score-metric", "relevance=higher", "--few-shot", "100", "--trained-on", "C=nothing"]
    for more in ([], clips(world, sounds)):
        found = run(*arguments(world, sounds, "zeroshot", *more, *given))
        values = {(row["regime"], row["system"]): row["value"] for row in found["by_regime"] if row["metric"] == "relevance"}
        assert all(value is not None for value in values.values())
        known = {row["system"]: row["training_known"] for row in found["systems"]}
        assert known == {"A": False, "C": True, "real": True}


@pytest.mark.slow
def test_clips_without_a_checkpoint_are_played_beside_a_table(world: Path, sounds: Path, table: Path) -> None:
    words = arguments(world, sounds, "longtail", "--clips", f"A={sounds / 'good'}", "--no-noise", "--scores", str(table))
    found = run(*words, "--score-metric", "relevance=higher")
    assert found["systems"]["A"]["relevance"]["n_clips"] == len(IDS)
    assert "give" not in found["not_computed"].get("relevance", "")
    assert "--checkpoint panns=PATH" in found["not_computed"]["kl_panns"]


def test_labels_give_a_value_of_each_class(world: Path, sounds: Path) -> None:
    frame = ratings("A").assign(metric="heard", label=[clip[:-1] for clip in ratings("A")["clip_id"]])
    path = world / "heard.parquet"
    frame.to_parquet(path)
    found = run(*arguments(world, sounds, "longtail", "--scores", str(path), "--score-metric", "heard=higher,0,10"))
    head = [n >= 1000 for n in CLASSES.values()]
    expected = class_means(frame, "A")[[label for label, own in zip(CLASSES, head, strict=True) if own]].mean()
    assert found["strata"]["heard"]["head"]["A"]["value"] == pytest.approx(expected, abs=1e-12)
    assert read_run(Path(found["runs"][0])).scores.metrics[0].level == "label"


@pytest.mark.slow
def test_from_python_with_dataframes_and_paths(world: Path, sounds: Path, table: Path) -> None:
    options = {"dataset": "folder", "data_root": sounds, "media": "none", "score_metrics": {"relevance": "higher,0,10"}}
    one = reaudio_eval.longtail(scores=ratings("A", "B", "real"), output=world / "frame", **options)
    other = reaudio_eval.longtail(scores=table, output=world / "file", **options)
    pd.testing.assert_frame_equal(one.tables["by_stratum"], other.tables["by_stratum"])
    parts = [ratings("A", "B", "real").query("system == @name") for name in ("A", "B", "real")]
    three = reaudio_eval.longtail(scores=parts, output=world / "three", **options)
    pd.testing.assert_frame_equal(one.tables["by_stratum"], three.tables["by_stratum"])


def test_a_dry_run_says_what_will_be_read(world: Path, sounds: Path, table: Path) -> None:
    words = arguments(world, sounds, "longtail", "--scores", str(table), "--score-metric", "relevance=higher", "--dry-run")
    result = runner.invoke(app, [*words, "--limit", "6"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["scores"]["prompts"]["A"] == {"relevance": len(IDS)}
    assert found["scores"]["tables"][0]["name"] == "ratings.csv"
    assert found["dataset"]["n_prompts"] == 6
    assert found["embedders"] == found["metrics"] == {}
    assert not (world / "out").exists()


@pytest.mark.slow
def test_common_prompts_of_tables(world: Path, sounds: Path) -> None:
    path = world / "ratings.csv"
    pd.concat([ratings("A"), ratings("B", ids=IDS[4:])]).to_csv(path, index=False)
    words = arguments(world, sounds, "longtail", "--scores", str(path), "--score-metric", "relevance=higher")
    counts = [[run(*words, *more)["systems"][s]["relevance"]["n_clips"] for s in "AB"] for more in ([], ["--common"])]
    assert counts == [[len(IDS), len(IDS) - 4], [len(IDS) - 4] * 2]
    pd.concat([ratings("A", ids=IDS[:4]), ratings("B", ids=IDS[4:])]).to_csv(path, index=False)
    assert (
        "No prompt has a value of every system and metric of --scores (A: 4, B: 20 prompts): leave out --common"
        in refuse(*words, "--common")
    )


def refuse(*words: str) -> str:
    result = runner.invoke(app, list(words))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(clip_id="x" + f["clip_id"]), "ratings.csv: 24 of 24 clip ids are no clip_id of a prompt of folder/test"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "ratings.csv: 1 cell has two values, such as relevance of 'A', clip 'hum0'"),
        (lambda f: f.drop(columns="rater"), "48 cells have two values"),
        (lambda f: f.assign(value=f["value"] + 9), "is outside its range, 0 to 10"),
        (lambda f: f.assign(rater=[str(i) for i in range(len(f))]), "96 raters have one answer only (relevance), such as '0', '1', '2'"),
        (lambda f: f.assign(value=f["value"].where(f.index > 0)), "ratings.csv row 1: the value is missing or NaN. Correct the row"),
        (lambda f: f.assign(value=f["value"].where(f.index > 0, np.inf)), "ratings.csv row 1: the value 'inf' is not a finite number"),
        (lambda f: f.iloc[:0], "ratings.csv has a header but no rows; the scores should be there"),
        (lambda f: f.drop(columns="metric"), "ratings.csv lacks the column 'metric'"),
        (lambda f: f.assign(metric="quality"), "Unknown metric of --score-metric 'relevance'"),
        (lambda f: f.assign(label="beep"), "the clip 'hum0' does not have the label 'beep'"),
        (lambda f: f.assign(system=f["system"].replace("A", "reference")), "A system cannot be called 'reference': choose another name"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(world: Path, sounds: Path, change: Any, message: str) -> None:
    path = world / "ratings.csv"
    change(ratings("A", "B")).to_csv(path, index=False)
    words = arguments(world, sounds, "longtail", "--scores", str(path), "--score-metric", "relevance=higher,0,10")
    assert message in refuse(*words)
    assert not (world / "out").exists()


def test_options_that_do_not_go_together(world: Path, sounds: Path, table: Path) -> None:
    scores = ["--scores", str(table)]
    words = arguments(world, sounds, "longtail")
    assert "relevance' are better: give --score-metric relevance=higher (or lower), or write ratings.yaml" in refuse(
        *words, *scores
    )
    assert "--score-metric states a metric of a table: give the table with --scores FILE" in refuse(
        *words, "--score-metric", "relevance=higher"
    )
    stated = [*scores, "--score-metric", "relevance=higher"]
    assert "must have the form NAME=DIRECTION[,LOW,HIGH]" in refuse(*words, *scores, "--score-metric", "relevance")
    assert "--embedder has no effect: no clips are scored, only --scores is given" in refuse(
        *words, *stated, "--embedder", "panns"
    )
    assert "--steps has no effect: no --model generates" in refuse(*words, *stated, "--steps", "3")
    assert "give --clips NAME=FOLDER, --model NAME (`reaudio-eval list models`) or --scores FILE" in refuse(*words)
    assert "does not exist; the scores should be there" in refuse(*words, "--scores", str(world / "no.csv"))
    assert "Unknown metric 'loudness'" in refuse(*words, *stated, "--primary", "loudness")


@pytest.mark.slow
def test_a_metric_of_a_system_is_given_or_computed(world: Path, sounds: Path) -> None:
    path = world / "ratings.csv"
    ratings("A").assign(metric="kl_bands").to_csv(path, index=False)
    words = arguments(world, sounds, "longtail", *clips(world, sounds), "--scores", str(path))
    assert "kl_bands of 'A' is in a table of --scores and is computed from the clips of 'A'" in refuse(
        *words, "--score-metric", "kl_bands=lower"
    )
    ratings("C").assign(metric="kl_bands").to_csv(path, index=False)
    found = run(*words, "--score-metric", "kl_bands=lower")
    assert any(
        "kl_bands of C is from a table of --scores, that of A, real was computed here" in a["message"]
        for a in found["alerts"]
    )
    assert "kl_bands of --scores has another direction or level" in refuse(*words, "--score-metric", "kl_bands=higher")


def test_other_splits_are_named(world: Path, sounds: Path) -> None:
    root = world / "data"
    root.mkdir()
    captions = pd.read_csv(sounds / "captions.csv").assign(split=["train" if i % 3 else "test" for i in range(len(IDS))])
    captions.to_csv(root / "captions.csv", index=False)
    (root / "counts.csv").write_text((sounds / "counts.csv").read_text())
    path = world / "ratings.csv"
    ratings("A").to_csv(path, index=False)
    words = [
        "longtail",
        "--dataset",
        "folder",
        "--data-root",
        str(root),
        "--scores",
        str(path),
        "--score-metric",
        "relevance=higher",
    ]
    words += ["--output", str(world / "out")]
    assert f"ratings.csv: {len(IDS) - 8} clip ids are of other splits than test, such as 'hum1': give --split all" in refuse(
        *words
    )
    found = run(*words, "--split", "all")
    assert any(a["message"].startswith("16 of 24 prompts are of the split train") for a in found["alerts"])
