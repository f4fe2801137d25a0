"""The commands of the guide to full-size training, in order, with small networks in the same layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
import torch
from full_size_world import TINY, write_files
from guide import PAGE, SCORED, SHORT, page_commands, shortened
from synthesise import write_random_tagger
from training_worlds import reset_accelerator
from typer.testing import CliRunner

from reaudio_eval.cli.app import app as eval_app
from reaudio_model.cli.app import app as model_app
from reaudio_model.pipeline.assemble import load_pipeline
from reaudio_model.training.config import bundled_configs

APPS = {"reaudio-eval": eval_app, "reaudio-model": model_app}
ROWS = ["re-audioldm-s-none", "re-audioldm-s-audio-k3", "re-audioldm-s-audio-text-k3", "re-audioldm-s-audio-text-k10",
        "re-audioldm-l-audio-text-k10"]  # fmt: skip


def test_every_row_of_the_table_has_a_command_and_every_kind_of_command_is_walked() -> None:
    commands = page_commands()
    trained = [
        command.split("--config ")[1].split()[0]
        for command in commands
        if " train " in command and "--dry-run" not in command
    ]
    assert sorted({*trained}) == sorted(ROWS)
    assert {*ROWS} == {name for name in bundled_configs() if name.startswith("re-audioldm-")} - {"re-audioldm-s-any"}
    assert all(any(command.startswith(start) for start in SHORT) for command in commands)
    assert all(any(command.startswith(start) for command in commands) for start in SHORT)
    assert sum(SCORED in command for command in commands) == 2
    assert PAGE.name in (PAGE.parents[1] / "mkdocs.yml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("no_figures")
def test_the_commands_of_the_page_work_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, TINY)
    write_random_tagger(tmp_path / "tagger.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REAUDIO_CACHE", str(tmp_path / "user-cache"))
    for command in page_commands():
        program, *words = shortened(command, tiny=True)
        reset_accelerator()
        result = CliRunner().invoke(APPS[program], words)
        assert result.exit_code == 0, f"{command}\n{result.output}\n{result.exception!r}"
    assert soundfile.info("dog.wav").frames == 10_240
    manifest = json.loads(Path("trained/s-audio-text-k10/manifest.json").read_text(encoding="utf-8"))
    assert (manifest["sizes"]["k"], manifest["sizes"]["retrieval"]) == (10, "audio+text")
    folders = ("trained/s-audio-text-k3/pipeline", "models/s-audio-text-k3")
    one, other = (load_pipeline(folder, device=torch.device("cpu")) for folder in folders)
    assert all(torch.equal(value, other.unet.state_dict()[name]) for name, value in one.unet.state_dict().items())
    assert Path("reports/table1/longtail.html").is_file()
    assert Path("reports/table1-k10/longtail.html").is_file()
