"""Hashing and safe loading of weights.

No code in a file is executed.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import atomic_path

if TYPE_CHECKING:
    from torch import Tensor, nn

_LOG = logging.getLogger(__name__)
FOLDER_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# Errors that a damaged pickle can cause besides UnpicklingError.
_DAMAGE = (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError, struct.error)


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file; computed once per process while size and modification time are unchanged.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        stat = path.stat()
        return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error


def checkpoint_sha256(path: Path) -> str:
    """SHA-256 (hex) of a checkpoint file, or of the weights in a folder.

    Raises:
        CheckpointError: unreadable, or a folder without weights.
    """
    return sha256_file(weights_file(path))


def weights_file(path: Path, *, names: Sequence[str] = FOLDER_WEIGHTS, part: str | None = None) -> Path:
    """``path`` itself, or the weights in a folder of transformers' or diffusers' layout.

    Args:
        path: a file or a folder.
        names: of the weights in a folder, in order of preference.
        part: folder of a diffusers pipeline ("vae") that may contain them instead.

    Raises:
        CheckpointError: the folder has none.
    """
    if not path.is_dir():
        return path
    for folder in (path, path / part) if part else (path,):
        for name in names:
            if (folder / name).is_file():
                return folder / name
    nor = f", nor has its folder {part}" if part else ""
    raise CheckpointError(f"The folder {path} has no {' or '.join(names)}{nor}: it is not a checkpoint.")


@cache
def _sha256(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_state_dict(
    path: Path, *, wrapper: str | Sequence[str] | None = None, cache_dir: Path | None = None
) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU; no code in the file is executed.

    ``.safetensors`` files are read directly. Pickles go through torch's restricted unpickler, which here also accepts the
    plain NumPy numbers and arrays that the published PANNs and LAION files contain besides their tensors. With ``cache_dir``
    the tensors of a pickle are written once to ``cache_dir/converted/<sha256>.safetensors`` and read from there later.

    Args:
        path: the file.
        wrapper: key of the state dict ("model"), or several keys, of which the first existing one is used; a file may also be
            the state dict itself.
        cache_dir: cache of this package; None converts nothing.

    Raises:
        CheckpointError: missing, truncated, not a checkpoint, or a pickle with anything but data in it.
    """
    if not path.is_file():
        raise CheckpointError(f"The checkpoint {path} does not exist.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    converted = cache_dir / "converted" / f"{sha256_file(path)}.safetensors" if cache_dir else None
    if converted is not None and converted.is_file():
        with suppress(CheckpointError):  # a damaged conversion is repeated
            return _read_safetensors(converted)
    state = _unwrap(_unpickle(path), wrapper, path)
    if converted is not None:
        _write_safetensors(state, converted)
    return state


def _unpickle(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_harmless_globals()):
            # mmap: only tensors in use are read (two thirds of a LAION file is the optimizer)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except _DAMAGE as error:
        raise CheckpointError(f"The checkpoint {path} is truncated or damaged: download it again.") from error


def _refusal(path: Path, detail: str) -> CheckpointError:
    with path.open("rb") as file:
        is_pickle = file.read(2)[:1] == b"\x80" or zipfile.is_zipfile(path)
    if not is_pickle:
        return CheckpointError(f"{path} is not a checkpoint (an interrupted download, or a web page?): download it again.")
    found = re.search(r"GLOBAL (\S+)", detail)
    what = f" ({found[1]})" if found else ""
    return CheckpointError(
        f"{path} contains code{what} and was refused; none of it was run: use the published file or a .safetensors one."
    )


def _harmless_globals() -> list[Any]:
    """NumPy scalars and arrays, under the module names of NumPy 1 and 2.

    LAION's files keep the learning rate as a NumPy scalar in the optimizer's state; PANNs' keep the training sampler's
    index arrays (audioset_tagging_cnn, utils/data_generator.py, ``state_dict``). None of these can execute code.
    """
    import _codecs

    import numpy as np

    def twice(function: Any) -> list[tuple[Any, str]]:
        return [
            (function, f"{module}.{function.__name__}") for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        ]

    scalar = np.float64(0).__reduce__()[0]
    reconstruct = np.zeros(0).__reduce__()[0]
    numeric = [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]
    return [*twice(scalar), *twice(reconstruct), np.dtype, np.ndarray, _codecs.encode, *dict.fromkeys(numeric)]


def _unwrap(content: Any, wrapper: str | Sequence[str] | None, path: Path) -> dict[str, Tensor]:
    from torch import Tensor

    wrappers = [wrapper] if isinstance(wrapper, str) else wrapper or ()
    if isinstance(content, Mapping):
        state = next((content[key] for key in wrappers if key in content), content)
        tensors = {k: v for k, v in state.items() if isinstance(v, Tensor)} if isinstance(state, Mapping) else {}
        if tensors:
            return tensors
    where = f" (looked under {' and '.join(map(repr, wrappers))})" if wrappers else ""
    raise CheckpointError(f"{path} contains no weights{where}: it is another kind of file.")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"The checkpoint {path} is truncated or damaged: download it again.") from error
    return state


def _write_safetensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Atomic. A cache that cannot be written is only logged: it costs time, not the result."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with atomic_path(path) as partial:
            # clone: tensors that share memory (tied weights) cannot be saved as they are
            save_file({key: value.detach().clone().contiguous() for key, value in state.items()}, partial)
    except (ReaudioError, SafetensorError) as error:
        _LOG.warning("The converted checkpoint %s was not cached: %s", path, error)


def check_keys(state: Mapping[str, Tensor], module: nn.Module, path: Path, what: str) -> None:
    """Check that a state dict fits a network.

    Args:
        state: key -> tensor.
        module: the network, possibly on the meta device.
        path: the file, for the message.
        what: the expected file, e.g. "the 16 kHz PANNs checkpoint Cnn14_16k_mAP=0.438.pth".

    Raises:
        CheckpointError: a key is missing, left over, or of another shape; the message names a few.
    """
    expected = module.state_dict()
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    reshaped = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    faults = [_few("missing", missing), _few("unexpected", unexpected), _few("of another shape", reshaped)]
    if any(faults):
        raise CheckpointError(f"{path} is not {what}: {'; '.join(filter(None, faults))}.")


def _few(label: str, items: list[str], shown: int = 3) -> str:
    if not items:
        return ""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return f"{label}: {', '.join(items[:shown])}{more}"
