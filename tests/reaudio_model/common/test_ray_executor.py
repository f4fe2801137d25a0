"""Work on a Ray cluster: results, lost workers and machines, errors, and an early end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray_work
import torch
from notes import Notes
from ray_cluster import local_cluster
from ray_work import Made, doubling, dying, failing, waiting

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.executors import Executor
from reaudio_model.common.progress import Reporter
from reaudio_model.common.ray_executor import map_on_ray

ray = pytest.importorskip("ray", reason='needs Ray: pip install "reaudio-eval[ray]"')

pytestmark = pytest.mark.slow  # a cluster takes seconds to start


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with local_cluster() as made:
        yield made


@pytest.fixture
def executor(cluster: Any) -> Executor:
    return Executor("ray", cluster.address)


def run(worker: Any, shards: Sequence[int], executor: Executor, reporter: Reporter | None = None) -> dict[int, Made]:
    return dict(map_on_ray(worker, shards, executor, on_gpu=False, what="doubles", reporter=reporter))


def alive(process: int) -> bool:
    return Path(f"/proc/{process}/cmdline").exists() and Path(f"/proc/{process}/cmdline").read_bytes() != b""


def test_every_shard_is_computed_once_in_workers_with_the_threads_of_this_process(executor: Executor) -> None:
    found = run(doubling, list(range(20)), executor)
    assert {index: made.value for index, made in found.items()} == {i: 2 * i for i in range(20)}
    assert {made.threads for made in found.values()} == {torch.get_num_threads()}
    assert os.getpid() not in {made.process for made in found.values()}
    assert len({made.process for made in found.values()}) <= 2


def test_the_shard_of_a_lost_worker_is_computed_by_another(executor: Executor, tmp_path: Path) -> None:
    reporter = Notes()
    found = run(partial(dying, tmp_path, 2), list(range(6)), executor, reporter)
    assert [found[i].value for i in range(6)] == [0, 2, 4, 6, 8, 10]
    assert reporter.lines == ["A worker that doubles was lost; its work is given to another one."] * 2


def test_a_shard_that_loses_every_worker_is_an_error(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(ReaudioError, match=r"A worker that doubles was lost 3 times on Ray"):
        run(partial(dying, tmp_path, 99), list(range(6)), executor)


def test_an_error_of_a_worker_is_raised_as_it_is(executor: Executor) -> None:
    with pytest.raises(ValueError, match="3 is refused"):
        run(failing, list(range(6)), executor)


def test_an_error_while_a_worker_loads_is_raised_as_it_is(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        run(ray_work.unloadable, [1, 2], executor)


def test_work_that_cannot_be_read_there_names_the_remedy(executor: Executor) -> None:
    with pytest.raises(ReaudioError, match=r"cannot read its work .*install the same versions of reaudio-eval"):
        run(ray_work.Unreadable(), [1], executor)


def test_a_lost_machine_costs_its_shard(cluster: Any, executor: Executor, tmp_path: Path) -> None:
    lost = cluster.add_node(num_cpus=torch.get_num_threads())
    work = map_on_ray(partial(waiting, tmp_path), list(range(8)), executor, on_gpu=False, what="doubles")
    found = dict([next(work)])
    deadline = time.monotonic() + 60
    while not any(lost.node_id in path.name for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline, "no shard was given to the third machine"
        found |= dict([next(work)])
    cluster.remove_node(lost, allow_graceful=False)
    found |= dict(work)
    assert {index: made.value for index, made in found.items()} == {i: 2 * i for i in range(8)}


def test_workers_end_with_the_iterator(executor: Executor, tmp_path: Path) -> None:
    work = map_on_ray(partial(waiting, tmp_path), list(range(20)), executor, on_gpu=False, what="doubles")
    next(work)
    work.close()
    processes = {int(path.name.rpartition("-")[2]) for path in tmp_path.iterdir()}
    deadline = time.monotonic() + 30
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, "workers are still there"
        time.sleep(0.1)
    assert len(list(tmp_path.iterdir())) < 20


def test_a_cluster_that_is_not_there() -> None:
    with pytest.raises(ReaudioError, match=r"127\.0\.0\.1:1 cannot be reached .*`ray start --head`"):
        run(doubling, [1], Executor("ray", "127.0.0.1:1"))
