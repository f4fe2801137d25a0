"""Sampling latents: schedulers, classifier-free guidance and the loop.

arXiv 2309.08051, section 2.1; guidance of Ho and Salimans 2022 (arXiv 2207.12598).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, get_args

import torch
from torch import Tensor

from reaudio_model.common.errors import ReaudioError, UnknownNameError
from reaudio_model.config import SchedulerName
from reaudio_model.retrieval.records import Conditioning, concatenate

if TYPE_CHECKING:
    from collections.abc import Iterable

Scheduler = Any  # the library's schedulers share no typed base
SCHEDULERS: tuple[SchedulerName, ...] = get_args(SchedulerName)
TRAIN_TIMESTEPS = 1000
NOISE_TOLERANCE = 0.01  # of alpha_bar; betas rescaled to a final signal of zero differ by less


class Denoiser(Protocol):
    """Predicts the noise, e.g. :class:`reaudio_model.denoiser.unet.RetrievalUNet`."""

    def __call__(self, latents: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor: ...


class Branch(NamedTuple):
    """One conditioning, and the weight of its prediction in the guided one; the weights sum to 1."""

    weight: float
    conditioning: Conditioning


def make_scheduler(name: str, prediction_type: str = "epsilon") -> Scheduler:
    """A scheduler over the paper's noise: 1000 steps, betas ``linspace(sqrt(.0015), sqrt(.0195), 1000) ** 2``.

    "ddim" is the authors' sampler (timesteps 1, 6, ..., 996 at 200 steps); "dpm-solver++" (second order, multistep) and "unipc"
    solve the same equation in a tenth of the steps and have no ``eta``. Their steps are spaced as in Karras et al. 2022 (equation 5):
    with the exact denoiser of Gaussian mixtures, 25 such steps end nearer to DDIM's limit than evenly spaced ones.

    Args:
        name: one of ``SCHEDULERS``.
        prediction_type: what the denoiser predicts, "epsilon" or "v_prediction".

    Raises:
        UnknownNameError: another name.
    """
    import diffusers

    if name not in SCHEDULERS:
        raise UnknownNameError("scheduler", name, SCHEDULERS)
    ddim: Scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=TRAIN_TIMESTEPS,
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        prediction_type=prediction_type,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    if name == "ddim":
        return ddim
    fast: Any = diffusers.DPMSolverMultistepScheduler if name == "dpm-solver++" else diffusers.UniPCMultistepScheduler
    return fast.from_config(ddim.config, use_karras_sigmas=True)


def needs_null(guidance_scale: float, retrieval_guidance_scale: float | None) -> bool:
    """Whether :func:`guidance_branches` needs more than the conditional prediction."""
    return guidance_scale != 1.0 or retrieval_guidance_scale not in (None, 1.0)


def guidance_branches(
    conditioning: Conditioning,
    null: Conditioning | None = None,
    guidance_scale: float = 1.0,
    retrieval_guidance_scale: float | None = None,
) -> list[Branch]:
    """The weighted predictions of classifier-free guidance, without those of weight 0.

    With one scale g: ``eps_0 + g (eps_tr - eps_0)``. With one for the text, g_t, and one for what was retrieved, g_r:
    ``eps_0 + g_t (eps_t - eps_0) + g_r (eps_tr - eps_t)``, which equals the former if g_t = g_r. ``eps_t`` is conditioned on the
    text and on the null of the retrieved pairs.

    Args:
        conditioning: text and retrieved pairs.
        null: of as many rows and slots; may be None if :func:`needs_null` is False.
        guidance_scale: g, or g_t.
        retrieval_guidance_scale: g_r, or None for g.

    Raises:
        ReaudioError: ``retrieval_guidance_scale`` for a model without retrieval.
    """
    text_scale = guidance_scale
    retrieval_scale = text_scale if retrieval_guidance_scale is None else retrieval_guidance_scale
    if conditioning.audio is None and retrieval_scale != text_scale:
        raise ReaudioError("This model retrieves nothing: leave out retrieval_guidance_scale.")
    if null is None:
        return [Branch(1.0, conditioning)]
    branches = [
        Branch(1.0 - text_scale, null),
        Branch(text_scale - retrieval_scale, replace(null, text=conditioning.text)),
        Branch(retrieval_scale, conditioning),
    ]
    return [branch for branch in branches if branch.weight != 0.0]


def sample_latents(
    denoise: Denoiser,
    scheduler: Scheduler,
    noise: Tensor,
    branches: Sequence[Branch],
    *,
    steps: int,
    eta: float = 0.0,
    generator: list[torch.Generator] | torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    cache: bool = True,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
    trained: Scheduler | None = None,
) -> Tensor:
    """Denoise a batch. All branches are evaluated in one call; arithmetic between calls is float32 for every ``dtype``.

    Args:
        denoise: the network; if it has ``cached`` (RetrievalUNet), keys and values of the tokens are computed once.
        scheduler: of :func:`make_scheduler`, or any of diffusers' over the same noise; a copy is used, so it is not changed and several
            threads may share it.
        noise: float32 (B, channels, time, frequency), unit variance.
        branches: of :func:`guidance_branches`, each of B rows.
        steps: of the scheduler, 1 to 999.
        eta: of DDIM: 0 deterministic, 1 as in the paper.
        generator: of the noise that the scheduler adds, one for each clip, so that a clip does not depend on its batch.
        dtype: of the network.
        cache: False if the network is compiled; progress: wraps the timesteps.
        trained: a scheduler over the noise that the network was trained with; None: that of :func:`make_scheduler`.

    Returns:
        float32, the shape of ``noise``.

    Raises:
        ReaudioError: a number out of range, a scheduler for other models or whose noise takes no generator, or latents that are not
            finite.
    """
    scheduler = deepcopy(scheduler)
    options = _step_options(scheduler, eta, generator, trained or make_scheduler("ddim"))
    _set_timesteps(scheduler, steps, noise.device)
    conditioning = concatenate([branch.conditioning for branch in branches]).to(noise.device, dtype)
    weights = noise.new_tensor([branch.weight for branch in branches]).reshape(-1, 1, 1, 1, 1)
    latents: Tensor = noise * scheduler.init_noise_sigma
    with denoise.cached(conditioning) if cache and hasattr(denoise, "cached") else nullcontext():
        for timestep in progress(scheduler.timesteps):
            inputs = scheduler.scale_model_input(latents, timestep).to(dtype).repeat(len(branches), 1, 1, 1)
            predicted = denoise(inputs, timestep, conditioning).float().reshape(len(branches), *latents.shape)
            latents = scheduler.step((weights * predicted).sum(0), timestep, latents, **options).prev_sample
    return check_sound(latents, "the denoiser gives latents")


def check_sound(values: Tensor, what: str) -> Tensor:
    """``values``, after checking that they are finite.

    Args:
        values: output of a stage, float (clips, ...).
        what: the stage and what it gives, e.g. "the vocoder gives samples".

    Raises:
        ReaudioError: they are not; the message names the stage.
    """
    if not torch.isfinite(values).all():
        raise ReaudioError(
            f"Nothing was generated: {what} that are NaN or infinite; use a lower guidance_scale, dtype float32, or other weights."
        )
    return values


def _set_timesteps(scheduler: Scheduler, steps: int, device: torch.device) -> None:
    if not 1 <= steps < TRAIN_TIMESTEPS:
        raise ReaudioError(f"num_inference_steps must be between 1 and {TRAIN_TIMESTEPS - 1}, not {steps}.")
    scheduler.set_timesteps(steps, device=device)
    if scheduler.timesteps[0] < scheduler.timesteps[-1]:
        raise ReaudioError(f"{type(scheduler).__name__} adds noise instead of removing it: set_scheduler('dpm-solver++').")
    if hasattr(scheduler, "set_begin_index"):
        # if the first two of many steps share a timestep, the library would begin at the second
        scheduler.set_begin_index(0)


def _step_options(
    scheduler: Scheduler, eta: float, generator: list[torch.Generator] | torch.Generator | None, trained: Scheduler
) -> dict[str, Any]:
    """The arguments of ``scheduler.step`` besides prediction, timestep and latents."""
    from diffusers import DDIMParallelScheduler, DDIMScheduler

    name = type(scheduler).__name__
    parameters = _step_parameters(scheduler, trained)
    if not math.isfinite(eta):
        raise ReaudioError(f"eta must be between 0 and 1, not {eta}.")
    options: dict[str, Any] = {"generator": generator} if "generator" in parameters else {}
    if isinstance(scheduler, DDIMScheduler | DDIMParallelScheduler):
        if not 0.0 <= eta <= 1.0:
            raise ReaudioError(f"eta must be between 0 and 1, not {eta}.")
        return options | {"eta": eta}
    if eta != 0.0:
        raise ReaudioError(f"eta is an option of DDIM, not of {name}: set_scheduler('ddim').")
    return options


def _step_parameters(scheduler: Scheduler, trained: Scheduler) -> set[str]:
    """Names of the parameters of ``scheduler.step``.

    Raises:
        ReaudioError: the scheduler is for other models or another noise, or draws noise that no generator controls.
    """
    name, known = type(scheduler).__name__, " or ".join(map(repr, SCHEDULERS))
    parameters = dict(inspect.signature(getattr(scheduler, "step", print)).parameters)
    needed = {each for each, parameter in parameters.items() if parameter.default is parameter.empty}
    is_of_kind = hasattr(scheduler, "alphas_cumprod") and "prediction_type" in scheduler.config
    if not is_of_kind or not needed <= {"model_output", "timestep", "sample", "args", "kwargs"}:
        raise ReaudioError(f"{name} is not a sampler of models that predict noise: set_scheduler({known}).")
    if hasattr(scheduler, "noise_sampler"):  # a Brownian tree over the whole batch
        raise ReaudioError(f"{name} draws noise that depends on the batch and takes no generator: set_scheduler({known}).")
    expected, given = trained.alphas_cumprod, scheduler.alphas_cumprod.cpu()
    if given.shape != expected.shape or (given - expected).abs().max() > NOISE_TOLERANCE:
        raise ReaudioError(
            f"The {name} has another noise than the model was trained with: make it with "
            f"{name}.from_config(pipeline.scheduler.config)."
        )
    return set(parameters)


def clip_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One generator for each clip, on the CPU, so that the noise of a clip is the same on every device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]
