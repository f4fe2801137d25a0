"""What doctor finds, and what it says about it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
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
    assert {"name", "status", "detail", "remedy"} == set(json.loads(result.stdout)[0])
