"""The main job on the bundled miniature, from the command line: a few clips of it, and what it says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from reaudio_eval import report
from reaudio_eval.cli.app import app
from reaudio_eval.prompts.datasets.miniature import BANNER
from reaudio_eval.runs.directory import read_run
from reaudio_model.miniature import bundled

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_figures")


class Done(NamedTuple):
    summary: dict[str, Any]
    output: Path
    cache: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    output, cache = tmp_path_factory.mktemp("report"), tmp_path_factory.mktemp("cache")
    arguments = [
        "longtail", "--model", "re-audioldm-l", "--limit", "6", "--steps", "1", "--media", "none", "--json", "--quiet",
        "--output", str(output), "--cache-dir", str(cache),
    ]  # fmt: skip
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return Done(json.loads(result.stdout), output, cache)


def test_the_model_stands_beside_real_audio_copying_and_noise(done: Done) -> None:
    assert set(done.summary["systems"]) == {"re-audioldm-l", "copy-retrieved", "real", "noise"}
    assert done.summary["primary"] == "label_accuracy_miniature_judge"
    assert done.summary["systems"]["re-audioldm-l"]["clap_score_miniature"]["value"] is not None
    metrics = set(done.summary["systems"]["real"])
    assert {"kl_miniature_tagger", "fd_miniature_tagger", "is_miniature_tagger", "clap_score_miniature"} <= metrics


def test_bundled_scores_of_other_sampling_are_left_out_with_a_note(done: Done) -> None:
    notes = [alert["message"] for alert in done.summary["alerts"]]
    made = f"of {bundled.STEPS} steps, guidance {bundled.GUIDANCE:g} and one candidate"
    assert any(n.startswith(f"re-audioldm-s-none is left out: its bundled scores are {made}") for n in notes)


def test_the_first_screen_says_that_this_is_the_miniature(done: Done) -> None:
    page = (done.output / "longtail.html").read_text(encoding="utf-8")
    assert BANNER in page
    assert page.index(BANNER) < page.index('id="verdict"')
    assert read_run(Path(done.summary["runs"][0])).dataset.banner == BANNER


def test_clips_are_kept_for_the_next_run(done: Done) -> None:
    clips = sorted(done.output.glob("clips/re-audioldm-l/*/*.wav"))
    assert len(clips) == 6
    record = json.loads((clips[0].parent / "generation.json").read_text())
    assert all(len(clip["retrieved"]) == 3 for clip in record["clips"])
    assert not any(name.startswith("test-") for clip in record["clips"] for name in clip["retrieved"])


def test_what_was_retrieved_is_kept_and_looked_at(done: Done) -> None:
    runs = {Path(p).parts[-2]: read_run(Path(p)) for p in done.summary["runs"]}
    assert {name: r.scores.system.retrieval.k if r.scores.system.retrieval else 0 for name, r in runs.items()} == {
        "re-audioldm-l": 3, "copy-retrieved": 1, "real": 0, "noise": 0,
    }  # fmt: skip
    asked = runs["re-audioldm-l"].manifest["retrieval"]
    assert (asked["pool"], asked["key"], asked["exclude"]["self_"], asked["judges"]) == (
        "train",
        "mean",
        True,
        ["miniature_clap"],
    )
    nearest = runs["copy-retrieved"].scores.copies
    assert nearest["similarity"].to_numpy() == pytest.approx(1, abs=1e-6)
    assert done.summary["systems"]["real"]["copying_miniature_tagger"]["value"] == 0
    messages = [alert["message"] for alert in done.summary["alerts"]]
    judge = "copy-retrieved and re-audioldm-l retrieve with the network of CLAP score (miniature CLAP)"
    assert any(m.startswith("Same network for retrieval and scoring") and judge in m for m in messages)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "re-audioldm-l", "--data-root", "x"], "takes no --data-root x"),
        (["--model", "re-audioldm-l", "--weights", "tango=x"], "--weights names 'tango', which is no --model"),
        (["--model", "re-audioldm-l", "--index", "x"], "--index has no effect: no --model of this command retrieves"),
        (["--model", "re-audioldm-m"], "Did you mean 're-audioldm-"),
        (["--model", "re-audioldm-l", "--split", "tset"], "Did you mean 'test'"),
        ([], "No system to evaluate"),
    ],
)
def test_bad_input_is_one_sentence(done: Done, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = runner.invoke(app, ["longtail", "--output", str(tmp_path), "--cache-dir", str(done.cache), *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_audiocaps_without_weights_says_what_to_do(shared: Path, tmp_path: Path) -> None:
    root = str(shared / "data" / "audiocaps")
    arguments = ["longtail", "--dataset", "audiocaps", "--data-root", root, "--model", "re-audioldm-l", "--limit", "3"]
    result = runner.invoke(app, [*arguments, "--output", str(tmp_path)])
    assert result.exit_code == 2
    assert "There are no public weights of re-audioldm-l for audiocaps: train it" in " ".join(result.stderr.split())


def test_without_public_weights_that_is_said_before_anything_is_asked_for(tmp_path: Path) -> None:
    for command in (["longtail"], ["zeroshot"], ["sweep", "--over", "k=1,2"]):
        result = runner.invoke(
            app, [*command, "--dataset", "audiocaps", "--model", "re-audioldm-l", "--output", str(tmp_path)]
        )
        assert result.exit_code == 2
        assert "There are no public weights of re-audioldm-l for audiocaps: train it (reaudio-model train" in result.stderr


@pytest.mark.slow
def test_the_report_made_again_says_the_same_of_metric_and_bundled_twin(done: Done, tmp_path: Path) -> None:
    again = report(done.output, output=tmp_path, media="none")
    assert again.analysis.primary == done.summary["primary"]
    first = [a["message"] for a in done.summary["alerts"] if "is left out" in a["message"]]
    assert first
    assert [a.message for a in again.analysis.alerts if "is left out" in a.message] == first
    without = report(done.output, output=tmp_path, media="none", baselines=False)
    assert not [a for a in without.analysis.alerts if "is left out" in a.message]
