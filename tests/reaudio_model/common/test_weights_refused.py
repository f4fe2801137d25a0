"""Checkpoints that are refused in one sentence, prefixes and arguments that are accepted, and conversions with a digest."""

from __future__ import annotations

import argparse
import logging
import os
import struct
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from reaudio_model.common import weights
from reaudio_model.common.digests import check_safetensors
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.weights import check_finite, check_keys, load_state_dict

GOOD = {"a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3), "a.bias": torch.ones(2)}


def quantised() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.qint8)


ODD: dict[str, tuple[Callable[[], Tensor], str]] = {
    "nan": (lambda: torch.tensor([1.0, float("nan")]), r"contain NaN or infinity: use another checkpoint"),
    "infinite": (lambda: torch.tensor([1.0, float("-inf")]).half(), r"contain NaN or infinity: use another checkpoint"),
    "complex": (lambda: torch.ones(2, dtype=torch.complex64), r"are complex64: use the file in float32"),
    "float8": (lambda: torch.ones(2).to(torch.float8_e4m3fn), r"are float8_e4m3fn: use the file in float32"),
    "sparse": (lambda: torch.eye(3).to_sparse(), r"are sparse: use the file in float32"),
    "quantised": (quantised, r"are quantised: use the file in float32"),
    "meta": (lambda: torch.ones(2, device="meta"), r".*a meta tensor\): save them from a model that is in memory"),
    "expanded": (lambda: torch.ones(1).expand(1000), r"repeat values that the file has once: save a contiguous copy"),
}


def one_sentence(error: BaseException, path: Path) -> bool:
    text = str(error)
    return str(path) in text and text.endswith(".") and "\n" not in text


@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_are_no_weights_are_named(kind: str, tmp_path: Path) -> None:
    make, message = ODD[kind]
    path = tmp_path / "net.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(GOOD | {"b.weight": make(), "c": make()}, path)
    with pytest.raises(CheckpointError, match=rf"^The weights b\.weight in .*net\.pth {message}") as raised:
        load_state_dict(path, cache_dir=tmp_path)
    assert one_sentence(raised.value, path)
    assert not (tmp_path / "converted").exists()


def test_nan_in_safetensors_and_in_a_network(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(GOOD | {"b": torch.tensor([float("inf")])}, path)
    with pytest.raises(CheckpointError, match=r"The weights b in .*net\.safetensors contain NaN"):
        load_state_dict(path)
    network = nn.Linear(2, 2)
    check_finite(network, "here")
    with torch.no_grad():
        network.bias[1] = float("nan")
    with pytest.raises(CheckpointError, match=r"^The weights bias in here contain NaN or infinity"):
        check_finite(network, "here")


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool, torch.int64])
def test_whole_numbers_are_no_weights(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {"weight": torch.ones(2, 2, dtype=dtype), "bias": torch.ones(2)}
    message = rf"of another type: weight {str(dtype).removeprefix('torch.')} for float32\.$"
    with pytest.raises(CheckpointError, match=message):
        check_keys(state, nn.Linear(2, 2), tmp_path / "net.pth", "a linear layer")
    buffers = nn.BatchNorm1d(2)
    with pytest.raises(CheckpointError, match="of another type: num_batches_tracked float32 for int64"):
        check_keys(buffers.state_dict() | {"num_batches_tracked": torch.tensor(1.0)}, buffers, tmp_path / "n", "a layer")
    check_keys({"weight": torch.ones(2, 2).half(), "bias": torch.ones(2)}, nn.Linear(2, 2), tmp_path / "n", "a layer")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_the_prefix_of_data_parallel_is_removed(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net.{suffix}"

    def read(state: dict[str, Tensor]) -> list[str]:
        (save_file if suffix == "safetensors" else torch.save)(state, path)
        return sorted(load_state_dict(path))

    assert read({f"module.{name}": value for name, value in GOOD.items()}) == sorted(GOOD)
    assert read(GOOD | {"module.x": torch.ones(1)}) == sorted([*GOOD, "module.x"])


def test_arguments_of_a_training_are_data(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": GOOD, "args": argparse.Namespace(lr=1e-4, layers=[1, 2], name=None)}, path)
    assert sorted(load_state_dict(path, wrapper="model")) == sorted(GOOD)


def as_file(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def header(text: bytes, size: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if size is None else size) + text


TENSOR = b'{"a":{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}}'
BAD_FILES: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "folder.pth": ("folder.pth", Path.mkdir, "is a folder: give the file of the weights in it"),
    "folder": ("a.safetensors", Path.mkdir, "is a folder: give the file of the weights in it"),
    "pipe": ("pipe.pth", os.mkfifo, "is no ordinary file"),
    "empty pickle": ("a.pth", Path.touch, r"is empty \(0 bytes\): download it again"),
    "empty safetensors": ("a.safetensors", Path.touch, r"is empty \(0 bytes\): download it again"),
    "missing": ("a.pth", lambda path: None, "does not exist"),
    "no tensors": ("a.safetensors", as_file(header(b"{}")), "contains no weights"),
    "huge header": ("a.safetensors", as_file(header(b"{}", 2**62)), "is truncated or damaged: download it again"),
    "no JSON": ("a.safetensors", as_file(header(b"\xff" * 32)), "is truncated or damaged"),
    "deep JSON": ("a.safetensors", as_file(header(b'{"a":' + b"[" * 10**5)), "is truncated or damaged"),
    "huge shape": ("a.safetensors", as_file(header(TENSOR % b"4611686018427387904, 4") + bytes(8)), "is truncated or damaged"),
    "negative shape": ("a.safetensors", as_file(header(TENSOR % b"-2") + bytes(8)), "is truncated or damaged"),
    "a list": ("a.safetensors", as_file(header(b"[1]")), "is truncated or damaged"),
    "a number of 5,000 digits": ("a.safetensors", as_file(header(TENSOR % (b"9" * 5000)) + bytes(8)), "is truncated or damaged"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_FILES)
def test_files_that_are_no_checkpoints(kind: str, tmp_path: Path) -> None:
    name, make, message = BAD_FILES[kind]
    path = tmp_path / name
    make(path)
    with pytest.raises(CheckpointError, match=message) as raised:
        load_state_dict(path, cache_dir=tmp_path)
    assert one_sentence(raised.value, path)


def test_a_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(
        CheckpointError, match=r"net\.pt is a TorchScript archive, a program: use a file of the weights alone"
    ):
        load_state_dict(path)


def test_a_converted_file_carries_its_digest_and_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every bit of the data counts: a flip gave other numbers without a word."""
    path = tmp_path / "net.pth"
    torch.save(GOOD, path)
    load_state_dict(path, cache_dir=tmp_path)
    (converted,) = (tmp_path / "converted").iterdir()
    whole = converted.read_bytes()
    assert check_safetensors(converted)
    for place in (20, len(whole) - 1):
        data = bytearray(whole)
        data[place] ^= 4
        converted.write_bytes(bytes(data))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            found = load_state_dict(path, cache_dir=tmp_path)
        assert all(torch.equal(found[name], value) for name, value in GOOD.items())
        assert [r.getMessage() for r in caplog.records] == [
            f"The converted checkpoint {converted} was damaged or of an earlier version: it is made again."
        ]
        assert converted.read_bytes() == whole
    save_file(GOOD, converted)  # of a version without digests
    load_state_dict(path, cache_dir=tmp_path)
    assert converted.read_bytes() == whole


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_raises_anything_else(data: st.DataObject) -> None:
    """Bits flipped, bytes removed, repeated or replaced: the tensors, or one sentence with the file's name."""
    layout = data.draw(st.sampled_from(["zip", "legacy", "safetensors"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("net.safetensors" if layout == "safetensors" else "net.pth")
        if layout == "safetensors":
            save_file(GOOD, path)
        else:
            torch.save({"model": GOOD, "epoch": 3}, path, _use_new_zipfile_serialization=layout == "zip")
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            start = data.draw(st.integers(0, len(content) - 1))
            stop = min(len(content), start + data.draw(st.integers(1, 16)))
            content[start:stop] = data.draw(st.binary(max_size=16))
            if not content:
                break
        path.write_bytes(bytes(content))
        state: dict[str, Tensor] = {}
        message = f"{path}."
        try:
            state = load_state_dict(path, wrapper="model")
        except CheckpointError as error:
            message = str(error)
        assert str(path) in message
        assert message.endswith(".")
        assert "\n" not in message
        assert all(isinstance(name, str) and torch.isfinite(value).all() for name, value in state.items())


def test_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.pth"
    torch.save(GOOD, path)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(CheckpointError, match=r"net\.pth cannot be read: Permission denied"):
        load_state_dict(path)
    assert weights.sha256_file(path)
