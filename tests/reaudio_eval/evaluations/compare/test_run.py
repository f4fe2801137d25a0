"""``reaudio-eval compare`` from the command line, on run directories that were written without audio or networks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fakes import write_embedder
from run_folders import CLAP, KAD, METRICS, make_dataset, write, write_audio
from synthesise import write_dataset
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.compare.tables import PUBLISHED_CAPTION
from reaudio_eval.runs.directory import read_run
from reaudio_eval.runs.published import published
from reaudio_model.common.errors import ReaudioError

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations of the same clips: base, better and real in one, other in the second."""
    root = tmp_path_factory.mktemp("evaluations")
    data = make_dataset()
    audio = {
        name: write_audio(root / "audio" / name, data, pitch)
        for name, pitch in (("base", 200), ("better", 400), ("real", 900))
    }
    write(root / "first", "base", 0.40, clips=audio["base"])
    write(root / "first", "better", 0.45, clips=audio["better"])
    write(root / "first", "real", 0.80, kind="real", clips=audio["real"])
    write(root / "first", "noise", 0.10, kind="noise")
    write(root / "second", "other", 0.401)
    return root


@pytest.fixture(autouse=True)
def few_figures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of the time: drawn where a test is about the page."""
    if "done" not in request.fixturenames:
        monkeypatch.setattr("reaudio_eval.evaluations.compare.sections.gains.dumbbell_figure", lambda *given: None)


def compare(*arguments: Path | str) -> dict[str, Any]:
    result = runner.invoke(app, ["compare", *map(str, arguments), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def refuse(*arguments: Path | str) -> str:
    result = runner.invoke(app, ["compare", *map(str, arguments)])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


@pytest.fixture(scope="module")
def done(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    output = tmp_path_factory.mktemp("compare")
    return compare(made / "first", made / "second", "--output", output, "--players", "24"), output


def test_numbers_of_several_evaluations(done: tuple[dict[str, Any], Path]) -> None:
    found, _ = done
    assert list(found["systems"]) == ["base", "better", "other", "real", "noise"]
    assert found["baseline"] == "base"
    assert found["compared"] == ["better", "other"]
    assert found["primary"] == CLAP.name
    assert all(set(metrics) == {m.name for m in METRICS} for metrics in found["systems"].values())
    clap = {name: metrics[CLAP.name]["value"] for name, metrics in found["systems"].items()}
    better = found["differences"][CLAP.name]["all"]["better"]
    assert better["difference"] == pytest.approx(clap["better"] - clap["base"])
    assert better["ci_low"] > 0
    assert better["p_holm"] < 0.05
    assert found["differences"][CLAP.name]["all"]["other"]["p_holm"] > 0.05
    assert set(found["differences"][CLAP.name]) >= {"all", "head", "medium", "tail", "zero-shot", "gap_head_tail", "slope"}
    assert KAD.name in found["differences"]
    assert "scoring code" not in str(found["alerts"])


def test_page(done: tuple[dict[str, Any], Path]) -> None:
    _, output = done
    page = (output / "compare.html").read_text(encoding="utf-8")
    for text in (
        "Differences from base",
        "Gains by class",
        "better against base",
        "Class l03",
        "Largest gains",
        "Largest losses",
        "Random",
    ):
        assert text in page, text
    assert "&lt;b&gt;l" in page  # a caption is user text
    assert "<b>l" not in page
    assert page.count("<audio") <= 24
    assert "other against base" in page  # its figure; it has no clips to play
    assert PUBLISHED_CAPTION not in page


def test_players_stand_side_by_side(done: tuple[dict[str, Any], Path]) -> None:
    _, output = done
    page = (output / "compare.html").read_text(encoding="utf-8")
    first = page[page.index('class="players"') :]
    order = [first.index(f"<span>{name}</span></figcaption>") for name in ("real", "base", "better")]
    assert order == sorted(order)


def test_files(done: tuple[dict[str, Any], Path]) -> None:
    found, output = done
    stored = json.loads((output / "compare.json").read_text(encoding="utf-8"))
    assert stored["baseline"] == "base"
    assert {row["system"] for row in stored["class_differences"]} == {"better", "other"}
    assert {row["system"] for row in stored["stratum_differences"]} == {"better", "other", "real"}
    assert stored["published"] == []
    assert all(Path(path).is_file() for path in found["tables"])
    names = {Path(path).name for path in found["tables"]}
    assert {
        "overall.csv",
        "class_differences.csv",
        "stratum_differences.csv",
        "runs.csv",
        "main.tex",
        "differences-clap_score.tex",
    } <= names
    table = pd.read_csv(output / "tables" / "class_differences.csv")
    assert (table["difference"] - (table["value"] - table["baseline_value"])).abs().max() < 1e-12


def test_table_for_a_paper(done: tuple[dict[str, Any], Path]) -> None:
    text = (done[1] / "tables" / "main.tex").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert [text.count(rule) for rule in (r"\toprule", r"\bottomrule", r"\begin{table}", r"\end{table}")] == [1] * 4
    body = [line for line in lines if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {len(METRICS)}
    assert r"CLAP $\uparrow$" in text
    assert r"KL $\downarrow$" in text
    row = next(line for line in lines if line.startswith("better"))
    assert row.count(r"\textbf{") == 4  # separated from all others on every metric
    assert "Bold: significantly better than every other system" in text
    assert text.count("{") == text.count("}")


@pytest.mark.slow
def test_two_runs_give_the_same_bytes(made: Path, done: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    compare(made / "first", made / "second", "--output", tmp_path, "--players", "24")
    for name in ("compare.json", "compare.html", "tables/main.tex"):
        assert (tmp_path / name).read_bytes() == (done[1] / name).read_bytes(), name


@pytest.mark.slow
def test_order_of_runs_changes_no_number(made: Path, done: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    other = compare(made / "second", made / "first", "--output", tmp_path, "--baseline", "base", "--media", "none")
    assert other["systems"] == done[0]["systems"]
    assert other["differences"] == done[0]["differences"]


@pytest.mark.slow
def test_baseline_and_systems(made: Path, tmp_path: Path) -> None:
    found = compare(made, "--output", tmp_path, "--baseline", "better", "--system", "base", "--media", "none")
    assert found["compared"] == ["base"]
    assert set(found["differences"][CLAP.name]["all"]) == {"base", "real"}
    assert found["differences"][CLAP.name]["all"]["base"]["difference"] < 0
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert "Differences from better" in page
    assert "<audio" not in page


def test_one_system_is_compared_with_the_real_audio(made: Path, tmp_path: Path) -> None:
    found = compare(
        made / "first/runs/folder/base", made / "first/runs/folder/real", "--output", tmp_path, "--media", "none"
    )
    assert (found["baseline"], found["compared"]) == ("base", ["real"])


@pytest.mark.slow
def test_runs_over_other_clips_are_compared_on_those_that_both_have(made: Path, tmp_path: Path) -> None:
    fewer = write(tmp_path / "fewer", "short", 0.5, dataset=make_dataset(64))
    found = compare(made / "first", fewer, "--media", "none", "--output", tmp_path / "x")
    assert found["dataset"]["n_clips"] == 96
    runs = {name: read_run(next((path / f"runs/folder/{name}").glob("*/manifest.json")).parent).scores.scores
            for name, path in (("base", made / "first"), ("short", tmp_path / "fewer"))}  # fmt: skip
    own = {name: scores[scores["metric"] == CLAP.name].set_index("clip_id")["value"] for name, scores in runs.items()}
    for name, values in own.items():
        assert found["systems"][name][CLAP.name]["value"] == pytest.approx(values.mean())
        assert found["systems"][name][CLAP.name]["n_clips"] == len(values)
    both = own["short"].index
    difference = found["differences"][CLAP.name]["all"]["short"]
    assert difference["difference"] == pytest.approx((own["short"] - own["base"].reindex(both)).mean())
    assert found["systems"]["base"][KAD.name]["value"] is not None  # most runs count all clips
    assert "stored for 64 clips, 64 of which are among the 96" in found["systems"]["short"][KAD.name]["reason"]
    (alert,) = [a["message"] for a in found["alerts"] if "different prompts" in a["message"]]
    assert "short on 64" in alert


def test_runs_without_a_common_clip_are_refused(made: Path, tmp_path: Path) -> None:
    data = make_dataset(16)
    renamed = dataclasses.replace(data, prompts=tuple(dataclasses.replace(p, clip_id=f"x{p.clip_id}") for p in data.prompts))
    other = write(tmp_path / "other", "short", 0.5, dataset=renamed)
    base = made / "first/runs/folder/base"
    assert "base has no clip in common with short" in refuse(base, other, "--output", tmp_path / "x")
    assert "have no clip in common: 96 clips, such as 'c000': base" in refuse(
        base, other, "--common", "--output", tmp_path / "x"
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--common", "--intersect"])
def test_common_clips(made: Path, tmp_path: Path, flag: str) -> None:
    fewer = write(tmp_path / "fewer", "short", 0.5, dataset=make_dataset(64))
    found = compare(made / "first", fewer, flag, "--media", "none", "--output", tmp_path / "x")
    assert found["dataset"]["n_clips"] == 64
    scores = read_run(next((made / "first/runs/folder/base").glob("*/manifest.json")).parent).scores.scores
    kept = scores[(scores["metric"] == CLAP.name) & scores["clip_id"].isin([p.clip_id for p in make_dataset(64).prompts])]
    assert found["systems"]["base"][CLAP.name]["value"] == pytest.approx(kept["value"].mean())
    assert found["systems"]["base"][KAD.name]["value"] is None
    assert "stored for 96 clips" in found["systems"]["base"][KAD.name]["reason"]
    assert found["systems"]["short"][KAD.name]["value"] is not None
    assert KAD.name not in found["differences"]
    assert any("over the 64 clips that all runs have in common" in a["message"] for a in found["alerts"])


@pytest.mark.slow
def test_strata(made: Path, tmp_path: Path) -> None:
    found = compare(made / "first", "--output", tmp_path, "--strata", "lvis", "--media", "none")
    assert {"frequent", "common", "rare", "zero-shot"} <= set(found["differences"][CLAP.name])
    assert set(found["differences"][KAD.name]) == {"all"}


@pytest.mark.slow
def test_strata_of_the_first_run(made: Path, tmp_path: Path) -> None:
    lvis = write(tmp_path / "lvis", "b", 0.5, strata="lvis")
    found = compare(made / "first/runs/folder/base", lvis, "--output", tmp_path / "x", "--media", "none")
    assert {"head", "medium", "tail"} <= set(found["differences"][CLAP.name])
    assert set(found["differences"][KAD.name]) == {"all"}


@pytest.mark.slow
def test_primary_players_and_media(made: Path, tmp_path: Path) -> None:
    found = compare(made / "first", "--output", tmp_path, "--primary", "kl_panns", "--players", "9", "--media", "folder")
    assert found["primary"] == "kl_panns"
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert page.count("<audio") == 9
    assert len(list((tmp_path / "media").glob("*.mp3"))) == 9
    largest = page.index("Largest gains")
    assert "KL divergence (PANNs), difference from base: −" in page[largest : page.index("Largest losses")]


@pytest.mark.slow
def test_published_rows(made: Path, tmp_path: Path) -> None:
    asked = compare(made / "first", "--output", tmp_path / "1", "--published", "--media", "none")
    data = make_dataset(name="audiocaps")
    write(tmp_path / "ac", "a", 0.4, dataset=data)
    write(tmp_path / "ac", "b", 0.5, dataset=data)
    known = compare(tmp_path / "ac", "--output", tmp_path / "2", "--media", "none")
    for found in (asked, known):
        page = Path(found["report"]).read_text(encoding="utf-8")
        assert PUBLISHED_CAPTION in page
        section = page[page.index('id="published"') : page.index('id="differences"')]
        assert "37.12" in section
        assert 'class="best' not in section
        assert "≈" not in section
        assert "37.12" not in page[: page.index('id="published"')]
        written = pd.read_csv(Path(found["report"]).parent / "tables" / "published.csv", dtype=str, keep_default_na=False)
        assert len(written) == len(published())
    compare(tmp_path / "ac", "--output", tmp_path / "3", "--no-published", "--media", "none")
    assert PUBLISHED_CAPTION not in (tmp_path / "3" / "compare.html").read_text(encoding="utf-8")
    assert not (tmp_path / "3" / "tables" / "published.csv").exists()


def test_dry_run(made: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["compare", str(made), "--dry-run", "--output", str(tmp_path / "x")])
    plan = json.loads(result.stdout)
    assert plan["n_clips"] == 96
    assert list(plan["systems"]) == ["base", "better", "other", "real", "noise"]
    assert not (tmp_path / "x").exists()


def test_text(made: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["compare", str(made / "first"), "--output", str(tmp_path), "--media", "none", "--quiet"])
    assert "96 clips of folder/test, baseline base" in result.stdout
    assert "CLAP score ↑" in result.stdout
    assert f"Report: {tmp_path / 'compare.html'}" in result.stdout


@pytest.mark.slow
def test_seeds_of_one_system(made: Path, tmp_path: Path) -> None:
    write(tmp_path, "base", 0.41, seed=1)
    found = compare(made / "first", tmp_path, "--output", tmp_path / "x", "--media", "none")
    assert list(found["systems"]) == ["base (seed 0)", "better", "base (seed 1)", "real", "noise"]
    cell = found["differences"][KAD.name]["all"]["base (seed 1)"]
    assert cell["p_value"] is None
    assert "different seeds" in cell["reason"]
    assert any("different seeds" in a["message"] for a in found["alerts"])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--baseline", "bas"), "Unknown system 'bas'. Did you mean 'base'"),
        (("--system", "bettr"), "Did you mean 'better'"),
        (("--baseline", "noise"), "Unknown system 'noise'"),
        (("--baseline", "base", "--system", "base"), "--system base is the baseline"),
        (("--primary", "clap"), "Did you mean 'clap_score'"),
        (("--strata", "lvs"), "Did you mean 'lvis'"),
        (("--players", "-1"), "--players must be 0 or more"),
    ],
)
def test_bad_input(made: Path, tmp_path: Path, more: tuple[str, ...], words: str) -> None:
    assert words in refuse(made / "first", "--output", tmp_path, *more)


def test_nothing_to_compare(made: Path, tmp_path: Path) -> None:
    folder = made / "first" / "runs" / "folder"
    assert "There is nothing to compare: the runs hold base" in refuse(
        folder / "base", folder / "noise", "--output", tmp_path
    )
    assert "There is no finished run" in refuse(tmp_path, "--output", tmp_path)


def test_other_protocol(made: Path, tmp_path: Path) -> None:
    run = write(tmp_path, "b", 0.5, protocol={"name": "fadtk", "source": "tests"})
    assert "protocols differ (miniature and fadtk)" in refuse(made / "first", run, "--output", tmp_path)


@pytest.mark.slow
def test_output_that_cannot_be_written(made: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"a file")
    assert "there is a file where a folder is needed" in refuse(
        made / "first", "--output", tmp_path / "out", "--media", "none"
    )


@pytest.mark.slow
def test_python_interface(made: Path, tmp_path: Path) -> None:
    result = reaudio_eval.compare([made / "first"], output=tmp_path, media="none")
    comparison = result.comparison
    assert comparison.baseline == "base"
    assert np.isfinite(comparison.classes["difference"]).all()
    assert result.report.html.is_file()
    with pytest.raises(ReaudioError, match="Unknown system"):
        reaudio_eval.compare(str(made / "first"), output=str(tmp_path), baseline="x")


@pytest.mark.slow
def test_runs_of_longtail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two evaluations of one system each, as the command writes them."""
    checkpoint = write_embedder(tmp_path / "plugins")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    sounds = write_dataset(tmp_path / "sounds", takes=1)
    for name in ("good", "poor"):
        result = runner.invoke(app, [
            "longtail", "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"),
            "--clips", f"{name}={sounds / name}", "--embedder", "bands", "--checkpoint", f"bands={checkpoint}", "--quiet",
            "--metric", "kl", "--metric", "kad", "--media", "none", "--output", str(tmp_path / name),
        ])  # fmt: skip
        assert result.exit_code == 0, result.output
    found = compare(tmp_path / "good", tmp_path / "poor", "--output", tmp_path / "x", "--players", "6")
    assert list(found["systems"]) == ["good", "poor", "real", "noise"]
    stored = {name: next((tmp_path / name).glob(f"runs/folder/{name}/*/metrics.json")) for name in ("good", "poor")}
    for name, path in stored.items():
        assert found["systems"][name] == json.loads(path.read_text(encoding="utf-8"))
    kl = found["differences"]["kl_bands"]["all"]["poor"]
    assert kl["difference"] == pytest.approx(
        found["systems"]["poor"]["kl_bands"]["value"] - found["systems"]["good"]["kl_bands"]["value"]
    )
    assert not [a for a in found["alerts"] if "references are not the same" in a["message"]]
    assert "<audio" in (tmp_path / "x" / "compare.html").read_text(encoding="utf-8")
