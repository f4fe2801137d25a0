"""Training the VAE: the losses in closed form, what a step moves, when the discriminator starts, resuming."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from task_run import TaskRun, same_weights
from torch import Tensor

from reaudio_model.codec.codec import build_vae
from reaudio_model.codec.mel import log_mel
from reaudio_model.config import TINY_CODEC
from reaudio_model.training.discriminators import PatchDiscriminator
from reaudio_model.training.vae import VaeLoss, VaeTask, adaptive_weight, hinge_loss

RATE = 1e-3
FIGURES = ["loss", "l1", "kl", "adversarial", "discriminator"]


def make_task(*, start: int = 0, seed: int = 0, **changes: Any) -> VaeTask:
    torch.manual_seed(seed)
    return VaeTask(
        build_vae(TINY_CODEC),
        TINY_CODEC.mel,
        loss=VaeLoss(discriminator_start=start),
        discriminator=PatchDiscriminator(width=8),
        **changes,
    )


@pytest.fixture
def batch() -> dict[str, Tensor]:
    return {"waveform": 0.1 * torch.randn(2, TINY_CODEC.n_samples, generator=torch.manual_seed(1))}


def run_of(task: VaeTask, precision: str = "no") -> TaskRun:
    return TaskRun(task, RATE, precision)


def discriminator_weights(run: TaskRun) -> dict[str, Tensor]:
    return {key: value for key, value in run.weights().items() if key.startswith("discriminator.")}


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 10**6], ids=["with discriminator", "without"])
def test_training_lowers_the_loss_of_its_batch(batch: dict[str, Tensor], start: int) -> None:
    run = run_of(make_task(start=start))
    before = run.validate(batch)
    for number in range(20):
        figures = run.step(batch, number)
        assert list(figures) == FIGURES
    after = run.validate(batch)
    assert after["loss"] < 0.8 * before["loss"]
    assert after["l1"] < 0.8 * before["l1"]


def test_gradients_reach_every_parameter(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task())
    run.step(batch, 0)
    # softmax does not see what is added to all keys
    assert {name.rpartition(".attentions.0.")[2] for name in run.without_gradient()} <= {"to_k.bias"}


def test_the_discriminator_waits_for_its_step(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task(start=2))
    initial = discriminator_weights(run)
    for number in range(3):
        figures = run.step(batch, number)
        assert same_weights(initial, discriminator_weights(run)) == (number < 2)
        assert (figures["discriminator"] == 0.0) == (number < 2)
        assert (figures["adversarial"] == 0.0) == (number < 2)


def test_a_run_resumed_from_its_state_makes_the_same_step(batch: dict[str, Tensor]) -> None:
    run, resumed = run_of(make_task(start=1)), run_of(make_task(start=1, seed=5))
    for number in range(3):
        run.step(batch, number)
    resumed.load(run.state())
    assert run.step(batch, 3) == resumed.step(batch, 3)
    assert same_weights(run.weights(), resumed.weights())


def test_the_draw_is_the_generators(batch: dict[str, Tensor]) -> None:
    first, again, other = (run_of(make_task(start=10)).step(batch, number) for number in (0, 0, 1))
    assert first == again
    assert first["l1"] != other["l1"]
    assert first["kl"] == other["kl"]


def test_validation_repeats_itself(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task())
    assert run.validate(batch) == run.validate(batch)


def test_log_mel_batches_are_taken_and_cut_to_what_the_vae_divides(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task())
    mel = log_mel(batch["waveform"], TINY_CODEC.mel)
    expected = run.validate(batch)
    assert run.validate({"mel": mel}) == expected
    assert run.validate({"mel": torch.cat([mel, mel[:, :3]], dim=1)}) == expected


def test_the_losses_are_those_of_the_definition(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task())
    figures = run.validate(batch)
    mel = log_mel(batch["waveform"], TINY_CODEC.mel)[:, None]
    with torch.no_grad():
        posterior = run.task.vae.encode(mel).latent_dist
        l1 = (run.task.vae.decode(posterior.mean).sample - mel).abs().mean().item()
    normal = torch.distributions.Normal(posterior.mean, posterior.std)
    kl = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).mean().item()
    assert figures["l1"] == pytest.approx(l1, rel=1e-5)
    assert figures["kl"] == pytest.approx(kl, rel=1e-4)  # var - 1 - log(var) cancels in float32
    assert figures["loss"] == pytest.approx(l1 + 1000 / 65_536 * kl, rel=1e-5)


def test_a_perceptual_loss_is_added(batch: dict[str, Tensor]) -> None:
    plain = run_of(make_task()).validate(batch)
    with_loss = run_of(make_task(perceptual=lambda found, target: 2 * (found - target).abs().mean())).validate(batch)
    assert with_loss["l1"] == plain["l1"]
    assert with_loss["loss"] == pytest.approx(plain["loss"] + 2 * plain["l1"])


def test_bfloat16_autocast_trains(batch: dict[str, Tensor]) -> None:
    run = run_of(make_task(), precision="bf16")
    before = run.validate(batch)
    for number in range(5):
        run.step(batch, number)
    assert run.validate(batch)["loss"] < before["loss"]
    assert {p.dtype for module in run.task.modules().values() for p in module.parameters()} == {torch.float32}


def test_hinge_loss_in_closed_form() -> None:
    assert hinge_loss(torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])).item() == 0.5 * (0.5 + 1.0)


def test_the_adaptive_weight_equals_the_ratio_of_gradients() -> None:
    layer = torch.tensor([1.0, 2.0], requires_grad=True)
    weight = adaptive_weight(3 * layer.square().sum(), layer.square().sum() / 2, layer, most=1e4)
    assert weight.item() == pytest.approx(6, rel=1e-4)
    assert not weight.requires_grad
    assert adaptive_weight(1e6 * layer.sum(), 0 * layer.sum(), layer, most=0.25).item() == 0.25


@pytest.mark.parametrize(("slope", "limited"), [(1e-6, True), (1.0, True), (10.0, False)])
def test_the_limit_is_audioldms_for_losses_that_are_means(slope: float, limited: bool) -> None:
    """AudioLDM's L1 is a sum over 1024 x 64 values, here |w|, so its gradient is 65,536; that of the mean is 1. The weight of the sum is
    min(1e4, 65,536 / (slope + 1e-4)); divided by 65,536, as the loss is, it is the weight of the mean."""
    values = 1024 * 64
    layer = torch.tensor([0.5], requires_grad=True)
    adversarial = slope * layer.sum()
    of_sum = min(1e4, values / (slope + 1e-4))
    ours = adaptive_weight(layer.abs().mean(), adversarial, layer, VaeLoss().max_adaptive_weight)
    assert (of_sum == 1e4) == limited
    assert ours.item() == pytest.approx(of_sum / values, rel=1e-5)
    assert VaeLoss().max_adaptive_weight == pytest.approx(0.153, abs=5e-4)


def test_a_patch_is_70_by_70() -> None:
    discriminator = PatchDiscriminator(width=8).eval()
    mel = torch.randn(1, 1, 160, 160, generator=torch.manual_seed(0), requires_grad=True)
    logits = discriminator(mel)
    logits[0, 0, 9, 9].backward()
    assert mel.grad is not None
    rows, columns = mel.grad[0, 0].nonzero().T
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


def test_the_published_discriminator_has_its_size_and_shape() -> None:
    with torch.device("meta"):
        discriminator = PatchDiscriminator()
        assert discriminator(torch.empty(1, 1, 1024, 64)).shape == (1, 1, 126, 6)
    assert sum(p.numel() for p in discriminator.parameters()) == 2_763_585
