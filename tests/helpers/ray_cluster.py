"""A Ray cluster on this machine, for tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch


@contextmanager
def local_cluster() -> Iterator[Any]:
    """Two machines with room for one worker each, where the modules of this process can be imported."""
    import ray
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, [Path(__file__).parent, *sys.path])))
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": torch.get_num_threads()})
        made.add_node(num_cpus=torch.get_num_threads())
        try:
            yield made
        finally:
            ray.shutdown()
            made.shutdown()  # type: ignore[no-untyped-call]
