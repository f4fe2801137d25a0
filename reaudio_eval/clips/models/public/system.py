"""What every system with published weights provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reaudio_model.config import DType, SchedulerName

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from reaudio_model.encoders.clap import Clap
    from reaudio_model.retrieval.records import Neighbour


class Also(NamedTuple):
    """A further repository that a system needs.

    Attributes:
        hub_id: repository on the Hugging Face hub.
        files: patterns of the files of it that are used.
        inside: where a folder of weights may have the same, or "".
    """

    hub_id: str
    files: tuple[str, ...]
    inside: str = ""


@dataclass(frozen=True)
class Published:
    """Facts about published weights.

    Attributes:
        hub_id: repository on the Hugging Face hub.
        files: patterns of the files of it that are used.
        gigabytes: their approximate size, by the number of parameters.
        licence: of the weights.
        training_data: what they were trained on, for people.
        source: paper, and the implementation that is matched.
        layout: what a file or folder of these weights contains, for messages.
        also: further repositories that are needed.
    """

    hub_id: str
    files: tuple[str, ...]
    gigabytes: float
    licence: str
    training_data: str
    source: str
    layout: str
    also: tuple[Also, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Resolved settings of a generation.

    Attributes:
        guidance: scale of classifier-free guidance; 1 disables it.
        seconds: length of a clip.
        steps: of denoising; None for a system that does not denoise.
        scheduler: sampler; None for the system's own.
        eta: noise of "ddim", in [0, 1].
        candidates: clips of each prompt, of which the system's CLAP keeps the best.
        dtype: precision of the denoiser or language model.
        k: retrieved pairs of a prompt, for a system that retrieves.
        peak: largest absolute sample that every clip is scaled to, in (0, 1]; None keeps the level.
    """

    guidance: float
    seconds: float
    steps: int | None = None
    scheduler: SchedulerName | None = None
    eta: float = 0.0
    candidates: int = 1
    dtype: DType = "float32"
    k: int = 0
    peak: float | None = None


class PublicSystem(ABC):
    """A loaded system: text to waveforms.

    A clip depends on its prompt and seed alone: neither on its batch nor on the order of the prompts, but for the rounding of matrix
    products over batches of another size.
    """

    sample_rate: int  # Hz

    @abstractmethod
    def networks(self) -> Mapping[str, nn.Module]:
        """Its networks by name."""

    @abstractmethod
    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        """The vocabularies of its tokenizers by name: token -> number."""

    @abstractmethod
    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        settings: Settings,
        retrieved: Sequence[Sequence[Neighbour]] | None = None,
    ) -> npt.NDArray[np.float32]:
        """Waveforms of a batch.

        Args:
            prompts: descriptions of sounds, none of them empty.
            seeds: of each.
            settings: of all.
            retrieved: the neighbours of each, nearest first, for a system that retrieves.

        Returns:
            float32 (len(prompts), samples), or (len(prompts), samples, channels), in [-1, 1], at ``sample_rate``.

        Raises:
            ReaudioError: values that are not finite, or settings that it cannot use.
        """

    def retriever(self) -> Clap | None:
        """The CLAP that retrieves for it; None for a system that does not retrieve."""
        return None

    def settings_record(self) -> Mapping[str, Any]:
        """Further settings that its clips depend on, JSON-able."""
        return {}


class Opener(ABC):
    """Loads a system."""

    @abstractmethod
    def check(self, weights: Path) -> None:
        """Refuse a file or folder that cannot be of this system, by its names alone.

        Raises:
            CheckpointError: it lacks a file, or is of another system.
        """

    @abstractmethod
    def open(self, weights: Path, variant: str, *, device: str, dtype: DType, cache_dir: Path | None) -> PublicSystem:
        """The system with the weights of a file or folder.

        Raises:
            CheckpointError: missing, damaged, or of another system.
        """
