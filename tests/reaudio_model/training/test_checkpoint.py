"""Checkpoints: what is kept, verified, chosen and refused; and that none holds a value that is not finite."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from notes import Notes
from regression import CONFIG, Killed, Regression, Rows

from reaudio_model.common.digests import open_sealed_json
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.training.checkpoint import checkpoint_path, find_checkpoint, latest_checkpoint
from reaudio_model.training.loop import FitResult, fit, starting_point
from reaudio_model.training.loop_config import LoopConfig


def run(
    task: Regression,
    output: Path,
    accelerator: Accelerator,
    config: LoopConfig = CONFIG,
    *,
    resume: bool = False,
    chosen: int | Path | None = None,
    notes: Notes | None = None,
) -> FitResult:
    notes = notes or Notes()
    return fit(
        task, Rows(), config, output, accelerator=accelerator, resume=resume, reporter=notes,
        checkpoint=starting_point(output, resume, chosen, notes),
    )  # fmt: skip


def names(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").iterdir())


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_newest_checkpoint_is_skipped_and_the_run_ends_the_same(tmp_path: Path, accelerator: Accelerator) -> None:
    straight, resumed = Regression(), Regression()
    run(straight, tmp_path / "a", accelerator)
    run(Regression(interrupt_at=15), tmp_path / "b", accelerator)
    folder = tmp_path / "b/checkpoints"
    assert names(tmp_path / "b") == ["step-00000012", "step-00000016"]
    for name in ("optimizer-0.pt", "net.safetensors", "ema.safetensors", "state.json"):
        whole = (checkpoint_path(folder, 16) / name).read_bytes()
        flip(checkpoint_path(folder, 16) / name)
        notes: list[str] = []
        assert find_checkpoint(folder, note=notes.append) == checkpoint_path(folder, 12)
        assert re.search(
            rf"step-00000016 is damaged \({re.escape(name)} is missing or was altered\): an earlier one", notes[0]
        )
        (checkpoint_path(folder, 16) / name).write_bytes(whole)
    (checkpoint_path(folder, 16) / "net.safetensors").unlink()
    said = Notes()
    assert run(resumed, tmp_path / "b", accelerator, resume=True, notes=said).finished
    assert len(resumed.rates) == 20 - 12
    assert "step-00000016 is damaged (net.safetensors is missing" in said.lines[0]
    assert "unused-step-00000016 is not used any more" in said.lines[1]
    assert (tmp_path / "a/train.csv").read_bytes() == (tmp_path / "b/train.csv").read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(straight.net.parameters(), resumed.net.parameters(), strict=True))


def test_a_step_without_state_is_no_checkpoint(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(interrupt_at=9), tmp_path, accelerator)
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoint_path(folder, 10), folder / ".tmp-0-step-00000019")
    (folder / "step-00000019").mkdir()
    assert find_checkpoint(folder) == checkpoint_path(folder, 10)
    for path in (checkpoint_path(folder, 10), checkpoint_path(folder, 8)):
        shutil.rmtree(path)
    with pytest.raises(
        CheckpointError, match=r"Every checkpoint in .* is damaged: remove that folder to train from the start"
    ):
        find_checkpoint(folder)
    shutil.rmtree(folder)
    assert run(Regression(), tmp_path, accelerator, resume=True).finished


def test_a_chosen_checkpoint_and_the_later_ones(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(), tmp_path, accelerator)
    folder = tmp_path / "checkpoints"
    for chosen in (3, tmp_path / "none" / "step-00000003", tmp_path):
        with pytest.raises(
            CheckpointError, match=r"does not exist: choose another.*steps: 16, 20|is not in .*its own checkpoints"
        ):
            starting_point(tmp_path, True, chosen, Notes())
    again = Regression()
    assert run(again, tmp_path, accelerator, resume=True, chosen=16).finished
    assert len(again.rates) == 4
    assert names(tmp_path) == ["step-00000016", "step-00000020", "unused-step-00000020"]
    assert run(Regression(), tmp_path, accelerator, resume=True, chosen=16).finished  # its step 20 replaces the unused one
    assert names(tmp_path) == ["step-00000016", "step-00000020", "unused-step-00000020"]
    assert starting_point(tmp_path, True, folder / "unused-step-00000020", Notes()) == folder / "unused-step-00000020"
    flip(checkpoint_path(folder, 16) / "state.json")
    with pytest.raises(CheckpointError, match=r"step-00000016 is damaged .*: choose another with --resume-from"):
        starting_point(tmp_path, True, 16, Notes())


def test_checkpoints_of_earlier_versions_are_read(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(interrupt_at=9), tmp_path, accelerator)
    state = checkpoint_path(tmp_path / "checkpoints", 10) / "state.json"
    content = open_sealed_json(state.read_bytes())
    assert content is not None
    state.write_text(json.dumps(content["state"]))
    assert run(Regression(), tmp_path, accelerator, resume=True).finished


def test_a_killed_runs_litter_is_swept_by_the_next(tmp_path: Path, accelerator: Accelerator) -> None:
    """The folder that a process with a number that is not in use has left."""
    from reaudio_model.common.files import temporary_path

    folder = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        run(Regression(kill_at=10), tmp_path, accelerator)
    mine = temporary_path(checkpoint_path(folder, 12))
    litter = mine.with_name(re.sub(r"-\d+-", "-99999999-", mine.name, count=1))
    litter.mkdir()
    (litter / "net.safetensors").write_bytes(b"half")
    from reaudio_model.common import files

    files._swept.clear()  # the next process
    run(Regression(), tmp_path, accelerator, resume=True)
    assert names(tmp_path) == ["step-00000016", "step-00000020"]


# --- values that are not finite ---


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ({"loss_factor": float("inf")}, r"The gradient is (nan|inf) at step 0"),
        ({"gradient_factor": float("inf")}, r"The gradient is (nan|inf) at step 0"),
    ],
)
def test_a_run_that_diverges_at_once(
    tmp_path: Path, accelerator: Accelerator, faults: dict[str, float], message: str
) -> None:
    task = Regression(**faults)  # type: ignore[arg-type]
    before = [parameter.clone() for parameter in task.net.parameters()]
    with pytest.raises(ReaudioError, match=message + r": repeat the command .* it continues from the start"):
        run(task, tmp_path, accelerator)
    assert all(torch.equal(a, b) for a, b in zip(before, task.net.parameters(), strict=True))
    assert latest_checkpoint(tmp_path / "checkpoints") is None


def test_nan_at_a_step_and_the_remedies_of_its_message(tmp_path: Path, accelerator: Accelerator) -> None:
    with pytest.raises(ReaudioError) as refused:
        run(Regression(nan_at=14), tmp_path, accelerator)
    assert str(refused.value) == (
        "The gradient is nan at step 14: repeat the command with --set loop.learning_rate=0.025 (it was 0.05) or a longer "
        "loop.warmup; it continues from step-00000012, or from an earlier one with --resume-from."
    )
    assert names(tmp_path) == ["step-00000008", "step-00000012"]
    lower = Regression()
    assert run(lower, tmp_path, accelerator, replace(CONFIG, learning_rate=0.025, epoch_decay=1.0), resume=True).finished
    assert lower.rates == pytest.approx([0.025] * 8)  # not the peak that the checkpoint's optimizer had
    longer = Regression()
    config = replace(CONFIG, warmup=20, epoch_decay=1.0)
    assert run(longer, tmp_path, accelerator, config, resume=True, chosen=16).finished
    assert longer.rates == pytest.approx([0.05 * step / 20 for step in range(17, 21)])


class Overflow(Regression):
    """Weights that a step makes infinite, although loss and gradient are finite."""

    def training_step(self, *arguments: object) -> dict[str, float]:
        metrics = super().training_step(*arguments)  # type: ignore[arg-type]
        if arguments[3] == 5:
            with torch.no_grad():
                self.net[3].bias.fill_(float("inf"))
        return metrics


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, accelerator: Accelerator) -> None:
    with pytest.raises(ReaudioError, match=r"The weight net\.3\.bias has values that are not finite after step 6: repeat"):
        run(Overflow(), tmp_path, accelerator, replace(CONFIG, checkpoint_every=2))
    assert names(tmp_path) == ["step-00000002", "step-00000004"]


class BadMetric(Regression):
    def training_step(self, *arguments: object) -> dict[str, float]:
        return super().training_step(*arguments) | {"adversarial": float("nan")}  # type: ignore[arg-type]


class BadValidation(Regression):
    def validation_step(self, batch: object) -> dict[str, float]:
        return {"loss": float("nan")}


def test_metrics_and_validation_are_checked_too(tmp_path: Path, accelerator: Accelerator) -> None:
    with pytest.raises(ReaudioError, match="The metric adversarial is nan at step 0: repeat"):
        run(BadMetric(), tmp_path / "a", accelerator)
    with pytest.raises(ReaudioError, match="The validation loss is nan at step 6: repeat"):
        fit(BadValidation(), Rows(), CONFIG, tmp_path / "b", accelerator=accelerator, validation=Rows(3))


def test_weights_of_a_checkpoint_that_are_not_finite_are_refused(tmp_path: Path, accelerator: Accelerator) -> None:
    """As an earlier version wrote them."""
    from safetensors.torch import load_file, save_file

    run(Regression(interrupt_at=9), tmp_path, accelerator)
    path = checkpoint_path(tmp_path / "checkpoints", 10)
    content = open_sealed_json((path / "state.json").read_bytes())
    assert content is not None
    (path / "state.json").write_text(json.dumps(content["state"]))
    weights = load_file(path / "net.safetensors")
    weights["0.bias"][0] = float("nan")
    save_file(weights, path / "net.safetensors")
    with pytest.raises(CheckpointError, match=r"net\.safetensors is missing, damaged, not finite or of another model"):
        run(Regression(), tmp_path, accelerator, resume=True)
