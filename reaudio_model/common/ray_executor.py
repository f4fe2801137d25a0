"""Shards of work on a Ray cluster.

A worker (a Ray actor) holds what is costly to load. It computes on a GPU where this process would, else on as many CPUs as this process has
threads, so that its numbers are the same to the bit. Work must be repeatable: the shard of a worker that was lost, with its process or its
machine, is given to another one.
"""

from __future__ import annotations

import os
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, TypeVar

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.executors import Executor
from reaudio_model.common.progress import Reporter

Shard = TypeVar("Shard")
Done = TypeVar("Done")

WORKER_DEVICE = {True: "cuda:0", False: "cpu"}  # by on_gpu
ATTEMPTS = 3  # of a shard whose worker was lost
LISTENS = 10.0  # seconds within which a cluster must answer
PATIENCE = 30.0  # seconds without a free worker before a note says so
PASSED_ON = ("REAUDIO_PLUGINS", "REAUDIO_CACHE")  # environment variables that workers need


def map_on_ray(
    worker: Callable[[], Callable[[Shard], Done]],
    shards: Sequence[Shard],
    executor: Executor,
    *,
    on_gpu: bool,
    what: str,
    reporter: Reporter | None = None,
) -> Iterator[tuple[int, Done]]:
    """Index and result of each shard, in the order in which they are finished.

    On an error, and when the iterator is closed, the workers end and shards that were not begun are dropped.

    Args:
        worker: called once in each worker; its result is called with each of its shards. It can be pickled, as can shards and results.
        shards: in the order in which they are begun.
        executor: of Ray.
        on_gpu: whether each worker needs a GPU, which is its ``cuda:0``.
        what: what workers do, for messages, e.g. "embeds clips".
        reporter: of notes; None shows nothing.

    Raises:
        ReaudioError: the cluster cannot be reached; a shard whose worker was lost three times.
        Exception: of the worker, unchanged.
    """
    if not shards:
        return
    ray = _connect(executor)
    yield from _Workers(ray, worker, executor, on_gpu, what, reporter or Reporter(quiet=True)).run(shards)


def _connect(executor: Executor) -> ModuleType:
    """Ray, connected; it stays connected until this process ends, since starting it takes seconds."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    _require_listener(executor)
    if ray.is_initialized():
        return ray
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    try:
        if executor.ray_address is None:
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            ray.init(address=executor.ray_address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(executor, error) from error
    return ray


def _require_listener(executor: Executor) -> None:
    """Refuse an address at which nothing listens at once; Ray would wait for minutes."""
    host, separator, port = (executor.ray_address or "").rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=LISTENS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(executor, error) from error


def _unreachable(executor: Executor, error: Exception) -> ReaudioError:
    return ReaudioError(
        f"The Ray cluster {executor.ray_address or 'of this machine'} cannot be reached ({error}): start it with `ray start --head`, or "
        "give another --ray-address."
    )


class _Workers:
    """Actors of one call, and the shards they are given.

    ``pending`` has a future of every actor: of being ready, without a shard, or of the shard that it computes.
    """

    def __init__(
        self,
        ray: ModuleType,
        worker: Callable[[], Callable[[Any], Any]],
        executor: Executor,
        on_gpu: bool,
        what: str,
        reporter: Reporter,
    ) -> None:
        import torch

        self.ray, self.what, self.reporter = ray, what, reporter
        self.threads = torch.get_num_threads()
        cluster = ray.cluster_resources()
        self.gpus = executor.ray_gpus if on_gpu else 0.0
        self.places = self._places(cluster)
        self.worker = ray.put(worker)
        self.pending: dict[Any, tuple[Any, int | None]] = {}

    def _places(self, cluster: dict[str, float]) -> int:
        """How many workers fit into the cluster; 1 at least, which waits where none fits."""
        by_cpu = cluster.get("CPU", 0) // self.threads
        return max(1, int(cluster.get("GPU", 0) // self.gpus if self.gpus else by_cpu))

    def run(self, shards: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        waiting, lost = deque(range(len(shards))), Counter[int]()
        for _ in range(min(self.places, len(shards))):
            self._start()
        try:
            while waiting or any(index is not None for _, index in self.pending.values()):
                finished = self._next()
                actor, index = self.pending.pop(finished)
                try:
                    value = self.ray.get(finished)
                except self.ray.exceptions.RayTaskError as error:
                    raise error.cause if isinstance(error.cause, Exception) else error from error
                except self.ray.exceptions.RayError as error:  # of the worker, its machine, or its memory
                    self._replace(actor, index, waiting, lost, error)
                    continue
                if waiting:  # before the result is used, which may take a while
                    self._give(actor, waiting.popleft(), shards)
                else:
                    self.ray.kill(actor)
                if index is not None:
                    yield index, value
        finally:
            for actor, _ in self.pending.values():
                self.ray.kill(actor)

    def _start(self) -> None:
        options = {"num_cpus": 0 if self.gpus else self.threads, "num_gpus": self.gpus, "max_restarts": 0}
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        actor = self.ray.remote(**options)(_Worker).remote([self.worker], self.threads, environment)
        self.pending[actor.ready.remote()] = (actor, None)

    def _next(self) -> Any:
        """The future that is finished first."""
        while True:
            finished, _ = self.ray.wait(list(self.pending), timeout=PATIENCE)
            if finished:
                return finished[0]
            if all(index is None for _, index in self.pending.values()):
                needed = f"{self.gpus:g} GPU" if self.gpus else f"{self.threads} CPUs"
                self.reporter.note(
                    f"Waiting for the Ray cluster: no machine has {needed} free for a worker that {self.what}."
                )

    def _give(self, actor: Any, index: int, shards: Sequence[Any]) -> None:
        self.pending[actor.compute.remote(shards[index])] = (actor, index)

    def _replace(self, actor: Any, index: int | None, waiting: deque[int], lost: Counter[int], error: Exception) -> None:
        """Start a worker in place of one that was lost, whose shard is next."""
        with suppress(Exception):  # it is gone already
            self.ray.kill(actor)
        if index is not None:
            waiting.appendleft(index)
        key = -1 if index is None else index
        lost[key] += 1
        if lost[key] == ATTEMPTS:
            reason = str(error).strip().splitlines()[0]
            raise ReaudioError(
                f"A worker that {self.what} was lost {ATTEMPTS} times on Ray ({reason}): it may be out of memory, or cannot start there. "
                "Look at the logs of Ray, and repeat the command; finished work is kept."
            ) from error
        self.reporter.note(f"A worker that {self.what} was lost; its work is given to another one.")
        self._start()


class _Worker:
    """A process of the cluster.

    Args:
        worker: reference to that of :func:`map_on_ray`, in a list. Otherwise Ray puts its value here, and reports a value that cannot be
            read as a lost worker.
        threads: of torch.
        environment: variables to set.
    """

    def __init__(self, worker: list[Any], threads: int, environment: dict[str, str]) -> None:
        self.worker, self.threads, self.environment = worker, threads, environment

    def ready(self) -> None:
        """Load the networks."""
        import ray

        os.environ.update(self.environment)
        import torch

        torch.set_num_threads(self.threads)
        try:
            (worker,) = ray.get(self.worker)
        except ray.exceptions.RaySystemError as error:
            raise ReaudioError(
                f"A worker on Ray cannot read its work ({str(error).strip().splitlines()[-1]}): install the same versions of reaudio-eval, "
                "its plug-ins and Python on every machine."
            ) from error
        self.work = worker()

    def compute(self, shard: Any) -> Any:
        return self.work(shard)
