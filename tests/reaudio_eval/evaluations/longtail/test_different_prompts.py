"""Systems that lack clips of some prompts: their own numbers, pairs on common prompts, report and compare alike; ``--common``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.runs.directory import read_run

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_figures")
LACKING = 5


@pytest.fixture
def fewer(world: Path, sounds: Path) -> Path:
    """The clips of ``poor`` without the first of them."""
    folder = world / "fewer"
    shutil.copytree(sounds / "poor", folder)
    for path in sorted(folder.glob("*.wav"))[:LACKING]:
        path.unlink()
    return folder


def run(world: Path, *words: str) -> dict[str, Any]:
    result = runner.invoke(app, [*words, "--output", str(world / "out"), "--media", "none", "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def longtail(world: Path, sounds: Path, fewer: Path, *more: str) -> dict[str, Any]:
    words = ["--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"), "--no-noise"]
    clips = ["--clips", f"good={sounds / 'good'}", "--clips", f"fewer={fewer}"]
    checkpoint = ["--embedder", "bands", "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}"]
    return run(world, "longtail", *words, *clips, *checkpoint, *more)


def n_clips(found: dict[str, Any], metric: str) -> dict[str, int]:
    return {name: found["systems"][name][metric]["n_clips"] for name in ("good", "fewer")}


def warnings(found: dict[str, Any], start: str) -> list[str]:
    return [a["message"] for a in found["alerts"] if a["level"] == "warning" and a["message"].startswith(start)]


@pytest.mark.slow
def test_each_system_has_its_prompts_and_pairs_have_those_of_both(world: Path, sounds: Path, fewer: Path) -> None:
    first = longtail(world, sounds, fewer)
    n = len(list((sounds / "good").glob("*.wav")))
    assert n_clips(first, "kl_bands") == {"good": n, "fewer": n - LACKING}
    assert n_clips(first, "fd_bands") == {"good": n - LACKING, "fewer": n - LACKING}  # depends on the number of clips
    (alert,) = warnings(first, "Systems were scored on different prompts")
    assert f"of {n}: good and real on {n}; fewer on {n - LACKING}" in alert
    runs = [read_run(Path(path)) for path in first["runs"]]
    clap = {
        r.scores.system.name: r.scores.scores.set_index(["metric", "clip_id"])["value"].loc["kl_bands"] for r in runs[:2]
    }
    assert [len(r.dataset.prompts) for r in runs] == [n, n - LACKING, n]
    both = clap["fewer"].index
    paired = pd.DataFrame(json.loads((world / "out" / "longtail.json").read_text(encoding="utf-8"))["paired"])
    row = (
        paired[(paired["metric"] == "kl_bands") & (paired["quantity"] == "all")]
        .set_index(["system_a", "system_b"])
        .loc[("fewer", "good")]
    )
    assert row["n_clips"] == n - LACKING
    assert row["difference"] == pytest.approx(float(np.mean(clap["fewer"] - clap["good"].reindex(both))))
    for words in (["report"], ["compare", "--baseline", "good"]):
        again = run(world / words[0], words[0], str(world / "out"), *words[1:])
        assert n_clips(again, "kl_bands") == n_clips(first, "kl_bands")
        assert n_clips(again, "fd_bands") == n_clips(first, "fd_bands")
        assert len(warnings(again, "Systems were scored on different prompts")) == 1


@pytest.mark.slow
def test_common_prompts_and_a_run_that_is_found_again(world: Path, sounds: Path, fewer: Path) -> None:
    n = len(list((sounds / "good").glob("*.wav")))
    found = longtail(world, sounds, fewer, "--common")
    assert n_clips(found, "kl_bands") == {"good": n - LACKING, "fewer": n - LACKING}
    assert not warnings(found, "Systems were scored on different prompts")
    assert len(warnings(found, f"{LACKING} of {n} prompts are left out of every system alike")) == 1
    other = longtail(world, sounds, fewer)
    assert [a == b for a, b in zip(found["runs"], other["runs"], strict=True)] == [False, True, False]
    assert longtail(world, sounds, fewer)["runs"] == other["runs"]
    assert longtail(world, sounds, sounds / "poor")["runs"][0] not in other["runs"]  # its set metrics count other clips
