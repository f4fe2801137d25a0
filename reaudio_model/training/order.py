"""Deterministic batch order, a function of seed and step.

A run can therefore resume in the middle of an epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.workers import end_with_parent


class Draw(NamedTuple):
    """Index of a dataset: its ``clip``-th clip in ``epoch`` (a random crop depends on both)."""

    epoch: int
    clip: int


def draw_rng(seed: int, draw: Draw) -> np.random.Generator:
    """The random generator of one draw: crops, neighbours and latent noise do not depend on workers or batches."""
    return np.random.default_rng((seed, draw.epoch, draw.clip))


class TrainingOrder(Sampler[list[Draw]]):
    """Batches of one process, from shuffled passes over the clips.

    Global batch s holds the positions ``s * n .. (s + 1) * n - 1`` with ``n = batch_size * world``; process ``rank`` takes its
    ``batch_size`` of them. Every clip occurs once in an epoch; a batch may extend into the next epoch.

    Args:
        size: clips.
        batch_size: clips of a batch in one process.
        seed: of the run.
        start, stop: first batch, and the one after the last.
        rank, world: index of this process, and number of processes.
    """

    def __init__(
        self, size: int, batch_size: int, seed: int, *, start: int = 0, stop: int, rank: int = 0, world: int = 1
    ) -> None:
        if size < 1:
            raise ReaudioError("There is nothing to train on: the data set has no clips.")
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.start, self.stop, self.rank, self.world = start, stop, rank, world

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, order = -1, np.empty(0, np.int64)
        for step in range(self.start, self.stop):
            batch = []
            first = (step * self.world + self.rank) * self.batch_size
            for position in range(first, first + self.batch_size):
                if position // self.size != epoch:
                    epoch = position // self.size
                    order = np.random.default_rng((self.seed, epoch)).permutation(self.size)
                batch.append(Draw(epoch, int(order[position % self.size])))
            yield batch


class EveryClip(Sampler[list[Draw]]):
    """Each clip once, in order, as in epoch 0: for validation."""

    def __init__(self, size: int, batch_size: int) -> None:
        self.size, self.batch_size = size, batch_size

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        for first in range(0, self.size, self.batch_size):
            yield [Draw(0, clip) for clip in range(first, min(first + self.batch_size, self.size))]


class Clips(Dataset[dict[str, Tensor]]):
    """A dataset that is indexed by a :class:`Draw` and returns tensors of fixed shapes."""

    def __len__(self) -> int:
        raise NotImplementedError

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        raise NotImplementedError


def loader(clips: Clips, order: Sampler[list[Draw]], workers: int = 0) -> Iterator[dict[str, Tensor]]:
    """Batches of ``clips`` in ``order``, loaded by ``workers`` processes (0: in this one), which end with this one.

    Raises:
        ReaudioError: of a clip, as it was raised; or a process was killed.
    """
    batches: DataLoader[dict[str, Tensor] | ReaudioError] = DataLoader(
        _Caught(clips),
        batch_sampler=order,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_begin if workers else None,
        collate_fn=_collate,
    )
    try:
        for batch in batches:
            if isinstance(batch, ReaudioError):
                raise batch
            yield batch
    except RuntimeError as error:
        if not re.search(r"DataLoader worker .*(killed|exited)", str(error)):
            raise
        raise ReaudioError(
            "A data-loading process was killed (the system may be out of memory): repeat the command with fewer loop.workers; it "
            "resumes from the last checkpoint."
        ) from error


class _Caught(Dataset[dict[str, Tensor] | ReaudioError]):
    """Clips whose errors are values: raised in a worker process they would become a traceback."""

    def __init__(self, clips: Clips) -> None:
        self.clips = clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor] | ReaudioError:
        try:
            return self.clips[draw]
        except ReaudioError as error:
            return error


def _collate(items: list[dict[str, Tensor] | ReaudioError]) -> dict[str, Tensor] | ReaudioError:
    failed = next((item for item in items if isinstance(item, ReaudioError)), None)
    if failed is not None:
        return failed
    batch: dict[str, Tensor] = default_collate(items)
    return batch


def _begin(_worker: int) -> None:
    end_with_parent()
