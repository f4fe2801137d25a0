"""Every scheduler of diffusers: noise that belongs to a clip, calls that leave no trace, and those that are refused by name."""

from __future__ import annotations

import warnings
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from reaudio_model.common.errors import ReaudioError
from reaudio_model.denoiser.sampling import Branch, clip_generators, make_scheduler, sample_latents
from reaudio_model.retrieval.records import Conditioning

SHAPE = (4, 8, 4)
NAMES = sorted(name for name in dir(diffusers) if name.endswith("Scheduler"))
RANDOM = {
    "DDPMScheduler", "DDPMParallelScheduler", "EulerAncestralDiscreteScheduler", "LCMScheduler", "TCDScheduler", "SASolverScheduler",
    "KDPM2AncestralDiscreteScheduler",
}  # fmt: skip
DETERMINISTIC = {
    "DDIMScheduler", "DDIMParallelScheduler", "DEISMultistepScheduler", "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
    "EulerDiscreteScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "LMSDiscreteScheduler", "PNDMScheduler",
    "UniPCMultistepScheduler",
}  # fmt: skip
SDE = ("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler")


def toy(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
    """A smooth denoiser that knows the time."""
    return 0.8 * torch.tanh(latents) + 0.1 * torch.sin(latents + timestep / 300)


def made(name: str, **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(diffusers, name).from_config(make_scheduler("ddim").config, **settings)


def sample(scheduler: Any, seeds: list[int], eta: float = 0.0) -> Tensor:
    generators = clip_generators(seeds)
    noise = torch.stack([torch.randn(SHAPE, generator=generator) for generator in generators])
    branches = [Branch(1.0, Conditioning(torch.zeros(len(seeds), 3)))]
    return sample_latents(toy, scheduler, noise, branches, steps=6, eta=eta, generator=generators)


def check_clips(scheduler: Any) -> None:
    """Equal to the bit: the arithmetic of a step is element by element."""
    three = sample(scheduler, [1, 2, 3])
    assert torch.isfinite(three).all()
    assert torch.equal(sample(scheduler, [1, 2, 3]), three)  # nothing is left of the call before
    for row, seed in enumerate([1, 2, 3]):
        assert torch.equal(sample(scheduler, [seed])[0], three[row])
    assert torch.equal(sample(scheduler, [3, 1]), three[[2, 0]])


@pytest.mark.parametrize("name", sorted(RANDOM | DETERMINISTIC))
def test_a_clip_depends_on_its_seed_alone(name: str) -> None:
    check_clips(made(name))


@pytest.mark.parametrize("name", SDE)
def test_a_stochastic_differential_equation_draws_from_the_seed_too(name: str) -> None:
    check_clips(made(name, algorithm_type="sde-dpmsolver++", final_sigmas_type="zero"))


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_the_noise_of_the_steps_comes_from_the_generators(name: str) -> None:
    """The same initial noise and other generators: another clip."""
    noise = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    branches = [Branch(1.0, Conditioning(torch.zeros(1, 3)))]
    ends = [
        sample_latents(toy, made(name), noise, branches, steps=6, generator=clip_generators([seed])) for seed in (1, 1, 2)
    ]
    assert torch.equal(ends[0], ends[1])
    assert (ends[0] - ends[2]).abs().max() > 0.1


def test_eta_reaches_both_forms_of_ddim() -> None:
    for name in ("DDIMScheduler", "DDIMParallelScheduler"):
        noisy = sample(made(name), [1, 2], eta=1.0)
        assert torch.equal(sample(made(name), [2], eta=1.0)[0], noisy[1])
        assert not torch.equal(noisy, sample(made(name), [1, 2]))


def test_every_other_scheduler_is_refused_by_name() -> None:
    refused = 0
    for name in set(NAMES) - RANDOM - DETERMINISTIC:
        try:
            scheduler = made(name)
        except (TypeError, ImportError, ValueError):  # of another kind of model, or torchsde is not installed
            continue
        with pytest.raises(ReaudioError, match=name):
            sample(scheduler, [1])
        refused += 1
    assert refused > 10


def test_other_noise_and_noise_without_a_generator_are_refused() -> None:
    with pytest.raises(ReaudioError, match=r"The DDPMScheduler has another noise .* DDPMScheduler\.from_config\("):
        sample(diffusers.DDPMScheduler(), [1])
    with pytest.raises(ReaudioError, match="DDIMInverseScheduler adds noise instead of removing it"):
        sample(made("DDIMInverseScheduler"), [1])
    brownian = made("EulerDiscreteScheduler")
    brownian.noise_sampler = None  # as DPMSolverSDEScheduler has one
    with pytest.raises(ReaudioError, match="EulerDiscreteScheduler draws noise that depends on the batch"):
        sample(brownian, [1])


def test_latents_that_are_not_finite_name_the_denoiser() -> None:
    def broken(latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return latents * float("nan")

    branches = [Branch(1.0, Conditioning(torch.zeros(1, 3)))]
    with pytest.raises(
        ReaudioError, match="Nothing was generated: the denoiser gives latents that are NaN or infinite; use"
    ):
        sample_latents(broken, make_scheduler("ddim"), torch.zeros(1, *SHAPE), branches, steps=2)
