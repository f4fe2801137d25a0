"""The zero-shot report on the bundled miniature, from the command line: a few clips, every system beside the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_model.miniature import bundled

runner = CliRunner()
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_figures")]


class Done(NamedTuple):
    summary: dict[str, Any]
    output: Path
    cache: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    output, cache = tmp_path_factory.mktemp("report"), tmp_path_factory.mktemp("cache")
    arguments = [
        "zeroshot", "--model", "re-audioldm-s", "--limit", "4", "--steps", "1", "--json", "--quiet",
        "--output", str(output), "--cache-dir", str(cache),
    ]  # fmt: skip
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return Done(json.loads(result.stdout), output, cache)


def test_the_model_stands_beside_copy_oracle_real_audio_and_noise(done: Done) -> None:
    assert {row["system"]: row["role"] for row in done.summary["systems"]} == {
        "re-audioldm-s": "system", "copy-retrieved": "copy", "oracle-s (upper reference)": "oracle", "real": "real", "noise": "noise",
    }  # fmt: skip
    assert all(row["training_known"] for row in done.summary["systems"])


def test_zero_shot_clips_come_first_and_the_twin_of_other_sampling_is_left_out(done: Done) -> None:
    assert [r["regime"] for r in done.summary["regimes"]] == ["pool_only"]
    assert any(
        a["message"].startswith(f"re-audioldm-s-none is left out: its bundled scores are of {bundled.STEPS} steps")
        for a in done.summary["alerts"]
    )
    own = [r for r in done.summary["by_regime"] if r["system"] == "re-audioldm-s"]
    assert {row["n_clips"] for row in own} == {4}
    assert {"label_accuracy_miniature_judge", "clap_score_miniature", "kl_miniature_tagger"} <= {
        row["metric"] for row in own
    }
    assert done.summary["primary"] == "label_accuracy_miniature_judge"


def test_every_clip_that_is_played_is_on_the_page(done: Done) -> None:
    page = (done.output / "zeroshot.html").read_text(encoding="utf-8")
    for system in ("real", "re-audioldm-s", "copy-retrieved", "oracle-s (upper reference)"):
        assert page.count(f'aria-label="{system}: ') == 2  # prompts of the one class
    assert page.count("<audio ") > 4 * 2  # and what was retrieved
    assert "oracle-s (upper reference)" in page
    assert "as if retrieval were perfect" in page


@pytest.mark.slow
def test_the_oracle_in_a_long_tail_report_is_called_a_bound(done: Done, tmp_path: Path) -> None:
    arguments = ["longtail", "--model", "oracle-s", "--limit", "2", "--steps", "1", "--media", "none", "--json", "--quiet"]
    where = ["--output", str(tmp_path), "--cache-dir", str(done.cache), "--metric", "clap_score_miniature"]
    result = runner.invoke(app, [*arguments, *where])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert "oracle-s (upper reference)" in found["systems"]
    assert any(
        a["message"].startswith("oracle-s (upper reference) is an upper reference and is not compared")
        for a in found["alerts"]
    )


@pytest.mark.parametrize(
    ("more", "systems"),
    [
        (["--no-oracle"], {"re-audioldm-l", "copy-retrieved", "real", "noise"}),
        (["--baselines", "none"], {"re-audioldm-l", "oracle-l (upper reference)", "real", "noise"}),
        (["--baselines", "fresh", "--no-real", "--no-noise", "--model", "oracle-l"],
         {"re-audioldm-l", "re-audioldm-s-none", "copy-retrieved", "oracle-l (upper reference)"}),
    ],
)  # fmt: skip
def test_what_stands_beside_is_chosen(done: Done, more: list[str], systems: set[str]) -> None:
    arguments = ["zeroshot", "--model", "re-audioldm-l", "--dry-run", "--cache-dir", str(done.cache), *more]
    plan = json.loads(runner.invoke(app, arguments).stdout)
    assert {s["name"] for s in plan["systems"]} == systems
    assert len(plan["regimes"]["pool_only"]) == 8
    assert len(plan["regimes"]["neither"]) == 4
    assert plan["dataset"]["n_prompts"] == 212
