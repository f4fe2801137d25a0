"""Work for Ray workers in tests; a module, so that workers import it by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from reaudio_eval.clips.models.public.system import PublicSystem, Settings
from reaudio_model.common.errors import CheckpointError
from reaudio_model.retrieval.records import Neighbour


class Made(NamedTuple):
    """What a worker computed, in which process and with how many threads."""

    value: int
    process: int
    threads: int


def doubling() -> Callable[[int], Made]:
    """A worker that doubles numbers."""
    return _doubled


def _doubled(number: int) -> Made:
    return Made(2 * number, os.getpid(), torch.get_num_threads())


def failing() -> Callable[[int], Made]:
    """A worker that refuses the number 3."""
    return _refused


def _refused(number: int) -> Made:
    if number == 3:
        raise ValueError("3 is refused")
    return _doubled(number)


def unloadable() -> Callable[[int], Made]:
    """A worker whose checkpoint is missing."""
    raise CheckpointError("There is no such checkpoint.")


class Unreadable:
    """A worker that cannot be unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return import_module, ("no_such_module",)

    def __call__(self) -> Callable[[int], Made]:
        return _doubled


def dying(folder: Path, times: int) -> Callable[[int], Made]:
    """A worker that is killed ``times`` times with the number 3; the deaths are counted in ``folder``."""
    return partial(_dying, folder, times)


def _dying(folder: Path, times: int, number: int) -> Made:
    deaths = len(list(folder.iterdir()))
    if number == 3 and deaths < times:
        (folder / str(deaths)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return _doubled(number)


def waiting(folder: Path) -> Callable[[int], Made]:
    """A worker that writes where it runs, and waits a second."""
    return partial(_waiting, folder)


def _waiting(folder: Path, number: int) -> Made:
    import ray

    (folder / f"{number}-{ray.get_runtime_context().get_node_id()}-{os.getpid()}").touch()
    time.sleep(1)
    return _doubled(number)


class Tone(PublicSystem):
    """A system whose clips are noise by seed, as loud as its only weight."""

    sample_rate = 8000

    def __init__(self, level: float) -> None:
        self.layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.constant_(self.layer.weight, level)

    def networks(self) -> Mapping[str, torch.nn.Module]:
        return {"layer": self.layer}

    def vocabularies(self) -> Mapping[str, Mapping[str, int]]:
        return {}

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        settings: Settings,
        retrieved: Sequence[Sequence[Neighbour]] | None = None,
    ) -> npt.NDArray[np.float32]:
        noise = [np.random.default_rng(seed).uniform(-1, 1, 800) for seed in seeds]
        return np.stack(noise).astype(np.float32) * float(self.layer.weight)


def open_tone(level: float, device: str) -> Tone:
    """The system on a device."""
    system = Tone(level)
    system.layer.to(device)
    return system
