"""Building networks and running them in exact fp32."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import torch
from torch import Tensor, nn

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.weights import check_keys

Network = TypeVar("Network", bound=nn.Module)
TOKENIZERS = Lock()  # a fast tokenizer keeps its length of truncation: threads that share one take turns


def equal_length_batches(lengths: Sequence[int], max_total: int) -> Iterator[list[int]]:
    """Batches of rows of equal length, in order, with a total length of at most ``max_total`` (or a single row)."""
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(length, []).append(row)
    for length, rows in groups.items():
        size = max(1, max_total // max(1, length))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]


class _ExactConvolutions:
    """cuDNN's settings are those of the process: the first thread that enters sets them, the last one that leaves restores them."""

    def __init__(self) -> None:
        self._lock, self._inside, self._settings = Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
                self._settings.enter_context(exact)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._settings.close()


_EXACT = _ExactConvolutions()


@contextmanager
def own_arithmetic() -> Iterator[None]:
    """Float32 without autocast, and new tensors on the CPU, whatever the calling program has set.

    Raises:
        ReaudioError: torch's default dtype is another one, which is a setting of the whole process.
    """
    if torch.get_default_dtype() != torch.float32:
        raise ReaudioError(
            f"The default dtype of torch is {torch.get_default_dtype()}: call torch.set_default_dtype(torch.float32) before."
        )
    with ExitStack() as settings:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                settings.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            settings.enter_context(torch.device("cpu"))
        yield


@contextmanager
def exact_inference() -> Iterator[None]:
    """No gradients, deterministic convolutions, and full fp32 instead of cuDNN's default TF32; for several threads at once.

    Raises:
        ReaudioError: see :func:`own_arithmetic`.
    """
    with own_arithmetic(), torch.inference_mode(), _EXACT:
        yield


@contextmanager
def tf32_products(wanted: bool) -> Iterator[None]:
    """Matrix products of float32 in TF32 on GPUs that have it, if ``wanted``; a setting of the whole process, restored at the end."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = wanted or before
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def open_device(device: str) -> torch.device:
    """The torch device ``device`` ("cpu", "cuda", "cuda:1"; "auto" is "cuda" if available, else "cpu").

    Raises:
        ReaudioError: no such device.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ReaudioError(f"--device {device} is not a device: use cpu, cuda or cuda:N.") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ReaudioError(f"--device {device}: PyTorch finds {torch.cuda.device_count()} CUDA devices; use cpu.")
    if found.type not in ("cpu", "cuda"):
        raise ReaudioError(f"--device {device} is not supported: use cpu, cuda or cuda:N.")
    return found


def build(
    make: Callable[[], Network], state: Mapping[str, Tensor], *, path: Path, what: str, device: torch.device
) -> Network:
    """A network with the weights of a checkpoint, in fp32 and evaluation mode.

    The network is built on the meta device, which avoids an initialisation that would be overwritten.

    Raises:
        CheckpointError: keys or shapes differ (see :func:`reaudio_model.common.weights.check_keys`).
    """
    with torch.device("meta"):
        network = make()
    check_keys(state, network, path, what)
    network.load_state_dict(state, assign=True)
    return network.float().eval().requires_grad_(False).to(device)


def network_sha256(network: nn.Module) -> str:
    """SHA-256 (hex) of a network's weights: names, dtypes, shapes and bytes.

    Unlike the hash of a file it does not depend on the layout, so it identifies features computed with the same weights.
    """
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
