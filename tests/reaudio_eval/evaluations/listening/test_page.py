"""The report of a listening test and its command."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import listening_worlds
import pytest
from raters import Careless, ask, write_answers
from typer.testing import CliRunner

from reaudio_eval import analyse_listening_test, export_listening_test
from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.listening.records import Key, read_key
from reaudio_eval.evaluations.listening.request import ListeningRequest

runner = CliRunner()
QUALITY = {**listening_worlds.QUALITY, "real": 1.2}


@pytest.fixture(scope="module")
def answers(mos: Key, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("answers")
    ask(folder, mos, QUALITY, 8, seed=4)
    path = write_answers(folder, mos, mos.forms[0], Careless("zed", QUALITY, {}, 1))
    path.write_text(path.read_text(encoding="utf-8").replace(",zed,", ",<i>zed</i>,"), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def report(mos_test: Path, answers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("report")
    analyse_listening_test(mos_test, answers, output=output)
    return output


def test_files(report: Path) -> None:
    names = {p.relative_to(report).as_posix() for p in report.rglob("*") if p.is_file()}
    assert {"listening.html", "listening.json"} <= names
    assert {f"tables/{n}.csv" for n in ("means", "paired", "agreement", "metrics", "clips", "participants")} <= names
    assert {"tables/means.tex", "tables/paired-OVL-all.tex", "tables/metrics.tex", "tables/agreement.tex"} <= names
    assert {f"figures/listening-{n}.{s}" for n in ("means", "scatter", "metrics") for s in ("svg", "pdf", "png")} <= names


def test_page(report: Path, mos: Key) -> None:
    page = (report / "listening.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page[page.index("<main>") :])
    assert "8 participants gave 768 answers about 4 systems on 12 prompts." in text
    assert "ours has " in text
    assert "the highest of the generated systems; significantly different from" in text
    assert "CLAP score and the listeners&#39; REL correlate over single clips by Spearman" in text
    assert "&lt;i&gt;zed&lt;/i&gt;" in page
    assert "<i>zed</i>" not in page
    assert "1 participant of 9 excluded: &lt;i&gt;zed&lt;/i&gt; failed 2 of 2 attention checks." in text
    for stratum in mos.strata:
        assert f"prompts whose rarest label is {mos.title(stratum)} (3 prompts)" in text
    assert page.count('role="img"') == 3
    assert not re.search(r"(?:src|href)=\"https?:", page.replace('href="https://arxiv.org', ""))


def test_json_holds_the_numbers_of_the_tables(report: Path, mos: Key) -> None:
    found = json.loads((report / "listening.json").read_text(encoding="utf-8"))
    assert found["test"]["test id"] == mos.test_id
    with (report / "tables" / "means.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["value"]) for r in rows] == [r["value"] for r in found["means"]]
    assert {r["metric"] for r in found["metrics"]} == {m.name for m in mos.metrics}
    undefined = [r for r in found["metrics"] if r["value"] is None]
    assert all(r["reason"] for r in undefined)


@pytest.mark.slow
def test_command(mos_test: Path, answers: Path, runs: Path, tmp_path: Path, no_figure_files: None) -> None:
    arguments = ["listening", "analyse", str(mos_test), str(answers), "--output", str(tmp_path), "--seed", "1", "--quiet"]
    text = runner.invoke(app, [*arguments, "--max-failed", "2"]).stdout
    assert "9 participants gave" in text  # of whom one failed two checks
    assert "Mean rating, 1 to 5:" in text
    found = json.loads(runner.invoke(app, [*arguments, "--keep-all", "--runs", str(runs), "--json"]).stdout)
    assert found["n_participants"] == 9
    assert found["excluded"] == {}
    assert {r["question"] for r in found["means"]} == {"OVL", "REL"}
    assert Path(found["report"]).is_file()
    assert "No participant is excluded" in Path(found["report"]).read_text(encoding="utf-8")


def test_command_without_a_key(answers: Path, tmp_path: Path) -> None:
    done = runner.invoke(app, ["listening", "analyse", str(tmp_path), str(answers)])
    assert done.exit_code == 2
    assert "There is no key.json" in done.stderr


def test_pairs_without_metrics_or_strata(runs: Path, tmp_path: Path, no_figure_files: None) -> None:
    """Everything that can be absent is absent: no metric, one stratum, two systems, no real audio."""
    parts = tuple(runs / "runs" / "tones" / s for s in ("ours", "weak"))
    export_listening_test(ListeningRequest(parts, tmp_path / "t", design="pairs", prompts=10, real=False, checks=1))
    path = tmp_path / "t" / "key.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw |= {"metrics": [], "scores": [], "strata": [""], "prompts": [p | {"stratum": ""} for p in raw["prompts"]]}
    del raw["sha256"]
    path.write_text(json.dumps(raw | {"schema": 1}), encoding="utf-8")
    key = read_key(tmp_path / "t")
    ask(tmp_path / "a", key, QUALITY, 5)
    made = analyse_listening_test(tmp_path / "t", [tmp_path / "a"], output=tmp_path / "r")
    page = made.report.html.read_text(encoding="utf-8")
    assert "The runs contain no metric of these clips." in page
    assert "Bradley-Terry scores" in page
    assert (tmp_path / "r" / "tables" / "bradley-terry.tex").is_file()
    assert made.analysis.metrics.empty
