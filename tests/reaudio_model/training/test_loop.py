"""The loop: warm-up, averages, checkpoints, and a killed run that ends like one that was never stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from regression import CONFIG, Killed, Regression, Rows
from torch import Generator, Tensor, nn
from torch.optim import SGD, Optimizer

from reaudio_model.common.errors import ReaudioError
from reaudio_model.training.checkpoint import checkpoint_path, latest_checkpoint
from reaudio_model.training.ema import Ema
from reaudio_model.training.log import MetricsLog, read_metrics
from reaudio_model.training.loop import FitResult, fit
from reaudio_model.training.loop_config import LoopConfig
from reaudio_model.training.order import EveryClip, TrainingOrder
from reaudio_model.training.task import Batch, descend

# float32 sums in another order
ROUNDING = 1e-6


def run(
    task: Regression, output: Path, accelerator: Accelerator, config: LoopConfig = CONFIG, *, resume: bool = False
) -> FitResult:
    return fit(task, Rows(), config, output, accelerator=accelerator, validation=Rows(5), resume=resume)


def test_a_killed_run_ends_like_one_that_was_never_stopped(tmp_path: Path, accelerator: Accelerator) -> None:
    straight, killed = Regression(), Regression(kill_at=10)
    run(straight, tmp_path / "a", accelerator)
    with pytest.raises(Killed):
        run(killed, tmp_path / "b", accelerator)
    with (tmp_path / "b/train.csv").open("a") as file:
        file.write("12,0.5")  # a row cut off by the kill
    resumed = Regression()
    result = run(resumed, tmp_path / "b", accelerator, resume=True)
    assert result.finished
    assert len(resumed.rates) == CONFIG.steps - 8
    for name in ("train.csv", "validation.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert all(torch.equal(a, b) for a, b in zip(straight.net.parameters(), resumed.net.parameters(), strict=True))


def test_ctrl_c_saves_and_resumes_to_the_same_curve(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(), tmp_path / "a", accelerator)
    handler = signal.getsignal(signal.SIGINT)
    stopped = run(Regression(interrupt_at=9), tmp_path / "b", accelerator)
    assert (stopped.step, stopped.finished) == (10, False)
    assert latest_checkpoint(tmp_path / "b/checkpoints") == checkpoint_path(tmp_path / "b/checkpoints", 10)
    assert signal.getsignal(signal.SIGINT) is handler
    assert run(Regression(), tmp_path / "b", accelerator, resume=True).finished
    assert (tmp_path / "a/train.csv").read_bytes() == (tmp_path / "b/train.csv").read_bytes()


def test_reading_processes_change_nothing(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(), tmp_path / "a", accelerator)
    run(Regression(), tmp_path / "b", accelerator, replace(CONFIG, workers=1))
    assert (tmp_path / "a/train.csv").read_bytes() == (tmp_path / "b/train.csv").read_bytes()


def test_learning_rate_warms_up_then_decays_by_epoch(tmp_path: Path, accelerator: Accelerator) -> None:
    task = Regression()
    run(task, tmp_path, accelerator)
    epochs = [step * 3 // 10 for step in range(20)]
    expected = [0.05 * min(1, (step + 1) / 4) * 0.9**epoch for step, epoch in enumerate(epochs)]
    assert task.rates == pytest.approx(expected, rel=1e-12)
    assert task.modes == {(True, False)}  # trained modules train, frozen ones do not


def test_rows_are_means_over_their_steps(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(), tmp_path / "each", accelerator, replace(CONFIG, log_every=1))
    run(Regression(), tmp_path / "three", accelerator)
    each = read_metrics(tmp_path / "each/train.csv")
    three = read_metrics(tmp_path / "three/train.csv")
    assert [row["step"] for row in three] == [3, 6, 9, 12, 15, 18, 20]
    assert three[0]["loss"] == pytest.approx(sum(row["loss"] for row in each[:3]) / 3)
    assert three[-1]["loss"] == pytest.approx(sum(row["loss"] for row in each[18:]) / 2)


def test_two_micro_batches_are_one_batch_of_twice_the_size(tmp_path: Path, accelerator: Accelerator) -> None:
    class Plain(Regression):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Linear(4, 1))

        def optimizers(self, learning_rate: float) -> list[Optimizer]:
            return [SGD(self.net.parameters(), lr=learning_rate)]

        def training_step(
            self, batch: Batch, optimizers: list[Optimizer], accelerator: Accelerator, step: int, generator: Generator
        ) -> dict[str, float]:
            loss = ((self.net(batch["x"])[:, 0] - batch["y"]) ** 2).mean()
            descend(loss, optimizers[0], accelerator)
            return {"loss": loss.item()}

    torch.manual_seed(0)
    whole = Plain()
    halves = Plain()
    halves.net.load_state_dict(whole.net.state_dict())
    run(whole, tmp_path / "a", accelerator, replace(CONFIG, batch_size=4, epoch_decay=1.0))
    run(halves, tmp_path / "b", accelerator, replace(CONFIG, batch_size=2, accumulate=2, epoch_decay=1.0))
    torch.testing.assert_close(halves.net[0].weight, whole.net[0].weight, atol=ROUNDING, rtol=0)


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    """Under torch's launcher, over gloo: gradients, figures and the order of the clips are those of the whole batch."""
    script = Path(__file__).parents[2] / "helpers" / "two_processes.py"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    for name, processes, batch_size in (("one", "1", "4"), ("two", "2", "2")):
        subprocess.run([*launcher, processes, script, tmp_path / name, batch_size], check=True, capture_output=True)
    for name in ("train.csv", "validation.csv"):
        one, two = (read_metrics(tmp_path / run / name) for run in ("one", "two"))
        assert len(one) == len(two) > 1
        for a, b in zip(one, two, strict=True):
            assert a == pytest.approx(b, rel=1e-5)


def test_only_the_last_two_checkpoints_and_the_best_are_kept(tmp_path: Path, accelerator: Accelerator) -> None:
    result = run(Regression(), tmp_path, accelerator)
    validation = {row["step"]: row["loss"] for row in read_metrics(tmp_path / "validation.csv")}
    best = min(validation, key=lambda step: validation[step])
    assert result.best_loss == validation[best]
    kept = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert kept == {f"step-{step:08d}" for step in {16, 18, 20, int(best)} - ({16} if best in (18, 20) else set())}


def test_a_folder_with_a_run_needs_resume(tmp_path: Path, accelerator: Accelerator) -> None:
    run(Regression(), tmp_path, accelerator)
    with pytest.raises(ReaudioError, match="contains a training run: continue it with --resume"):
        run(Regression(), tmp_path, accelerator)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0 and at most 1000, not nan"),
        ({"warmup": -5}, "warmup must be 0 or more, not -5"),
        ({"epoch_decay": float("nan")}, "epoch_decay must be above 0 and at most 1, not nan"),
        ({"ema_decay": 1.0}, "ema_decay must be 0 or more and below 1"),
    ],
)
def test_bad_settings(change: dict[str, float], message: str) -> None:
    with pytest.raises(ReaudioError, match=message):
        replace(CONFIG, **change)  # type: ignore[arg-type]


def test_ema_is_the_written_out_recursion() -> None:
    net = nn.Linear(1, 1, bias=False)
    net.weight.data.fill_(0.0)
    ema, average = Ema(net, decay=0.5), 0.0
    for n in range(8):
        net.weight.data.fill_(float(n + 1))
        ema.update()
        decay = min(0.5, (1 + n) / (10 + n)) if n else 0.0
        average = decay * average + (1 - decay) * (n + 1)
    with ema.swapped():
        assert net.weight.item() == pytest.approx(average, rel=1e-6)
    assert net.weight.item() == 8.0
    ema.apply()
    assert net.weight.item() == pytest.approx(average, rel=1e-6)


def test_every_epoch_sees_every_clip_once_in_an_order_of_its_own() -> None:
    order = [draw for batch in TrainingOrder(10, 4, seed=1, stop=10) for draw in batch]
    epochs = [[draw.clip for draw in order if draw.epoch == epoch] for epoch in range(4)]
    assert all(sorted(clips) == list(range(10)) for clips in epochs)
    assert epochs[0] != epochs[1]


def test_processes_and_restarts_share_out_one_order() -> None:
    whole = list(TrainingOrder(10, 4, seed=1, stop=6))
    halves = [list(TrainingOrder(10, 2, seed=1, stop=6, rank=rank, world=2)) for rank in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole
    assert list(TrainingOrder(10, 4, seed=1, start=4, stop=6)) == whole[4:]
    assert list(TrainingOrder(10, 4, seed=2, stop=6)) != whole


def test_validation_sees_each_clip_once() -> None:
    batches = list(EveryClip(7, 3))
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert [draw.clip for batch in batches for draw in batch] == list(range(7))


def test_nothing_to_train_on() -> None:
    with pytest.raises(ReaudioError, match="has no clips"):
        TrainingOrder(0, 4, seed=1, stop=6)


def test_a_foreign_metrics_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("step,loss\none,two\n")
    with pytest.raises(ReaudioError, match=r"train\.csv is not a metrics file"):
        MetricsLog(tmp_path, 3)


def test_gradients_reach_the_optimizers_own_parameters_only(accelerator: Accelerator) -> None:
    ours, others = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer = accelerator.prepare_optimizer(SGD(ours.parameters(), lr=1.0))
    before: Tensor = ours.weight.detach().clone()
    descend(others(ours(torch.ones(1, 2))).sum(), optimizer, accelerator)
    assert not torch.equal(ours.weight, before)
    assert others.weight.grad is None


def test_clipping_bounds_the_step(accelerator: Accelerator) -> None:
    net = nn.Linear(3, 1, bias=False)
    before = net.weight.detach().clone()
    optimizer = accelerator.prepare_optimizer(SGD(net.parameters(), lr=1.0))
    descend(100 * net(torch.ones(1, 3)).sum(), optimizer, accelerator, max_norm=0.5)
    assert (net.weight - before).norm().item() == pytest.approx(0.5, rel=1e-4)


def test_the_rate_rises_stays_and_falls() -> None:
    config = LoopConfig(steps=10, warmup=2, cooldown=4)
    assert [config.rate_factor(step, 0) for step in range(10)] == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
