"""The parts of a saved pipeline, as doctor lists them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reaudio_eval.cli.app import app
from reaudio_eval.cli.doctor_model import check_model
from reaudio_model.common.errors import ReaudioError


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder in the layout of a saved pipeline."""
    index = {"_class_name": "X", "unet": ["a", "U"], "scheduler": ["b", "S"], "t5": [None, None]}
    (tmp_path / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    for name, file in (("unet", "diffusion_pytorch_model.safetensors"), ("unet", "config.json"), ("scheduler", "s.json")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / file).write_text("{}", encoding="utf-8")
    return tmp_path


def test_parts_with_weights_pass_and_unused_ones_are_not_listed(saved: Path) -> None:
    assert [(check.name, check.status) for check in check_model(saved)] == [("model unet", "ok"), ("model scheduler", "ok")]


def test_a_part_without_weights_or_folder_fails(saved: Path) -> None:
    (saved / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    (saved / "scheduler" / "s.json").unlink()
    result = CliRunner().invoke(app, ["doctor", "--model", str(saved), "--json"])
    assert result.exit_code == 1
    assert [check["detail"] for check in json.loads(result.stdout)] == [
        f"{saved / 'unet'} has no weights",
        f"{saved / 'scheduler'} has no files",
    ]


def test_damaged_json_is_one_sentence(saved: Path) -> None:
    (saved / "unet" / "config.json").write_bytes(b"\xff")
    with pytest.raises(ReaudioError, match=r"unet/config\.json .*is not valid JSON.*save the pipeline again\.$"):
        check_model(saved)
    (saved / "model_index.json").unlink()
    with pytest.raises(ReaudioError, match=r"does not exist: give the folder of a pipeline\.$"):
        check_model(saved)
