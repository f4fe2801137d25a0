"""``reaudio-eval sweep`` on the bundled miniature: one checkpoint, its pairs cut to fewer and to their audio, loaded once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.evaluations.sweep import factor_section
from reaudio_model.conditioning.conditioner import Conditioner
from reaudio_model.miniature import bundled

runner = CliRunner()
pytestmark = pytest.mark.slow  # half a minute of sampling


class Counts:
    """How often the pipeline was loaded, and how many pairs were encoded in each call."""

    def __init__(self) -> None:
        self.loaded = 0
        self.encoded: list[int] = []


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Counts]:
    output, cache, counts = tmp_path_factory.mktemp("report"), tmp_path_factory.mktemp("cache"), Counts()
    load, encode = bundled.load_bundled, Conditioner.encode_pairs

    def counted_load(name: str, device: str = "cpu") -> Any:
        counts.loaded += 1
        return load(name, device)

    def counted_encode(self: Conditioner, pairs: Any) -> Any:
        counts.encoded += [len(pairs)] if len(pairs) else []
        return encode(self, pairs)

    arguments = [
        "sweep", "--model", "re-audioldm-s", "--over", "k=0,1", "--over", "retrieval=audio", "--sample", "4", "--steps", "1",
        "--metric", "clap_score_miniature", "--primary", "clap_score_miniature", "--media", "none", "--json", "--quiet",
        "--output", str(output), "--cache-dir", str(cache),
    ]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundled, "load_bundled", counted_load)
        patch.setattr(Conditioner, "encode_pairs", counted_encode)
        patch.setattr(factor_section, "factor_figure", lambda *_: None)
        result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), counts


def records(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The record of how the clips of each cell were made."""
    output = Path(found["report"]).parent
    folders = {path.name: path for path in (output / "clips").iterdir()}
    return {
        name: json.loads(next(folders[name.replace(" ", "_").replace("=", "_")].glob("*/generation.json")).read_text())
        for name in found["cells"]
    }


def test_the_cells_differ_in_the_input_of_one_checkpoint(done: tuple[dict[str, Any], Counts]) -> None:
    found, _ = done
    assert list(found["cells"]) == [
        "re-audioldm-s",
        "re-audioldm-s k=0",
        "re-audioldm-s k=1",
        "re-audioldm-s retrieval=audio",
    ]
    made = records(found)
    assert len({record["model"]["unet"] for record in made.values()}) == 1
    assert made["re-audioldm-s retrieval=audio"]["settings"]["retrieval"] == "audio"
    values = [cell["metrics"]["clap_score_miniature"]["value"] for cell in found["cells"].values()]
    assert len(set(values)) == 4


def test_fewer_pairs_are_the_first_of_more(done: tuple[dict[str, Any], Counts]) -> None:
    made = records(done[0])
    clips = {name: [clip["retrieved"] for clip in record["clips"]] for name, record in made.items()}
    assert all(len(own) == 3 for own in clips["re-audioldm-s"])
    assert clips["re-audioldm-s k=1"] == [own[:1] for own in clips["re-audioldm-s"]]
    assert clips["re-audioldm-s retrieval=audio"] == clips["re-audioldm-s"]
    assert clips["re-audioldm-s k=0"] == [[], [], [], []]


def test_the_pipeline_is_loaded_once_and_each_pair_encoded_once(done: tuple[dict[str, Any], Counts]) -> None:
    found, counts = done
    assert counts.loaded == 1
    distinct = {clip_id for clip in records(found)["re-audioldm-s"]["clips"] for clip_id in clip["retrieved"]}
    assert counts.encoded == [len(distinct)]


def test_the_alerts_state_the_limits_of_one_checkpoint(done: tuple[dict[str, Any], Counts]) -> None:
    messages = [alert["message"] for alert in done[0]["alerts"]]
    assert any(m.startswith("All settings come from one checkpoint") for m in messages)
    assert any("can favour sounds that a CLAP retrieved" in m for m in messages)
    assert any(m.startswith("4 of 289 prompts, chosen evenly over the classes") for m in messages)
    assert all(cell["seconds_per_clip"] > 0 for cell in done[0]["cells"].values())


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--over", "captions=1..5"], "--captions 2: a clip of the miniature has one caption"),
        (["--over", "retrieval=audio,audio+text", "--model", "re-audioldm-s-audio"], "was trained to read audio of the retrieved"),
        (["--over", "retrieval=none", "--model", "re-audioldm-s-none"], "re-audioldm-s-none retrieves nothing"),
    ],
)  # fmt: skip
def test_what_the_miniature_does_not_have(tmp_path: Path, more: list[str], message: str) -> None:
    result = runner.invoke(app, ["sweep", "--model", "re-audioldm-s", "--output", str(tmp_path), "--dry-run", *more])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_prompt_of_every_class_by_default(tmp_path: Path) -> None:
    result = runner.invoke(
        app, ["sweep", "--model", "re-audioldm-s", "--over", "k=1", "--dry-run", "--output", str(tmp_path)]
    )
    found = json.loads(result.stdout)
    assert found["dataset"]["n_prompts"] == 65
    assert "65 of 289 prompts, chosen evenly over the classes by their rarest label (65 of 65 classes)" in found["notes"][-1]
