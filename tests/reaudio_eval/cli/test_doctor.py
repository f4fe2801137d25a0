"""What doctor finds, and what it says about it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reaudio_eval import plugins
from reaudio_eval.cli import doctor
from reaudio_eval.cli.app import app

runner = CliRunner()


def table(checks: list[doctor.Check]) -> dict[str, doctor.Check]:
    return {check.name: check for check in checks}


def test_a_complete_installation_passes(tmp_path: Path) -> None:
    found = table(doctor.examine(tmp_path / "cache", None))
    assert found["python"].status == "ok"
    assert found["torch"].status == "ok"
    assert found["mp3"].status == "ok"
    assert found["device"].status in ("ok", "note")
    assert "re-audioldm-l" in found["models"].detail.split(", ")
    assert not (tmp_path / "cache").exists()


def test_a_missing_checkpoint_is_a_note_with_its_address(tmp_path: Path) -> None:
    check = table(doctor.examine(tmp_path, None))["checkpoint panns: Cnn14_16k_mAP=0.438.pth"]
    assert check.status == "note"
    assert "https://" in check.remedy


def test_an_altered_checkpoint_fails(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "Cnn14_16k_mAP=0.438.pth"
    path.parent.mkdir()
    path.write_bytes(b"something else")
    result = runner.invoke(app, ["doctor", "--cache-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "its sha256 is not the published one" in result.stdout
    assert f"delete {path}" in result.stdout


def test_the_published_checkpoint_passes(tmp_path: Path) -> None:
    file = plugins.load("embedders", "panns").spec.checkpoints[0]
    path = tmp_path / "checkpoints" / file.filename
    path.parent.mkdir()
    path.write_bytes(b"weights")
    genuine = dataclasses.replace(file, sha256=hashlib.sha256(b"weights").hexdigest())
    assert doctor._checkpoint("panns", genuine, tmp_path).status == "ok"


def test_a_wrong_data_root_fails_with_the_reason(tmp_path: Path) -> None:
    check = table(doctor.examine(tmp_path, tmp_path / "nowhere"))["audiocaps"]
    assert check.status == "fail"
    assert "nowhere" in check.detail


@pytest.mark.slow
def test_the_real_dataset_passes(tmp_path: Path, shared: Path) -> None:
    check = table(doctor.examine(tmp_path, shared / "data" / "audiocaps"))["audiocaps"]
    assert check.detail == "975 test prompts, 326 training labels"


def test_colliding_plugins_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "kl.py").write_text('"""Another."""\n', encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(tmp_path))
    assert table(doctor.examine(tmp_path, None))["metrics"].status == "fail"


def test_too_little_disk_space_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 10**18)
    check = table(doctor.examine(tmp_path, None))["cache"]
    assert check.status == "fail"
    assert "REAUDIO_CACHE" in check.remedy


def test_json(tmp_path: Path) -> None:
    result = runner.invoke(app, ["doctor", "--json", "--cache-dir", str(tmp_path)])
    assert {"name", "status", "detail", "remedy", "entries"} == set(json.loads(result.stdout)[0])


def test_a_broken_plug_in_fails_its_check_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "embedders").mkdir()
    (tmp_path / "embedders" / "odd.py").write_text("def f(:\n", encoding="utf-8")
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "exits.py").write_text("METRICS = ()\nraise SystemExit\n", encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", f"{tmp_path}{os.pathsep}{tmp_path / 'gone'}")
    found = table(doctor.examine(tmp_path / "cache", None))
    assert "it is not Python" in found["embedders odd"].detail
    assert "ends the program" in found["metrics exits"].detail
    assert "gone of REAUDIO_PLUGINS does not exist" in found["plug-ins"].detail
    assert found["embedders"].status == found["metrics"].status == "ok"
    assert found["checkpoint panns: Cnn14_16k_mAP=0.438.pth"].status == "note"


def test_a_file_as_cache_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    for option in ("--cache-dir", "--cache"):
        result = runner.invoke(app, ["doctor", option, str(path)])
        assert result.exit_code == 2
        assert "is a file: give a folder with --cache-dir" in result.stderr


def test_the_parts_of_the_model_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: None)
    found = table(doctor.examine(tmp_path, None))
    parts = ("clap", "clap tokenizer", "t5", "vae", "vocoder", "audio_mae", "unet")
    assert [found[f"model {part}"].status for part in parts] == ["note"] * 7
    assert "hf download google/flan-t5-large" in found["model t5"].remedy
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: f"/somewhere/{name}/{file}")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "630k-audioset-best.pt").write_bytes(b"weights")
    found = table(doctor.examine(tmp_path, None))
    assert [found[f"model {part}"].status for part in parts[:3]] == ["ok"] * 3
    assert found["model clap"].detail == "630k-audioset-best.pt"
