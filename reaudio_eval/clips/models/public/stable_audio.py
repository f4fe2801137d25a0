"""Stable Audio Open from a diffusers folder.

Evans et al. 2024, arXiv 2407.14358. Generation is that of diffusers' ``StableAudioPipeline``, with one generator a clip: its sampler draws
Brownian noise from each, so that a clip does not depend on its batch.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reaudio_eval.clips.models.public.folders import check_folder, load_folder
from reaudio_eval.clips.models.public.generate import plain_config
from reaudio_eval.clips.models.public.latent import placed
from reaudio_eval.clips.models.public.system import Opener, PublicSystem, Settings
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.inference import open_device, own_arithmetic
from reaudio_model.config import DType
from reaudio_model.denoiser.sampling import check_sound
from reaudio_model.retrieval.records import Neighbour

PARTS = ("projection_model", "scheduler", "text_encoder", "tokenizer", "transformer", "vae")


class StableAudio(PublicSystem):
    """T5 tokens and a duration to a diffusion transformer over the latents of a waveform autoencoder."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self.sample_rate = int(pipeline.vae.config.sampling_rate)

    def networks(self) -> Mapping[str, nn.Module]:
        parts = {name: getattr(self._pipeline, name) for name in PARTS}
        return {"transformer": parts["transformer"]} | {n: p for n, p in parts.items() if isinstance(p, nn.Module)}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {"tokenizer": self._pipeline.tokenizer.get_vocab()}

    def settings_record(self) -> Mapping[str, Any]:
        scheduler = self._pipeline.scheduler
        return {"sampler": type(scheduler).__name__, "sampler_settings": plain_config(scheduler.config)}

    @own_arithmetic()
    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        settings: Settings,
        retrieved: Sequence[Sequence[Neighbour]] | None = None,
    ) -> npt.NDArray[np.float32]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of times that torchsde finds rounded differently
            latents = self._latents(prompts, seeds, settings)
        check_sound(latents, "the denoiser gives latents")
        vae = self._pipeline.vae
        # The last block may stretch the sound a little over the length that was asked for.
        samples = round(settings.seconds * self.sample_rate)
        audio: Tensor = vae.decode(latents.to(vae.dtype)).sample[..., :samples].float()
        return check_sound(audio, "the VAE gives samples").clamp(-1, 1).transpose(1, 2).cpu().numpy()

    def _latents(self, prompts: Sequence[str], seeds: Sequence[int], settings: Settings) -> Tensor:
        latents: Tensor = self._pipeline(
            list(prompts),
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            audio_end_in_s=settings.seconds,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="latent",
        ).audios
        return latents


class StableAudioOpener(Opener):
    """Opens Stable Audio Open."""

    def check(self, weights: Path) -> None:
        if importlib.util.find_spec("torchsde") is None:
            raise ReaudioError("Stable Audio's sampler needs the package torchsde: pip install 'reaudio-eval[baselines]'.")
        check_folder(weights, "StableAudioPipeline", "Stable Audio", PARTS)

    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> StableAudio:
        from diffusers import StableAudioPipeline

        self.check(weights)
        pipeline, where = load_folder(weights, StableAudioPipeline, "Stable Audio", PARTS), open_device(device)
        for name in PARTS:
            if isinstance(part := getattr(pipeline, name), nn.Module):
                placed(part, where, dtype if name == "transformer" else "float32")
        pipeline.transformer.register_forward_pre_hook(_in_own_precision, with_kwargs=True)
        pipeline.transformer.register_forward_hook(_in_float32)
        return StableAudio(pipeline)


def _in_own_precision(network: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs of the denoiser in its precision; the pipeline computes them, and its sampler, in float32."""
    latents, *others = given
    states = ("encoder_hidden_states", "global_hidden_states")
    return (latents.to(network.dtype), *others), named | {name: named[name].to(network.dtype) for name in states}


def _in_float32(_network: Any, _given: Any, output: tuple[Tensor]) -> tuple[Tensor]:
    return (output[0].float(),)


OPENER = StableAudioOpener()
