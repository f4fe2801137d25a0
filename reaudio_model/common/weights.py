"""Hashing and safe loading of weights.

No code in a file is executed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaudio_model.common.digests import SEAL, check_safetensors, file_sha256, seal_safetensors
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.files import StrPath, atomic_path, has_file, has_folder
from reaudio_model.common.pickles import read_pickle

if TYPE_CHECKING:
    from torch import Tensor, nn

_LOG = logging.getLogger(__name__)
# In a folder of transformers' layout, in order of preference; the last is diffusers' variant "fp16".
FOLDER_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "model.fp16.safetensors")
# In a folder of diffusers' layout, likewise.
DIFFUSERS_WEIGHTS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.safetensors",
)


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a file; computed once per process while size and modification time are unchanged.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        stat = path.stat()
        return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
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


TOKENIZERS = ("tokenizer", "gpt2_tokenizer")  # folders, of RoBERTa and of GPT-2, beside a checkpoint or in the cache


def tokenizer_folders(checkpoint: Path, cache_dir: Path | None) -> list[Path]:
    """Where the tokenizer of a text encoder is looked for, in order; folders that are not there are left out.

    Args:
        checkpoint: file of the weights, or their folder.
        cache_dir: cache of this package.
    """
    beside = [checkpoint.parent / name for name in TOKENIZERS]
    inside = [checkpoint, checkpoint / "tokenizer", checkpoint.parent / "clap_tokenizer", checkpoint.parent / "tokenizer"]
    places = inside if checkpoint.is_dir() else beside
    return [
        place for place in (*places, *([cache_dir / name for name in TOKENIZERS] if cache_dir else [])) if has_folder(place)
    ]


def variant_of(folder: Path) -> str | None:
    """ "fp16" for a folder whose weights are diffusers' variant of that name and no others, else None."""
    names = {path.name for path in folder.glob("*model*")} if folder.is_dir() else set()
    whole = {name for name in names if name.endswith((".safetensors", ".bin"))}
    return "fp16" if whole and all(".fp16." in name for name in whole) else None


@cache
def _sha256(path: Path, _size: int, _mtime_ns: int, _ctime_ns: int) -> str:
    return file_sha256(path)


def load_state_dict(
    path: Path, *, wrapper: str | Sequence[str] | None = None, cache_dir: Path | None = None
) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU; no code in the file is executed.

    ``.safetensors`` files are read directly. Pickles go through torch's restricted unpickler, which here also accepts plain data that
    published files contain besides their tensors: NumPy numbers and arrays, and the arguments of a training (``argparse.Namespace``).
    With ``cache_dir`` the tensors of a pickle are written once to ``cache_dir/converted/<sha256>.safetensors``, with a digest that is
    checked when they are read from there later; a damaged conversion is made again. The prefix ``module.`` of
    ``DataParallel`` is removed where every key has it.

    Args:
        path: the file.
        wrapper: key of the state dict ("model"), or several keys, of which the first existing one is used; a file may also be
            the state dict itself.
        cache_dir: cache of this package; None converts nothing.

    Raises:
        CheckpointError: missing, truncated, not a checkpoint, a pickle with anything but data in it, or a tensor that is no plain
            array of finite real numbers.
    """
    _check_file(path)
    if path.suffix == ".safetensors":
        return _usable(_read_safetensors(path), path)
    converted = cache_dir / "converted" / f"{sha256_file(path)}.safetensors" if cache_dir else None
    state = None if converted is None else _read_converted(converted)
    if state is None:
        state = _usable(_unwrap(read_pickle(path), wrapper, path), path)
        if converted is not None:
            _write_converted(state, converted)
    return state


def load_data(path: Path) -> Any:
    """What ``torch.save`` wrote: tensors on the CPU, numbers and texts in lists and dicts; no code in the file is executed.

    Raises:
        CheckpointError: see :func:`load_state_dict`.
    """
    _check_file(path)
    content = read_pickle(path)
    _usable(dict(_tensors_in(content, "")), path)
    return content


def _tensors_in(content: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    from torch import Tensor

    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping | list | tuple):
        for key, value in content.items() if isinstance(content, Mapping) else enumerate(content):
            yield from _tensors_in(value, f"{name}.{key}".lstrip("."))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise CheckpointError(f"The checkpoint {path} is a folder: give the file of the weights in it.")
    if not path.exists():
        raise CheckpointError(f"The checkpoint {path} does not exist.")
    if not path.is_file():
        raise CheckpointError(f"The checkpoint {path} is no ordinary file: give the file of the weights.")
    if path.stat().st_size == 0:
        raise CheckpointError(f"The checkpoint {path} is empty (0 bytes): download it again.")


def _unwrap(content: Any, wrapper: str | Sequence[str] | None, path: Path) -> dict[str, Tensor]:
    from torch import Tensor

    wrappers = [wrapper] if isinstance(wrapper, str) else wrapper or ()
    if isinstance(content, Mapping):
        state = next((content[key] for key in wrappers if key in content), content)
        items = state.items() if isinstance(state, Mapping) else ()
        tensors = {key: value for key, value in items if isinstance(key, str) and isinstance(value, Tensor)}
        if tensors:
            return tensors
    where = f" (looked under {' and '.join(map(repr, wrappers))})" if wrappers else ""
    raise CheckpointError(f"{path} contains no weights{where}: it is another kind of file.")


def _usable(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of a file, without the prefix of ``DataParallel``.

    Raises:
        CheckpointError: one is no plain array of finite real numbers; the message names the first.
    """
    for name, value in state.items():
        if fault := _fault(value):
            raise CheckpointError(f"The weights {name} in {path} {fault}.")
    parallel = "module."
    if all(name.startswith(parallel) for name in state):
        return {name.removeprefix(parallel): value for name, value in state.items()}
    return state


def _fault(value: Tensor) -> str | None:
    """Why a tensor cannot be used, and what to do."""
    import torch

    if value.is_meta:
        return "have a shape but no values (a meta tensor): save them from a model that is in memory"
    if value.is_quantized or value.layout != torch.strided:
        kind = "quantised" if value.is_quantized else "sparse"
        return f"are {kind}: use the file in float32 or float16"
    if value.is_complex() or (value.is_floating_point() and value.dtype.itemsize < 2):
        return f"are {_dtype(value)}: use the file in float32 or float16"
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        return "repeat values that the file has once: save a contiguous copy"
    if not torch.isfinite(value).all():
        return "contain NaN or infinity: use another checkpoint, for example one from before the training diverged"
    return None


def check_finite(network: nn.Module, source: StrPath) -> None:
    """Check the weights of a network that a library has loaded.

    Raises:
        CheckpointError: one has no finite values; the message names the first.
    """
    for name, value in network.state_dict().items():
        if fault := _fault(value):
            raise CheckpointError(f"The weights {name} in {source} {fault}.")


def check_loaded(network: nn.Module, info: Mapping[str, Any], source: StrPath, what: str, *, exact: bool = False) -> None:
    """Check what a library's ``from_pretrained`` returned, which makes up weights that a file lacks.

    Args:
        network: the loaded one.
        info: of ``output_loading_info=True``.
        source: file or folder, for the message.
        what: the expected network, e.g. "a T5 encoder".
        exact: also refuse weights that the network has not.

    Raises:
        CheckpointError: weights are missing, left over, of another shape, or not finite.
    """
    missing = sorted(info["missing_keys"])
    reshaped = sorted(each[0] for each in info["mismatched_keys"])
    unexpected = sorted(info["unexpected_keys"]) if exact else []
    faults = [_few("missing", missing), _few("unexpected", unexpected), _few("of another shape", reshaped)]
    if any(faults):
        raise CheckpointError(f"{source} is not {what}, or is damaged: {'; '.join(filter(None, faults))}.")
    check_finite(network, source)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except PermissionError as error:
        raise CheckpointError(f"The checkpoint {path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # a damaged header can raise any exception
        raise CheckpointError(f"The checkpoint {path} is truncated or damaged: download it again.") from error
    if not state:
        raise CheckpointError(f"{path} contains no weights: it is another kind of file.")
    return state


def _read_converted(path: Path) -> dict[str, Tensor] | None:
    """The tensors of an earlier conversion; None if there is none, or a damaged one, which is said in the log."""
    if not has_file(path):
        return None
    if check_safetensors(path):
        with suppress(CheckpointError):
            return _read_safetensors(path)
    _LOG.warning("The converted checkpoint %s was damaged or of an earlier version: it is made again.", path)
    return None


def _write_converted(state: Mapping[str, Tensor], path: Path) -> None:
    """Atomic. A cache that cannot be written is only logged: it costs time, not the result."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with atomic_path(path) as partial:
            # clone: tensors that share memory (tied weights) cannot be saved as they are
            save_file({key: value.detach().clone().contiguous() for key, value in state.items()}, partial, SEAL)
            seal_safetensors(partial)
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
        CheckpointError: a key is missing, left over, of another shape, or whole numbers where the network has real ones (or the
            reverse); the message names a few.
    """
    expected = module.state_dict()
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    reshaped = [
        f"{key} {tuple(state[key].shape)} for {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    retyped = [
        f"{key} {_dtype(state[key])} for {_dtype(value)}"
        for key, value in expected.items()
        if key in state and state[key].is_floating_point() != value.is_floating_point()
    ]
    faults = [
        _few("missing", missing),
        _few("unexpected", unexpected),
        _few("of another shape", reshaped),
        _few("of another type", retyped),
    ]
    if any(faults):
        raise CheckpointError(f"{path} is not {what}: {'; '.join(filter(None, faults))}.")


def _dtype(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _few(label: str, items: list[str], shown: int = 3) -> str:
    if not items:
        return ""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return f"{label}: {', '.join(items[:shown])}{more}"
