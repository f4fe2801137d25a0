"""Tensors in safetensors files, memory-mapped when first used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from reaudio_model.common.errors import ReaudioError


class TensorFiles:
    """Files of a cache, opened once each; a copy in another process opens them again."""

    def __init__(self) -> None:
        self._open: dict[Path, dict[str, Tensor]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_open": {}}

    def __getitem__(self, path: Path) -> dict[str, Tensor]:
        """The tensors of a file by name, on the CPU; a row is read when it is used.

        Raises:
            ReaudioError: missing or damaged.
        """
        if path not in self._open:
            try:
                with safe_open(path, framework="pt") as file:
                    self._open[path] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
            except (SafetensorError, OSError) as error:
                raise ReaudioError(f"{path} is missing or damaged: repeat the command; it is computed again.") from error
        return self._open[path]
