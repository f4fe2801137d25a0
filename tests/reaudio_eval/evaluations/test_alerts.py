"""Alerts about identical systems, unused files and checkpoints; what is not computed; first prompts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import tone, write_clips, write_pair
from typer.testing import CliRunner

from reaudio_eval import plugins
from reaudio_eval.cli.app import app
from reaudio_eval.clips.system import SystemInfo
from reaudio_eval.evaluations.alerts import identical_systems, truncated, unused_files
from reaudio_eval.features.active import activate
from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.features.protocols import get_protocol
from reaudio_eval.scores.inputs import caption_vectors
from reaudio_model.common.progress import Reporter

runner = CliRunner()


def system(name: str, **more: Any) -> SystemInfo:
    return SystemInfo(name, more.pop("kind", "generated"), 2, **more)


def texts(systems: list[SystemInfo], content: dict[str, dict[str, str]]) -> list[str]:
    return [alert.message for alert in identical_systems(systems, content, ["a", "b"])]


def test_systems_with_the_same_bytes_are_named() -> None:
    one, two = {"a": "1", "b": "2"}, {"a": "1", "b": "3"}
    assert texts([system("A"), system("B")], {"A": one, "B": dict(one)}) == [
        "A and B are byte for byte the same clips: this is one system under two names; check the folders that were named."
    ]
    assert texts([system("A"), system("B")], {"A": one, "B": two}) == ["1 of 2 clips of A are byte for byte those of B: a."]
    assert texts([system("A"), system("B")], {"A": one, "B": {"a": "5", "b": "6"}}) == []


def test_a_system_that_is_the_reference_is_named_and_the_real_audio_is_not() -> None:
    one = {"a": "1", "b": "2"}
    (text,) = texts([system("A"), system("real", kind="real")], {"A": one, "real": one, "reference": one})
    assert text.startswith("A and the real audio are byte for byte the same clips")


def test_unused_files_are_counted_and_the_first_are_named() -> None:
    found = system("A", clips={"a": Path("a.wav")}, unused=("b.wav", "c.wav", "d.wav", "e.wav"))
    (alert,) = unused_files([found, system("B")])
    assert alert.message == (
        "4 of 5 files of A belong to no prompt of this evaluation and are not scored: b.wav, c.wav, d.wav and 1 more."
    )


def arguments(world: Path, sounds: Path, *more: str) -> list[str]:
    return [
        "longtail", "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"),
        "--embedder", "bands", "--embedder", "panns", "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--media", "none",
        "--no-noise", "--output", str(world / "out"), *more,
    ]  # fmt: skip


def run(*words: str) -> Any:
    result = runner.invoke(app, [*words, "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_a_report_says_what_is_known(world: Path, sounds: Path) -> None:
    """The same folder twice, files of no prompt, the first prompts only, a missing checkpoint: in JSON, page and run."""
    shutil.copytree(sounds / "good", world / "again")
    write_clips(world / "again", {"foreign": tone(300)})
    clips = ["--clips", f"Good={sounds / 'good'}", "--clips", f"Again={world / 'again'}", "--limit", "12"]
    found = run(*arguments(world, sounds, *clips))
    messages = "\n".join(alert["message"] for alert in found["alerts"])
    assert "Good and Again are byte for byte the same clips" in messages
    unused = [alert["level"] for alert in found["alerts"] if "files of Again belong to no prompt" in alert["message"]]
    assert unused == ["note"]  # no warning: with --limit, files of other prompts are usual
    assert "Only the first 12 of" in messages
    assert "--checkpoint panns=PATH" in found["not_computed"]["kl_panns"]
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert page.count('class="remark not-computed"') == 1
    assert page.index("Good and Again are byte for byte the same clips") < page.index('id="systems"')
    assert "(give --checkpoint panns=PATH)" in page
    assert "KL divergence (PANNs)</option>" not in page
    for table in (Path(found["report"]).parent / "tables").iterdir():
        assert "panns" not in table.name
        assert len(table.read_text(encoding="utf-8").splitlines()) > 1, table
    again = run("report", str(world / "out"), "--media", "none", "--output", str(world / "second"))
    assert "Again and Good are byte for byte the same clips" in "\n".join(a["message"] for a in again["alerts"])
    compared = run("compare", str(world / "out"), "--media", "none", "--output", str(world / "third"))
    assert "Again and Good are byte for byte the same clips" in "\n".join(a["message"] for a in compared["alerts"])


def test_the_terminal_names_what_is_not_computed_in_one_line(world: Path) -> None:
    write_pair(world)
    result = runner.invoke(
        app,
        ["score", str(world / "generated"), str(world / "reference"), "--embedder", "bands", "--embedder", "panns",
         "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--quiet"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("Not computed: ")]
    assert "clap_score_bands (needs captions: score needs --captions TABLE)" in line
    assert "(give --checkpoint panns=PATH)" in line
    assert result.stdout.count("panns") == line.count("panns")


@pytest.mark.parametrize("kind", ["longtail", "zeroshot"])
def test_nothing_to_compute_stops_with_the_command_that_works(world: Path, sounds: Path, kind: str) -> None:
    words = [kind, "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference")]
    result = runner.invoke(app, [*words, "--clips", f"Good={sounds / 'good'}", "--output", str(world / "out")])
    assert result.exit_code == 2
    assert "No metric can be computed: there is no checkpoint of clap, vggish or panns. Give" in result.stderr
    assert f"reaudio-eval {kind} --clips Good={sounds / 'good'}" in result.stderr
    assert "--allow-download" in result.stderr
    assert not (world / "out").exists()


def test_captions_that_are_not_there_are_no_sentence(world: Path) -> None:
    """``score`` without --captions gave every clip the similarity to the empty sentence."""
    write_pair(world)
    words = [
        "score", str(world / "generated"), str(world / "reference"), "--embedder", "bands",
        "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}",
    ]  # fmt: skip
    metric = run(*words)["metrics"]["clap_score_bands"]
    assert (metric["value"], metric["reason"]) == (None, "needs captions: score needs --captions TABLE")
    dry = runner.invoke(app, [*words, "--dry-run"])
    assert "--captions" in json.loads(dry.stdout)["metrics"]["clap_score_bands"]
    alone = runner.invoke(app, [*words, "--metric", "clap_score"])
    assert alone.exit_code == 2
    assert "No metric can be computed: clap_score_bands needs captions: score needs --captions TABLE" in alone.stderr


def test_truncated_files_are_named() -> None:
    clips = [
        {"clip_id": "a", "status": "ok", "flags": ["truncated"]},
        {"clip_id": "b", "status": "ok", "flags": ["silent"]},
        {"clip_id": "c", "status": "missing", "flags": []},
    ]
    (alert,) = truncated({"ours": {"n_clips": 9, "clips": clips}, "real": {"n_clips": 9, "clips": []}})
    assert alert.level == "warning"
    assert alert.message == (
        "1 file of ours is cut, damaged or joined and was scored as far as it could be read: a. The audit says why; --strict refuses it."
    )
    clips[1]["flags"] = ["truncated"]
    (alert,) = truncated({"ours": {"n_clips": 9, "clips": clips}})
    assert alert.message.startswith(
        "2 files of ours are cut, damaged or joined and were scored as far as they could be read: a"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("without_figures")
def test_runs_without_a_common_metric_are_not_compared(world: Path, sounds: Path) -> None:
    """``compare`` of runs of different metrics had nothing to show and said so nowhere."""
    clips = ["--clips", f"Good={sounds / 'good'}", "--no-real", "--limit", "12"]
    run(*arguments(world, sounds, *clips, "--metric", "kl_bands", "--output", str(world / "one")))
    other = ["--clips", f"Other={sounds / 'good'}", "--no-real", "--limit", "12"]
    run(*arguments(world, sounds, *other, "--metric", "kad_bands", "--output", str(world / "two")))
    both = ["compare", str(world / "one"), str(world / "two"), "--output", str(world / "x")]
    result = runner.invoke(app, both)
    assert result.exit_code == 2
    assert "No metric has values of Good and of a system compared with it" in result.stderr
    assert "Good has kl_bands; Other has kad_bands" in result.stderr
    report = runner.invoke(app, ["report", str(world / "one"), "--primary", "kad_bands", "--output", str(world / "x")])
    assert (report.exit_code, "kad_bands" in report.stderr) == (2, True)
    dry = run("report", str(world / "one"), "--dry-run")
    assert dry["metrics"] == {"kl_bands": "will be shown"}
    assert not (world / "x").exists()


def test_an_unknown_caption_has_no_similarity(world: Path) -> None:
    """One clip without a caption is left out of the metric of captions alone, and the terminal says how many clips it has."""
    write_pair(world)
    spec = plugins.load("embedders", "bands").spec
    embedder = activate(
        "bands", spec, get_protocol("audioldm-eval-2023-06"), checkpoint=world / "plugins" / "bands.bin",
        cache_dir=world / "cache", device="cpu", allow_download=False,
    )  # fmt: skip
    assert not isinstance(embedder, Undefined)
    vectors = caption_vectors([embedder], ["a dog barks", " "], Reporter(quiet=True))["bands"]
    assert vectors[0].any()
    assert not vectors[1].any()
    assert caption_vectors([embedder], [""], Reporter(quiet=True)) == {}
