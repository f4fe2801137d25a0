"""Training datasets.

Waveforms, tokens, and for the denoiser latents with stored conditioning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from reaudio_model.codec.mel import normalise_waveform
from reaudio_model.common.audio import decode
from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.resample import Samples, resample
from reaudio_model.conditioning.feature_store import FeatureStore
from reaudio_model.conditioning.slots import in_slots
from reaudio_model.config import ConditionConfig
from reaudio_model.encoders.audio_mae import prepare_clip
from reaudio_model.encoders.clap_front_end import LAION, ClapFrontEnd
from reaudio_model.training.latents import LatentStore
from reaudio_model.training.order import Clips, Draw, draw_rng

# float32 (n,) mono, its rate in Hz, and the generator of the draw -> float32 of one length for every clip
Prepare = Callable[[Samples, int, np.random.Generator], Samples]
Choice = Literal["first", "random"]


@dataclass(frozen=True)
class RandomCrop:
    """A clip at ``sample_rate``, normalised, cropped at random to ``n_samples`` or padded with zeros."""

    n_samples: int
    sample_rate: int

    def __call__(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        resampled = torch.from_numpy(resample(samples, sample_rate, self.sample_rate))
        level: Samples = normalise_waveform(resampled).numpy()
        start = int(rng.integers(max(len(level) - self.n_samples, 0) + 1))
        crop = level[start : start + self.n_samples]
        return np.pad(crop, (0, self.n_samples - len(crop)))


@dataclass(frozen=True)
class ClapClip:
    """Input waveform of CLAP (``ClapFrontEnd.fit``); the same in every draw."""

    front_end: ClapFrontEnd = LAION

    def __call__(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return self.front_end.fit(resample(samples, sample_rate, self.front_end.sample_rate))


@dataclass(frozen=True)
class MaeClip:
    """Input waveform of AudioMAE (:func:`reaudio_model.encoders.audio_mae.prepare_clip`); the same in every draw."""

    config: ConditionConfig

    def __call__(self, samples: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
        return prepare_clip(samples, sample_rate, self.config)


class TensorClips(Clips):
    """Rows of tensors in memory: captions as tokens, labels."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """
        Args:
            tensors: by name in the batch; the first dimension is the clips.
        """
        self.tensors = dict(tensors)

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        return {name: value[draw.clip] for name, value in self.tensors.items()}


class AudioClips(Clips):
    """ "waveform" from audio files, and rows of further tensors.

    Args:
        files: any format and rate.
        prepare: brings clips to one length.
        seed: of the draws.
        extra: by name in the batch; the first dimension is the clips.
        sha256: of the bytes of each file, compared in every draw; None compares nothing.
    """

    def __init__(
        self,
        files: Sequence[Path],
        prepare: Prepare,
        *,
        seed: int = 0,
        extra: Mapping[str, Tensor] | None = None,
        sha256: Sequence[str] | None = None,
    ) -> None:
        self.files, self.prepare, self.seed, self.extra = list(files), prepare, seed, TensorClips(extra or {})
        self.sha256 = sha256

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        audio = decode(self.files[draw.clip])
        if self.sha256 is not None and audio.sha256 != self.sha256[draw.clip]:
            raise ReaudioError(
                f"{self.files[draw.clip]} was changed during the training: put the earlier file back and repeat the command."
            )
        waveform = self.prepare(audio.samples.mean(axis=1), audio.sample_rate, draw_rng(self.seed, draw))
        return {"waveform": torch.from_numpy(waveform), **self.extra[draw]}


class DiffusionClips(Clips):
    """ "latents" and the fields of a Conditioning with k slots, for :class:`reaudio_model.training.diffusion.DiffusionTask`.

    Args:
        latents: of n clips.
        text: float (n, clap_dim), unit norm: E^t of each clip's own caption.
        neighbours: for each clip the ids of pairs retrieved for its caption, by rank, without itself; None for a model
            without retrieval.
        features: stored tokens of the neighbours.
        k: slots.
        choice: "first" for the k nearest; "random" for any k of the ``nearest`` neighbours, in order of rank, which trains the
            model on more than its best neighbours.
        nearest: see choice.
        similar: for each clip the ids of clips with similar sound; ``by_sound`` is the proportion of draws in which they replace
            the neighbours.
        prompts: T5 tokens of each clip's own caption and their mask, for retrieval "prompt".
        seed: of the draws.
    """

    def __init__(
        self,
        latents: LatentStore,
        text: Tensor,
        neighbours: Sequence[Sequence[str]] | None = None,
        features: FeatureStore | None = None,
        *,
        k: int = 0,
        choice: Choice = "first",
        nearest: int = 50,
        similar: Sequence[Sequence[str]] | None = None,
        by_sound: float = 0.0,
        prompts: tuple[Tensor, Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        if len(text) != len(latents) or (neighbours is not None and len(neighbours) != len(latents)):
            raise ValueError("latents, text vectors and neighbours must belong to the same clips")
        self.latents, self.text, self.neighbours, self.features = latents, text, neighbours, features
        self.k, self.choice, self.nearest, self.seed = k, choice, nearest, seed
        self.similar, self.by_sound, self.prompts = similar, by_sound, prompts
        self._any = next((ids[0] for ids in neighbours or () if ids), None)  # gives the sizes if a clip has no neighbours
        if neighbours is not None and (features is None or self._any is None):
            raise ReaudioError("A model with retrieval needs neighbours and their features: the retrieval set has none.")

    def __len__(self) -> int:
        return len(self.latents)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        rng = draw_rng(self.seed, draw)
        item = {"latents": self.latents.draw(draw.clip, rng)}
        text = self.text[draw.clip].float()
        if self.prompts is not None:
            captions, mask = self.prompts
            return item | {"text": text, "captions": captions[draw.clip].float(), "captions_mask": mask[draw.clip]}
        if self.neighbours is None or self.features is None:
            return item | {"text": text}
        by_sound = self.similar is not None and rng.random() < self.by_sound
        ranked = self.similar[draw.clip] if by_sound and self.similar is not None else self.neighbours[draw.clip]
        chosen = self._choose(ranked[: self.nearest], rng)
        tokens = self.features.tokens(chosen or [str(self._any)])
        slots = [*range(len(chosen)), *[-1] * (max(self.k, 1) - len(chosen))]
        conditioning = in_slots(text[None], tokens, torch.tensor([slots]))
        return item | {name: value[0] for name, value in conditioning.fields().items()}

    def _choose(self, ranked: Sequence[str], rng: np.random.Generator) -> list[str]:
        if self.choice == "first" or len(ranked) <= self.k:
            return list(ranked[: self.k])
        return [ranked[i] for i in sorted(rng.choice(len(ranked), self.k, replace=False))]
