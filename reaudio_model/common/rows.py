"""Rows of safetensors files without reading the files: one row costs microseconds, however large the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reaudio_model.common.errors import ReaudioError

# The format's names of the types that are stored by rows: https://github.com/huggingface/safetensors#format
DTYPES: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "BOOL": np.dtype("?"),
    "I64": np.dtype("<i8"),
}
MAX_HEADER = 100_000_000  # bytes; the limit of the library


class RowFile:
    """The tensors of a safetensors file as memory maps.

    Args:
        path: of the file.

    Attributes:
        tensors: name -> read-only array. metadata: the strings the file was saved with.

    Raises:
        ReaudioError: no such file, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                header: dict[str, Any] = json.loads(file.read(size)) if 0 < size <= MAX_HEADER else {}
            self.metadata: dict[str, str] = header.pop("__metadata__", {})
            self.tensors = {name: _map(path, 8 + size, entry) for name, entry in header.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReaudioError(f"{path} is missing or damaged.") from error
        if not self.tensors:
            raise ReaudioError(f"{path} is missing or damaged.")


def _map(path: Path, start: int, entry: dict[str, Any]) -> npt.NDArray[Any]:
    first, last = entry["data_offsets"]
    dtype: np.dtype[Any] = DTYPES[entry["dtype"]]
    array: npt.NDArray[Any] = np.memmap(path, dtype, "r", start + first, tuple(entry["shape"]))
    if array.nbytes != last - first:
        raise ValueError("the size of a tensor is not that of its place in the file")
    return array
