"""Where work runs: in this process, or on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, ClassVar, Literal

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.options import Option, OptionGroup

ExecutorName = Literal["local", "ray"]


@dataclass(frozen=True)
class Executor(OptionGroup):
    """Where networks run.

    Attributes:
        executor: "local" is this process.
        ray_address: of a running cluster, "auto" for that of this machine; None starts Ray on this machine for the command.
        ray_gpus: GPUs of each worker where this process uses a GPU; less than 1 for several workers on one.
    """

    panel: ClassVar[str] = "Machine"

    executor: Annotated[
        ExecutorName,
        Option("Run networks in this process, or in workers on a Ray cluster (needs the extra ray)."),
    ] = "local"
    ray_address: Annotated[
        str | None,
        Option("Ray cluster: HOST:PORT or auto. Default: Ray is started on this machine.", metavar="ADDRESS"),
    ] = None
    ray_gpus: Annotated[
        float, Option("GPUs of each worker, with --device cuda; less than 1 for several workers on one GPU.", least=0.01)
    ] = 1.0

    @property
    def is_ray(self) -> bool:
        """Whether work is given to Ray."""
        return self.executor == "ray"

    def check(self) -> None:
        if not self.is_ray and (self.ray_address is not None or self.ray_gpus != 1):
            raise ReaudioError("--ray-address and --ray-gpus are options of --executor ray: give it too, or leave them out.")
        if self.is_ray and not _has_ray():
            raise ReaudioError('--executor ray needs Ray: pip install "reaudio-eval[ray]", or leave out --executor.')


def _has_ray() -> bool:
    """Whether Ray is installed; it is not imported, which takes a second."""
    try:
        return find_spec("ray") is not None
    except ValueError:  # of a module that was made unavailable
        return False


LOCAL = Executor()
