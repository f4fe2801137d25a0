"""Schedulers against written-out steps, guidance against its formula, and noise that belongs to a clip."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.config import PAPER_STEPS
from reaudio_model.denoiser.sampling import (
    SCHEDULERS,
    Branch,
    clip_generators,
    guidance_branches,
    make_scheduler,
    needs_null,
    sample_latents,
)
from reaudio_model.retrieval.records import Conditioning

SHAPE = (2, 4, 8, 4)
# float32 arithmetic over 200 steps against float64
DDIM_TOLERANCE = 1e-4
# one float32 sum in another order
ROUNDING = 1e-6
COND = Conditioning(
    torch.full((2, 3), 2.0), torch.full((2, 4, 5), 3.0), torch.ones(2, 4, dtype=torch.bool), torch.full((2, 2, 6), 5.0),
    torch.ones(2, 2, dtype=torch.bool),
)  # fmt: skip
NULL = Conditioning(*(value * 0 if value.is_floating_point() else value for value in COND.fields().values()))


def toy(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
    """A smooth denoiser that knows the time."""
    return 0.8 * torch.tanh(latents) + 0.1 * torch.sin(latents + timestep / 300)


def told(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
    """Answers text + 10 * audio + 100 * captions."""
    assert conditioning.audio is not None
    assert conditioning.captions is not None
    value = conditioning.text[:, 0] + 10 * conditioning.audio[:, 0, 0] + 100 * conditioning.captions[:, 0, 0]
    return value[:, None, None, None] * torch.ones_like(latents)


def noise(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def reference_ddim(start: np.ndarray, steps: int, draws: list[np.ndarray]) -> np.ndarray:
    """DDIM with eta 1 (Song et al. 2021, equations 12 and 16) in float64, timesteps 1, 1 + 1000 / steps, ..."""
    alpha_bar = np.cumprod(1 - np.linspace(math.sqrt(0.0015), math.sqrt(0.0195), 1000) ** 2)
    x, stride = start.astype(np.float64), 1000 // steps
    for step, t in enumerate(range(stride * (steps - 1) + 1, 0, -stride)):
        now, before = alpha_bar[t], alpha_bar[t - stride] if t >= stride else alpha_bar[0]
        eps = 0.8 * np.tanh(x) + 0.1 * np.sin(x + t / 300)
        clean = (x - np.sqrt(1 - now) * eps) / np.sqrt(now)
        sigma = np.sqrt((1 - before) / (1 - now) * (1 - now / before))
        x = np.sqrt(before) * clean + np.sqrt(1 - before - sigma**2) * eps + sigma * draws[step]
    return x


@pytest.mark.parametrize("steps", [PAPER_STEPS, 10])
def test_ddim_eta_1_equals_the_written_out_step(steps: int) -> None:
    sampled = sample_latents(
        toy,
        make_scheduler("ddim"),
        noise(),
        [Branch(1.0, COND)],
        steps=steps,
        eta=1.0,
        generator=clip_generators([5, 6]),
    )
    generators = clip_generators([5, 6])
    draws = [torch.stack([torch.randn(SHAPE[1:], generator=g) for g in generators]).numpy() for _ in range(steps)]
    reference = reference_ddim(noise().numpy(), steps, draws)
    assert np.abs(reference).max() > 0.5
    np.testing.assert_allclose(sampled.numpy(), reference, rtol=DDIM_TOLERANCE, atol=DDIM_TOLERANCE)


def test_schedulers_solve_one_equation() -> None:
    """With the exact denoiser of a Gaussian: 25 steps of second order are nearer to DDIM's limit than 25 of DDIM."""
    mean, width = 1.5, 0.5
    betas = torch.linspace(math.sqrt(0.0015), math.sqrt(0.0195), 1000) ** 2
    alpha_bar = torch.cumprod(1 - betas, 0)

    def exact(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        a = alpha_bar[timestep]
        return (1 - a).sqrt() * (latents - a.sqrt() * mean) / (a * width**2 + 1 - a)

    start = noise(shape=(2, 4, 32, 16))
    ends = {
        (name, steps): sample_latents(exact, make_scheduler(name), start, [Branch(1.0, COND)], steps=steps)
        for name, steps in (("ddim", 500), ("ddim", 25), ("dpm-solver++", 25), ("unipc", 25))
    }
    limit = ends.pop(("ddim", 500))
    assert (limit.mean().item(), limit.std().item()) == pytest.approx((mean, width), abs=0.02)
    error = {name: (end - limit).abs().mean().item() for (name, _), end in ends.items()}
    assert max(error["dpm-solver++"], error["unipc"]) < 0.5 * error["ddim"]


def test_paper_timesteps() -> None:
    scheduler = make_scheduler("ddim")
    scheduler.set_timesteps(PAPER_STEPS)
    assert scheduler.timesteps.tolist() == list(range(996, 0, -5))
    # the value of the framework's schedule at its end
    assert scheduler.alphas_cumprod[-1].item() == pytest.approx(1.42e-4, rel=5e-3)


@pytest.mark.parametrize(("text_scale", "retrieval_scale"), [(3.5, None), (2.0, 5.0), (1.0, 4.0), (3.0, 1.0), (0.0, 2.0)])
def test_guidance_is_the_formula(text_scale: float, retrieval_scale: float | None) -> None:
    branches = guidance_branches(COND, NULL, text_scale, retrieval_scale)
    answers = [weight * told(noise(), torch.tensor(1), cond)[0, 0, 0, 0].item() for weight, cond in branches]
    eps_0, eps_t, eps_tr = 0.0, 2.0, 2.0 + 30.0 + 500.0
    g_r = text_scale if retrieval_scale is None else retrieval_scale
    assert sum(answers) == pytest.approx(eps_0 + text_scale * (eps_t - eps_0) + g_r * (eps_tr - eps_t))
    assert sum(weight for weight, _ in branches) == pytest.approx(1.0)


def test_equal_scales_need_no_third_question() -> None:
    assert len(guidance_branches(COND, NULL, 3.5, 3.5)) == len(guidance_branches(COND, NULL, 3.5)) == 2
    assert len(guidance_branches(COND, NULL, 3.5, 2.0)) == 3


def test_scale_1_asks_the_conditional_question_alone() -> None:
    assert not needs_null(1.0, None)
    assert not needs_null(1.0, 1.0)
    assert needs_null(1.0, 2.0)
    assert guidance_branches(COND) == [Branch(1.0, COND)]
    assert [weight for weight, _ in guidance_branches(COND, NULL, 1.0)] == [1.0]


def test_the_loop_weighs_the_answers() -> None:
    calls = []

    def recording(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        calls.append(len(latents))
        return told(latents, timestep, conditioning) * 1e-3

    def plain(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return torch.full_like(latents, 1e-3 * (2.0 + 3.0 * (532.0 - 2.0)))

    branches = guidance_branches(COND, NULL, 1.0, 3.0)
    guided = sample_latents(recording, make_scheduler("ddim"), noise(), branches, steps=3)
    expected = sample_latents(plain, make_scheduler("ddim"), noise(), [Branch(1.0, COND)], steps=3)
    assert calls == [4, 4, 4]  # two questions of weight other than 0, two clips
    torch.testing.assert_close(guided, expected, rtol=ROUNDING * 10, atol=ROUNDING * 10)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_clip_does_not_depend_on_its_batch(name: str) -> None:
    eta = 1.0 if name == "ddim" else 0.0

    def sample(seeds: list[int]) -> Tensor:
        generators = clip_generators(seeds)
        start = torch.stack([torch.randn(SHAPE[1:], generator=g) for g in generators])
        cond = COND.rows([0] * len(seeds))
        return sample_latents(toy, make_scheduler(name), start, [Branch(1.0, cond)], steps=5, eta=eta, generator=generators)

    together, alone = sample([1, 2, 3]), sample([3])
    # element-wise arithmetic alone: equal to the bit
    assert torch.equal(together[2:], alone)
    assert torch.equal(sample([3, 1])[:1], alone)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_most_steps(name: str) -> None:
    calls = []

    def counting(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        calls.append(int(timestep))
        return toy(latents, timestep, conditioning)

    end = sample_latents(counting, make_scheduler(name), noise(), [Branch(1.0, COND)], steps=999)
    assert torch.isfinite(end).all()
    assert len(calls) == 999
    assert max(calls) == calls[0] == 999


def test_half_precision_networks_keep_float32_steps() -> None:
    seen = []

    def half(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        seen.append((latents.dtype, conditioning.text.dtype, conditioning.audio_mask.dtype))  # type: ignore[union-attr]
        return toy(latents, timestep, conditioning)

    out = sample_latents(half, make_scheduler("ddim"), noise(), [Branch(1.0, COND)], steps=2, dtype=torch.bfloat16)
    assert out.dtype == torch.float32
    assert set(seen) == {(torch.bfloat16, torch.bfloat16, torch.bool)}


def test_errors() -> None:
    def sample(name: str = "ddim", steps: int = 2, eta: float = 0.0) -> Tensor:
        return sample_latents(toy, make_scheduler(name), noise(), [Branch(1.0, COND)], steps=steps, eta=eta)

    with pytest.raises(UnknownNameError, match=r"Unknown scheduler 'dpm-solver'. Did you mean 'dpm-solver\+\+'"):
        make_scheduler("dpm-solver")
    with pytest.raises(ReaudioError, match="eta is an option of DDIM, not of UniPCMultistepScheduler"):
        sample("unipc", eta=1.0)
    with pytest.raises(ReaudioError, match="eta must be between 0 and 1, not 2"):
        sample(eta=2.0)
    for steps in (0, 1000):
        with pytest.raises(ReaudioError, match=f"num_inference_steps must be between 1 and 999, not {steps}"):
            sample(steps=steps)
    with pytest.raises(ReaudioError, match="retrieves nothing: leave out retrieval_guidance_scale"):
        guidance_branches(Conditioning(COND.text), Conditioning(NULL.text), 2.0, 3.0)
