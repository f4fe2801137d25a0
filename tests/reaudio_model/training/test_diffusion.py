"""The denoiser's loss, its conditioning dropout, and gradients into all three conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from tiny_model import tiny_conditioner
from torch import Generator, Tensor

from reaudio_model.common.errors import ReaudioError
from reaudio_model.config import PRESETS, TINY_CONDITION, Retrieval
from reaudio_model.denoiser.sampling import TRAIN_TIMESTEPS, make_scheduler
from reaudio_model.denoiser.unet import RetrievalUNet, build_unet
from reaudio_model.retrieval.records import Conditioning
from reaudio_model.training.diffusion import DiffusionTask, Dropout
from reaudio_model.training.graphs import GraphedDenoiser

TINY = PRESETS["tiny"]
K, B = 2, 4
NOTHING_DROPPED = Dropout(everything=0.0, audio=0.0, captions=0.0, text=0.0, random_k=False)
# float32 sums in another order, and recomputed activations
ROUNDING = 1e-5
N_DRAWS = 4000
GRAPH_STEPS = 6  # the first one captures; later ones replay with weights that have moved
# four standard deviations of a share of N_DRAWS
SHARE_TOLERANCE = 4 * 0.5 / N_DRAWS**0.5


def unet(retrieval: Retrieval = "audio+text", seed: int = 0) -> RetrievalUNet:
    torch.manual_seed(seed)
    return build_unet(replace(TINY, retrieval=retrieval))


def null(retrieval: Retrieval = "audio+text", k: int = K) -> Conditioning:
    return tiny_conditioner(retrieval).null(1, k=k)


def batch(n: int = B, retrieval: Retrieval = "audio+text") -> dict[str, Tensor]:
    rng = Generator().manual_seed(0)
    cfg = TINY_CONDITION
    made = {
        "latents": torch.randn(n, *TINY.codec.latent_shape, generator=rng),
        "text": torch.nn.functional.normalize(torch.randn(n, cfg.clap_dim, generator=rng), dim=1),
        "audio": torch.randn(n, K * cfg.mae_tokens, cfg.mae_dim, generator=rng),
        "audio_mask": torch.ones(n, K * cfg.mae_tokens, dtype=torch.bool),
        "captions": torch.randn(n, K * cfg.t5_length, cfg.t5_dim, generator=rng),
        "captions_mask": torch.rand(n, K * cfg.t5_length, generator=rng) < 0.7,
    }
    groups = {"none": ("latents", "text"), "audio": ("latents", "text", "audio", "audio_mask")}
    return {name: made[name] for name in groups.get(retrieval, tuple(made))}


def conditioning(n: int = B) -> Conditioning:
    return Conditioning(**{name: value for name, value in batch(n).items() if name != "latents"})


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    yield Accelerator(cpu=True)
    for state in (AcceleratorState, PartialState, GradientState):
        state._reset_state()


def step(task: DiffusionTask, accelerator: Accelerator, data: dict[str, Tensor], n: int = 1) -> list[float]:
    optimizers = [accelerator.prepare_optimizer(o) for o in task.optimizers(1e-3)]
    return [task.training_step(data, optimizers, accelerator, i, Generator().manual_seed(i))["loss"] for i in range(n)]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_loss_is_zero_for_a_network_that_knows_the_answer(prediction: Any) -> None:
    task = DiffusionTask(unet(), null(), K, prediction=prediction)
    latents, timesteps = batch()["latents"], torch.tensor([0, 10, 500, 999])
    noise = torch.randn(latents.shape, generator=Generator().manual_seed(3))
    a = make_scheduler("ddim").alphas_cumprod[timesteps].reshape(-1, 1, 1, 1)

    def oracle(noisy: Tensor, t: Tensor, told: Conditioning) -> Tensor:
        torch.testing.assert_close(noisy, a.sqrt() * latents + (1 - a).sqrt() * noise)
        assert torch.equal(t, timesteps)
        return noise if prediction == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * latents

    task.unet = oracle  # type: ignore[assignment]
    loss = task.denoising_loss(latents, conditioning(), timesteps, Generator().manual_seed(3))
    assert loss.item() == pytest.approx(0.0, abs=ROUNDING)
    task.unet = lambda noisy, t, told: torch.zeros_like(noisy)  # type: ignore[assignment]
    silent = task.denoising_loss(latents, conditioning(), timesteps, Generator().manual_seed(3))
    target = noise if prediction == "epsilon" else a.sqrt() * noise - (1 - a).sqrt() * latents
    assert silent.item() == pytest.approx((target**2).mean().item(), rel=1e-5)


def test_gradients_reach_all_three_conditions() -> None:
    task = DiffusionTask(unet(), null(), K)
    told = conditioning()
    for values in (told.text, told.audio, told.captions):
        assert values is not None
        values.requires_grad_(True)
    task.denoising_loss(batch()["latents"], told, torch.full((B,), 500), Generator().manual_seed(0)).backward()
    for values in (told.text, told.audio, told.captions):
        assert values is not None
        assert values.grad is not None
        assert values.grad.abs().max() > 0
    assert told.captions is not None
    assert told.captions_mask is not None
    assert told.captions.grad[~told.captions_mask].abs().max() == 0  # masked tokens have no influence


@pytest.mark.parametrize("retrieval", ["none", "audio", "audio+text"])
def test_a_step_learns(retrieval: Retrieval, accelerator: Accelerator) -> None:
    task = DiffusionTask(unet(retrieval), null(retrieval), K, dropout=NOTHING_DROPPED, max_norm=1.0)
    data = batch(retrieval=retrieval)
    before = task.validation_step(data)
    losses = step(task, accelerator, data, n=12)
    after = task.validation_step(data)
    assert after["loss"] < before["loss"]
    assert len(set(losses)) == len(losses)
    assert set(after) == ({"loss"} if retrieval == "none" else {"loss", "loss_without_retrieval"})


def test_gradient_checkpointing_with_masks_gives_the_same_step(accelerator: Accelerator) -> None:
    plain, saving = unet(), unet()
    saving.enable_gradient_checkpointing()
    saving.train()
    for network in (plain, saving):
        step(DiffusionTask(network, null(), K), accelerator, batch())
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=ROUNDING)


def test_a_step_depends_on_its_generator_alone(accelerator: Accelerator) -> None:
    task = DiffusionTask(unet(), null(), K)
    optimizers = task.optimizers(1e-9)
    prepared = [accelerator.prepare_optimizer(o) for o in optimizers]
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(losses))
        losses.append(task.training_step(batch(), prepared, accelerator, 0, Generator().manual_seed(seed))["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != pytest.approx(losses[2], rel=1e-2)


def test_validation_is_the_same_each_time_and_spreads_its_timesteps(monkeypatch: pytest.MonkeyPatch) -> None:
    task = DiffusionTask(unet(), null(), K)
    assert task.validation_step(batch()) == task.validation_step(batch())
    seen: list[Tensor] = []
    monkeypatch.setattr(task, "denoising_loss", lambda z, c, t, g: seen.append(t) or torch.zeros(()))
    task.validation_step(batch())
    assert seen[0].tolist() == [125, 375, 625, 875]
    assert TRAIN_TIMESTEPS == 1000


def withheld(dropout: Dropout, n: int = N_DRAWS) -> Conditioning:
    one = conditioning(1)
    told = Conditioning(
        **{name: value.expand(n, *value.shape[1:]) for name, value in one.fields().items() if name != "captions_mask"},
        captions_mask=torch.ones(n, K * TINY_CONDITION.t5_length, dtype=torch.bool),
    )
    return DiffusionTask(unet(), null(), K, dropout=dropout).withhold(told, Generator().manual_seed(0))


def share(flags: Tensor) -> float:
    return flags.float().mean().item()


def test_nothing_is_withheld_at_probability_0() -> None:
    one = conditioning(3)
    same = DiffusionTask(unet(), null(), K, dropout=NOTHING_DROPPED).withhold(one, Generator())
    for name, value in one.fields().items():
        assert torch.equal(getattr(same, name), value)


def test_everything_is_withheld_together() -> None:
    told, nothing = withheld(replace(NOTHING_DROPPED, everything=0.3)), null()
    no_text = (told.text == nothing.text).all(1)
    assert told.audio is not None
    assert told.captions is not None
    assert nothing.captions is not None
    assert share(no_text) == pytest.approx(0.3, abs=SHARE_TOLERANCE)
    assert torch.equal(no_text, (told.audio == 0).all((1, 2)))
    assert torch.equal(no_text, (told.captions == nothing.captions).all((1, 2)))


def test_groups_are_withheld_on_their_own() -> None:
    told = withheld(replace(NOTHING_DROPPED, audio=0.2, captions=0.4, text=0.1))
    assert told.audio_mask is not None
    assert told.captions_mask is not None
    no_audio, no_captions = ~told.audio_mask.any(1), ~told.captions_mask.any(1)
    no_text = (told.text == null().text).all(1)
    for flags, expected in ((no_audio, 0.2), (no_captions, 0.4), (no_text, 0.1), (no_audio & no_captions, 0.08)):
        assert share(flags) == pytest.approx(expected, abs=SHARE_TOLERANCE)
    assert share(no_text & ~no_audio) > 0.05  # the text is withheld while the retrieved stays


def test_the_number_of_neighbours_is_uniform_and_they_are_the_first() -> None:
    told = withheld(replace(NOTHING_DROPPED, random_k=True))
    assert told.audio_mask is not None
    slots = told.audio_mask.reshape(N_DRAWS, K, -1)
    kept = slots.all(2).sum(1)
    assert torch.equal(slots.any(2).sum(1), kept)  # whole slots
    for k in range(K + 1):
        assert share(kept == k) == pytest.approx(1 / (K + 1), abs=SHARE_TOLERANCE)
    assert not (slots[:, 1].any(1) & ~slots[:, 0].all(1)).any()


def test_a_probability_above_1_is_refused() -> None:
    with pytest.raises(ReaudioError, match=r"dropout: audio must be between 0 and 1, not 1\.5"):
        Dropout(audio=1.5)


def test_half_precision_conditions_are_taken(accelerator: Accelerator) -> None:
    data = {name: value.half() if value.is_floating_point() else value for name, value in batch().items()}
    assert step(DiffusionTask(unet(), null(), K), accelerator, data)[0] > 0


def test_the_average_is_of_the_denoiser() -> None:
    network = unet()
    task = DiffusionTask(network, null(), K)
    assert task.ema_module() is network
    assert task.modules() == {"unet": network}
    (optimizer,) = task.optimizers(5e-5)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (5e-5, 0.01)


def several_losses(device: torch.device, accelerator: Accelerator, *, cuda_graph: bool) -> list[float]:
    network = unet().to(device).train()
    task = DiffusionTask(network, null(), K, dropout=Dropout(), max_norm=1.0, cuda_graph=cuda_graph)
    optimizers = [accelerator.prepare_optimizer(optimizer) for optimizer in task.optimizers(1e-3)]
    told = {name: value.to(device) for name, value in batch().items()}
    return [
        task.training_step(told, optimizers, accelerator, step, Generator().manual_seed(step))["loss"]
        for step in range(GRAPH_STEPS)
    ]


@pytest.mark.slow
def test_a_cuda_graph_on_a_cpu_changes_nothing(accelerator: Accelerator) -> None:
    cpu = torch.device("cpu")
    assert several_losses(cpu, accelerator, cuda_graph=True) == several_losses(cpu, accelerator, cuda_graph=False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_replayed_step_on_a_gpu_is_that_of_the_plain_network() -> None:
    accelerator = Accelerator()
    captured, plain = (several_losses(torch.device("cuda"), accelerator, cuda_graph=graph) for graph in (True, False))
    assert captured == pytest.approx(plain, rel=1e-4)  # kernels may be chosen anew; 1.2e-7 was seen on an H100


def test_another_shape_than_the_captured_one_is_refused() -> None:
    denoiser = GraphedDenoiser(unet())
    told = {name: value for name, value in batch().items() if name != "latents"}
    noisy, timesteps = batch()["latents"], torch.zeros(len(batch()["latents"]), dtype=torch.long)
    denoiser._graph = lambda *tensors: tensors[0]
    denoiser._shapes = [tensor.shape for tensor in (noisy, timesteps, *told.values())]
    assert denoiser(noisy, timesteps, Conditioning(**told)) is noisy
    with pytest.raises(ValueError, match="one shape"):
        denoiser(noisy[:2], timesteps[:2], Conditioning(**told).rows(slice(2)))
