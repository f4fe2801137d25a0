"""``longtail`` with systems from their published files: several in one report, and one that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import public_checkpoints as checkpoints
import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app

runner = CliRunner()
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_figures")]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Small published checkpoints, in place of the published sizes."""
    checkpoints.make_small(monkeypatch)
    return {
        "audioldm-s": checkpoints.write_audioldm(tmp_path / "audioldm-s"),
        "tango": checkpoints.write_tango(tmp_path / "tango"),
        "audioldm2": checkpoints.write_audioldm2(tmp_path / "audioldm2"),
        "audiogen-medium": checkpoints.write_audiogen(tmp_path / "audiogen"),
        "stable-audio-open": checkpoints.write_stable_audio(tmp_path / "stable-audio"),
    }


def run(world: Path, sounds: Path, weights: dict[str, Path], *more: str) -> Any:
    models = [part for name, path in weights.items() for part in ("--model", name, "--weights", f"{name}={path}")]
    return runner.invoke(
        app,
        [
            "longtail", "--dataset", "folder", "--data-root", str(sounds), "--references", str(sounds / "reference"), "--limit", "6",
            "--embedder", "bands", "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--media", "none", "--json",
            "--output", str(world / "out"), "--cache-dir", str(world / "cache"), *models, *more,
        ],
    )  # fmt: skip


def test_all_of_them_in_one_report(world: Path, sounds: Path, weights: dict[str, Path]) -> None:
    result = run(world, sounds, weights)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["systems"]) == [*weights, "real", "noise"]
    for name in weights:
        assert found["systems"][name]["kl_bands"]["value"] > 0
    manifest = json.loads((Path(found["runs"][0]) / "manifest.json").read_text(encoding="utf-8"))
    sampling = manifest["sampling"]
    assert (sampling["steps"], sampling["guidance_scale"], sampling["scheduler"], sampling["eta"]) == (3, 2.5, "ddim", 1.0)
    assert set(sampling["weights_sha256"]) == {"denoiser", "vae", "vocoder", "clap", "clap_tokenizer"}
    again = run(world, sounds, weights)
    assert json.loads(again.stdout)["systems"] == found["systems"], "clips and runs are kept"


def test_one_that_fails_is_reported_and_the_others_finish(world: Path, sounds: Path, weights: dict[str, Path]) -> None:
    (weights["tango"] / "pytorch_model_vae.bin").write_bytes(b"PK")
    result = run(world, sounds, {name: weights[name] for name in ("tango", "audioldm-s")})
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert "tango" not in found["systems"]
    assert "audioldm-s" in found["systems"]
    assert any(alert["message"].startswith("tango failed and is left out: ") for alert in found["alerts"])
    assert "tango failed and is left out: " in result.stderr


def test_a_model_without_weights_is_refused_before_work(world: Path, sounds: Path) -> None:
    result = runner.invoke(app, ["longtail", "--dataset", "folder", "--data-root", str(sounds), "--model", "audioldm2-large",
                                 "--cache-dir", str(world / "cache")])  # fmt: skip
    assert result.exit_code == 2
    assert "The weights of audioldm2-large are not on this machine" in " ".join(result.stderr.split())


def test_a_sweep_starts_at_the_settings_of_the_authors(world: Path, sounds: Path, weights: dict[str, Path]) -> None:
    result = runner.invoke(
        app,
        [
            "sweep", "--model", "tango", "--weights", f"tango={weights['tango']}", "--over", "guidance=1", "--dataset", "folder",
            "--data-root", str(sounds), "--references", str(sounds / "reference"), "--limit", "6", "--metric", "kl_bands",
            "--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--embedder", "bands", "--media", "none", "--json",
            "--output", str(world / "sweep"), "--cache-dir", str(world / "cache"),
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found["cells"]) == ["tango", "tango guidance=1"]
    rows = {row["setting"] for row in found["factors"]["guidance"]}
    assert rows == {"1", "3"}
