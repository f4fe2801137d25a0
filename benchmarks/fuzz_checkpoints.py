"""Damaged and odd checkpoints, read as every network of the package reads them.

    python benchmarks/fuzz_checkpoints.py [--inputs 500] [--seed N]

Every input is the weights of a small VAE or of a miniature's part, changed by its seed: bytes flipped, inserted, left out or cut off in a
pickle (zip and legacy), a safetensors file, its header, or a converted file in the cache; tensors of odd types; code in a pickle. It may be
loaded or refused (one CheckpointError sentence with the file's name). Faults are a crash, a hang, an error of another kind, weights that
are not finite, code that ran, and, where a digest is known (converted files, the package's own weights), other values than the original.
Elsewhere a flipped bit in a weight cannot be seen: a published file is compared with its published SHA-256.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import shutil
import struct
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fuzzing import Limits, Outcome, main
from safetensors.torch import save, save_file

from reaudio_model.codec.codec import build_vae
from reaudio_model.codec.codec_checkpoints import load_vae
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.weights import load_state_dict
from reaudio_model.config import PRESETS
from reaudio_model.miniature import bundled

GROUPS = ("zip", "legacy pickle", "safetensors", "header", "converted", "odd tensors", "odd content", "own weights")
LOADED, REFUSED = "loaded", "refused"
ALTERED, OTHER_ERROR, RAN = "altered", "other error", "code ran"
CODEC = PRESETS["tiny"].codec
State = dict[str, torch.Tensor]
Rng = np.random.Generator


@cache
def state() -> State:
    """Weights of a VAE of the tiny preset."""
    torch.manual_seed(0)
    return {name: value.clone() for name, value in build_vae(CODEC).state_dict().items()}


@cache
def encoded(kind: str) -> bytes:
    """The whole file."""
    if kind in ("safetensors", "header"):
        return save(state(), {"format": "pt"})
    buffer = io.BytesIO()
    content = {"state_dict": state(), "epoch": 3, "args": argparse.Namespace(lr=1e-4)}
    torch.save(content, buffer, _use_new_zipfile_serialization=kind != "legacy pickle")
    return buffer.getvalue()


def damaged(data: bytes, rng: Rng, head: bool) -> bytes:
    """Bytes flipped, inserted, left out, doubled or cut off; in the first tenth or last tenth where ``head``."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = max(1, len(changed))
        at = int(rng.integers(size // 10 + 1)) if head else int(rng.integers(size))
        if head and rng.random() < 0.5:
            at = size - 1 - at
        n = int(rng.integers(1, 64))
        kind = rng.choice(["flip", "insert", "leave out", "cut", "double", "zero"])
        if kind == "flip" and changed:
            changed[at] ^= 1 << int(rng.integers(8))
        elif kind == "insert":
            changed[at:at] = rng.bytes(n)
        elif kind == "leave out":
            del changed[at : at + n]
        elif kind == "cut":
            del changed[at:]
        elif kind == "double":
            changed[at:at] = changed[at : at + n]
        else:
            changed[at : at + n] = bytes(min(n, len(changed) - at))
    return bytes(changed)


def odd_header(data: bytes, rng: Rng) -> bytes:
    """A safetensors file whose header says something else."""
    size: int = struct.unpack("<Q", data[:8])[0]
    header: dict[str, Any] = json.loads(data[8 : 8 + size])
    names = [name for name in header if name != "__metadata__"]
    entry = header[str(rng.choice(names))]
    odd: list[Callable[[], Any]] = [
        lambda: entry.update(shape=[int(rng.integers(-5, 2**40))]),
        lambda: entry.update(shape=[2**62, 2**62]),
        lambda: entry.update(dtype=str(rng.choice(["F64", "I8", "BOOL", "F8_E4M3", "C64", "X", ""]))),
        lambda: entry.update(data_offsets=[int(rng.integers(0, 2**63)), int(rng.integers(0, 2**63))]),
        lambda: entry.update(data_offsets=[5, 1]),
        lambda: entry.clear(),
        lambda: header.pop(str(rng.choice(names))),
        lambda: header.update({"": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}),
        lambda: header.update(__metadata__={"a": "b" * 10**6}),
        lambda: header.update(__metadata__=[1, 2]),
    ]
    odd[int(rng.integers(len(odd)))]()
    text = json.dumps(header).encode()
    declared = int(rng.choice([len(text), len(text), len(text), 0, 2**31, 2**63, len(text) + 1]))
    return struct.pack("<Q", declared) + text + data[8 + size :]


def odd_tensor(rng: Rng, value: torch.Tensor) -> torch.Tensor:
    """A tensor that is no plain array of finite real numbers, or one of another type or shape."""
    makers: list[Callable[[], torch.Tensor]] = [
        lambda: value.to(torch.int8),
        lambda: value > 0,
        lambda: value.to(torch.complex64),
        lambda: value.to_sparse(),
        lambda: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
        lambda: torch.empty(value.shape, device="meta"),
        lambda: value * float("nan"),
        lambda: torch.full_like(value, float("inf")).half(),
        lambda: torch.zeros(1).expand(10**9),
        lambda: value.to(torch.float8_e5m2),
        lambda: value.double(),
        lambda: value.bfloat16(),
        lambda: value.reshape(-1)[:0],
        lambda: value.t() if value.dim() == 2 else value[None],
    ]
    return makers[int(rng.integers(len(makers)))]()


class Runs:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.target),)


def odd_content(rng: Rng, mark: Path) -> Any:
    """Something else than a state dict."""
    deep: Any = state()
    for _ in range(int(rng.integers(1, 400))):
        deep = [deep]
    contents: list[Any] = [
        None, 3, "text", [], {}, {"state_dict": None}, {"state_dict": [state()]}, {1: torch.ones(2)}, {"state_dict": {}}, deep,
        {"state_dict": state(), "x": Runs(mark)}, {"state_dict": state(), "x": torch.nn.Linear(1, 1)}, Runs(mark), {"a": {"b": state()}},
        {f"module.{name}": value for name, value in state().items()}, {**state(), "x" * 10**5: torch.ones(1)},
        {**state(), "state_dict": state()}, np.ones(3), {"state_dict": {**state(), None: torch.ones(1)}},
    ]  # fmt: skip
    return contents[int(rng.integers(len(contents)))]


def make(group: str, rng: Rng, folder: Path) -> Path:
    """The input, as a file."""
    path = folder / ("net.safetensors" if group in ("safetensors", "header") else "net.pth")
    if group == "header":
        path.write_bytes(odd_header(encoded(group), rng))
    elif group == "odd tensors":
        names = [str(name) for name in rng.choice(list(state()), int(rng.integers(1, 4)))]
        torch.save(state() | {name: odd_tensor(rng, state()[name]) for name in names}, path)
    elif group == "odd content":
        torch.save(odd_content(rng, folder / "ran"), path, _use_new_zipfile_serialization=bool(rng.integers(2)))
    else:
        path.write_bytes(damaged(encoded(group), rng, bool(rng.integers(2))))
    return path


def tried(load: Callable[[], Any], path: Path, expected: State | None = None) -> Outcome:
    """Load it; ``expected``: the only values that may come out."""
    try:
        found = load()
    except CheckpointError as error:
        text = str(error)
        sentence = path.name in text and text.endswith(".") and "\n" not in text
        return Outcome(REFUSED if sentence else OTHER_ERROR, text)
    values: State = found if isinstance(found, dict) else found.state_dict()
    if not all(torch.isfinite(value).all() for value in values.values()):
        return Outcome(ALTERED, "weights that are not finite")
    if expected is not None and not (
        values.keys() == expected.keys() and all(torch.equal(values[name], expected[name]) for name in expected)
    ):
        return Outcome(ALTERED, "other values than the original")
    return Outcome(LOADED)


def converted(rng: Rng, folder: Path) -> Outcome:
    """A converted file of the cache, damaged: the user's checkpoint is read again."""
    path = folder / "net.pth"
    path.write_bytes(encoded("zip"))
    load_state_dict(path, wrapper="state_dict", cache_dir=folder)
    (cached,) = (folder / "converted").iterdir()
    if rng.random() < 0.2:
        save_file({name: value + 1 for name, value in state().items()}, cached)
    else:
        cached.write_bytes(damaged(cached.read_bytes(), rng, bool(rng.integers(2))))
    return tried(lambda: load_state_dict(path, wrapper="state_dict", cache_dir=folder), path, state())


def own_weights(rng: Rng, folder: Path) -> Outcome:
    """A damaged file of the package's own weights."""
    shutil.copytree(bundled.FOLDER / "t5", folder / "weights" / "t5")
    shutil.copy(bundled.FOLDER / bundled.MANIFEST, folder / "weights")
    path = folder / "weights" / "t5" / str(rng.choice(sorted(p.name for p in (folder / "weights/t5").iterdir())))
    before = path.read_bytes()
    path.write_bytes(damaged(before, rng, bool(rng.integers(2))))
    is_same = path.read_bytes() == before
    bundled.FOLDER, whole = folder / "weights", bundled.FOLDER
    bundled.part.cache_clear()
    bundled.manifest.cache_clear()
    try:
        outcome = tried(lambda: {"t5": torch.ones(1) if bundled.part("t5") else torch.zeros(1)}, path)
    finally:
        bundled.FOLDER = whole
    return Outcome(ALTERED, "accepted") if outcome.kind == LOADED and not is_same else outcome


def check(group: str, seed: int, folder: Path) -> Outcome:
    """One input."""
    rng = np.random.default_rng(seed)
    warnings.simplefilter("ignore")
    logging.disable()
    if group == "converted":
        return converted(rng, folder)
    if group == "own weights":
        return own_weights(rng, folder)
    path = make(group, rng, folder)
    outcome = tried(lambda: load_vae(path, CODEC), path)
    state_outcome = tried(lambda: load_state_dict(path, wrapper="state_dict"), path)
    if (folder / "ran").exists():
        return Outcome(RAN, "code in the file was executed")
    return state_outcome if state_outcome.kind not in (LOADED, REFUSED) else outcome


if __name__ == "__main__":
    sys.exit(main(check, GROUPS, (LOADED, REFUSED), (ALTERED, OTHER_ERROR, RAN), Limits(seconds=30.0)))
