"""``reaudio-eval protocols diff`` with a cheap embedder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from fakes import SAMPLE_RATE, tone, write_embedder
from typer.testing import CliRunner

import reaudio_eval
from reaudio_eval.cli.app import app
from reaudio_eval.features.protocols import DEFAULT_PROTOCOL, PROTOCOLS, WaveformRule
from reaudio_model.common.errors import CheckpointError

runner = CliRunner()
N = 20
KEPT = (DEFAULT_PROTOCOL, "av-benchmark", "stable-audio-metrics", "audioldm-eval-2023-06-32k")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stereo clips whose channels differ and have an offset, and four protocols."""
    for folder, base in (("generated", 230), ("reference", 200)):
        (tmp_path / folder).mkdir()
        for i in range(N):
            left, right = tone(base + 80 * i, 0.5, 0.2, seed=i), tone(3 * base + 50 * i, 0.5, 0.3, seed=50 + i)
            soundfile.write(tmp_path / folder / f"c{i:02d}.wav", np.stack([left + 0.1, right], axis=1), SAMPLE_RATE)
    write_embedder(tmp_path / "plugins")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "cache"))
    for name in PROTOCOLS.keys() - set(KEPT):
        monkeypatch.delitem(PROTOCOLS, name)
    return tmp_path


def options(world: Path, **more: Any) -> dict[str, Any]:
    return {
        "embedders": ["bands"],
        "checkpoints": {"bands": world / "plugins" / "bands.bin"},
        "metrics": ["kl_bands", "fd_bands"],
    } | more


def compare(world: Path, **more: Any) -> pd.DataFrame:
    found = reaudio_eval.protocols_diff(world / "generated", world / "reference", **options(world, **more))
    frame: pd.DataFrame = found.tables["protocols"].set_index(["protocol", "metric"])
    return frame


@pytest.mark.slow
def test_every_value_is_that_of_score_under_the_protocol(world: Path) -> None:
    found = compare(world)
    assert set(found.index) == {(name, metric) for name in KEPT for metric in ("kl_bands", "fd_bands")}
    for name in KEPT:
        scored = reaudio_eval.score(world / "generated", world / "reference", **options(world, protocol=name))
        for metric in ("kl_bands", "fd_bands"):
            row = found.loc[name, metric]
            assert row["value"] == scored.metrics[metric]["value"]
            assert row["difference"] == row["value"] - found.loc[(DEFAULT_PROTOCOL, metric), "value"]
            assert row["n_clips"] == N


def test_causes_are_the_fields_that_differ_and_that_the_metric_depends_on(world: Path) -> None:
    causes = compare(world)["cause"]
    assert causes[DEFAULT_PROTOCOL, "kl_bands"] == ""
    waveform = ["the channel mean instead of the first channel", "the first 10 s instead of the whole clip"]
    waveform.append("no zeros at the end instead of zeros up to 32000 samples")
    epsilon = "the exact logarithm instead of 1e-06 added inside the logarithm"
    assert causes["av-benchmark", "fd_bands"] == "; ".join(waveform)
    assert causes["av-benchmark", "kl_bands"] == "; ".join([*waveform, epsilon])
    assert "KL(generated, reference) instead of KL(reference, generated)" in causes["stable-audio-metrics", "kl_bands"]
    assert causes["audioldm-eval-2023-06-32k", "kl_bands"] == "none: the same conventions"


@pytest.mark.slow
def test_conventions_without_an_effect_are_said_to_have_none(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = dataclasses.replace(
        PROTOCOLS[DEFAULT_PROTOCOL], name="cut", waveform=WaveformRule(min_samples=32_000, max_seconds=10.0)
    )
    monkeypatch.setitem(PROTOCOLS, "cut", other)
    row = compare(world).loc["cut", "fd_bands"]
    assert row["difference"] == 0
    assert row["cause"] == "no effect here: the first 10 s instead of the whole clip"


@pytest.mark.slow
def test_another_protocol_may_be_the_base(world: Path) -> None:
    found = compare(world, protocol="av-benchmark")
    assert found.index[0][0] == "av-benchmark"
    assert (found.loc["av-benchmark", "difference"] == 0).all()
    assert found.loc[DEFAULT_PROTOCOL, "cause"]["fd_bands"].startswith("the first channel instead of the channel mean")


@pytest.mark.slow
def test_a_checkpoint_that_a_protocol_cannot_use_is_a_reason_and_the_others_go_on(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reaudio_eval import plugins

    changed = dataclasses.replace(PROTOCOLS["av-benchmark"], sample_rates={"bands": 32_000})
    monkeypatch.setitem(PROTOCOLS, "av-benchmark", changed)
    plugin = plugins.load("embedders", "bands")
    load = plugin.load

    def refuse(checkpoint: Path, *, sample_rate: int, device: str, cache_dir: Path | None = None) -> Any:
        if sample_rate != 16_000:
            raise CheckpointError("bands.bin is for 16000 Hz.")
        return load(checkpoint, sample_rate=sample_rate, device=device, cache_dir=cache_dir)

    monkeypatch.setattr(plugin, "load", refuse)
    found = compare(world)
    assert found.loc[("av-benchmark", "kl_bands"), "reason"] == "bands.bin is for 16000 Hz."
    assert np.isnan(found.loc[("av-benchmark", "kl_bands"), "value"])
    assert found.loc["stable-audio-metrics", "value"].notna().all()


@pytest.mark.slow
def test_command_text_json_and_files(world: Path, tmp_path: Path) -> None:
    given = ["protocols", "diff", str(world / "generated"), str(world / "reference"), "--embedder", "bands", "--quiet"]
    given += ["--checkpoint", f"bands={world / 'plugins' / 'bands.bin'}", "--metric", "kl_bands"]
    shown = runner.invoke(app, [*given, "--output", str(tmp_path / "out")])
    assert "Differences from audioldm-eval-2023-06" in shown.stdout
    assert "protocols.json" in shown.stdout
    record = json.loads((tmp_path / "out" / "protocols.json").read_text())
    assert [row["protocol"] for row in record["protocols"]] == list(KEPT[:1]) + [
        name for name in PROTOCOLS if name != KEPT[0]
    ]
    assert (tmp_path / "out" / "tables" / "protocols.csv").is_file()
    printed = json.loads(runner.invoke(app, [*given, "--json"]).stdout)
    assert printed["protocols"] == record["protocols"]
    planned = json.loads(runner.invoke(app, [*given, "--dry-run"]).stdout)
    assert planned["protocols"]["av-benchmark"] == {"kl_bands": "will be computed"}


def test_without_checkpoint_the_command_says_what_to_give(world: Path) -> None:
    result = runner.invoke(
        app, ["protocols", "diff", str(world / "generated"), str(world / "reference"), "--embedder", "panns"]
    )
    assert result.exit_code == 2
    assert "--checkpoint panns=PATH" in result.stderr
