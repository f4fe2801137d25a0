"""Latent diffusion over AudioLDM's mel codec: what these systems share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reaudio_eval.clips.models.public.system import PublicSystem, Settings
from reaudio_model.codec.codec import Codec
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.inference import own_arithmetic
from reaudio_model.config import DType
from reaudio_model.denoiser.sampling import (
    Denoiser,
    Scheduler,
    check_sound,
    guidance_branches,
    make_scheduler,
    needs_null,
    sample_latents,
)
from reaudio_model.encoders.clap import Clap
from reaudio_model.pipeline.candidates import best_candidates, candidate_generators
from reaudio_model.retrieval.records import Conditioning, Neighbour


def placed(network: Any, device: torch.device, dtype: DType) -> Any:
    """``network`` in evaluation mode on a device, in a precision, in place."""
    network.eval().requires_grad_(False).to(device)
    wanted = getattr(torch, dtype)
    return network if next(network.parameters()).dtype == wanted else network.to(wanted)


class LatentDiffusion(PublicSystem):
    """Text encoder, denoiser, VAE and vocoder.

    Args:
        denoiser: with the attributes ``dtype`` and ``device`` of its network.
        network: that ``denoiser`` runs.
        codec: VAE and vocoder.
        levels: of the denoiser; each but the last halves time and frequency.
    """

    def __init__(self, denoiser: Denoiser, network: nn.Module, codec: Codec, levels: int) -> None:
        self.sample_rate = codec.mel.sample_rate
        self._denoiser, self._network, self._codec, self._levels = denoiser, network, codec, levels

    @property
    def device(self) -> torch.device:
        """Device of the denoiser."""
        return next(self._network.parameters()).device

    @abstractmethod
    def condition(
        self, prompts: Sequence[str], retrieved: Sequence[Sequence[Neighbour]] | None
    ) -> tuple[Conditioning, Conditioning]:
        """The conditioning of prompts and its null of as many rows and tokens, float32."""

    def reranker(self) -> Clap | None:
        """The CLAP that selects among candidates; None where there is none."""
        return None

    def scheduler(self, settings: Settings) -> Scheduler:
        """The sampler that the settings name."""
        return make_scheduler(settings.scheduler or "ddim")

    def training_noise(self) -> Scheduler | None:
        """A scheduler with the noise of the training; None for AudioLDM's."""
        return None

    def networks(self) -> Mapping[str, nn.Module]:
        return {"denoiser": self._network, "vae": self._codec.vae, "vocoder": self._codec.vocoder}

    @own_arithmetic()
    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        settings: Settings,
        retrieved: Sequence[Sequence[Neighbour]] | None = None,
    ) -> npt.NDArray[np.float32]:
        if settings.steps is None:
            raise ReaudioError("A diffusion model needs a number of steps.")
        if settings.candidates > 1 and self.reranker() is None:
            raise ReaudioError(
                "These weights have no CLAP with an audio encoder that could choose among candidates: leave out --candidates, or give "
                "the authors' .ckpt."
            )
        conditioning, null = self.condition(prompts, retrieved)
        for field, value in conditioning.fields().items():
            check_sound(value, f"the encoders give {field} embeddings")
        rows = torch.arange(len(prompts)).repeat_interleave(settings.candidates).tolist()
        guided = needs_null(settings.guidance, None)
        generators = candidate_generators(seeds, settings.candidates)
        latents = sample_latents(
            self._denoiser,
            self.scheduler(settings),
            self._noise(generators, settings.seconds),
            guidance_branches(conditioning.rows(rows), null.rows(rows) if guided else None, settings.guidance),
            steps=settings.steps,
            eta=settings.eta,
            generator=generators,
            dtype=next(self._network.parameters()).dtype,
            trained=self.training_noise(),
        )
        return self._waveforms(latents, prompts, settings).cpu().numpy()

    def _noise(self, generators: Sequence[torch.Generator], seconds: float) -> Tensor:
        """float32 (clips, channels, time, frequency); that of a clip depends on its generator alone."""
        vae, mel = self._codec.vae.config, self._codec.mel
        frames = self._codec.latent_frames(seconds, 2 ** (self._levels - 1))
        shape = (1, vae.latent_channels, frames, mel.n_mels // self._codec.ratio)
        noise = [torch.randn(shape, generator=generator) for generator in generators]
        return torch.cat(noise).to(self.device)

    def _waveforms(self, latents: Tensor, prompts: Sequence[str], settings: Settings) -> Tensor:
        mel = check_sound(self._codec.decode(latents), "the VAE gives a spectrogram with values")
        samples = round(settings.seconds * self.sample_rate)
        audios = check_sound(self._codec.vocode(mel, samples), "the vocoder gives samples")
        reranker = self.reranker()
        if settings.candidates == 1 or reranker is None:
            return audios
        return best_candidates(audios, self.sample_rate, list(prompts), reranker)
