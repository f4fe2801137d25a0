"""Batches of equal length, the precision networks run at, devices, and the identity of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.inference import (
    build,
    equal_length_batches,
    exact_inference,
    network_sha256,
    open_device,
    tf32_products,
)

CPU = torch.device("cpu")


@given(lengths=st.lists(st.integers(0, 5), max_size=30), max_total=st.integers(1, 20))
def test_batches_hold_every_row_once_and_one_length_each(lengths: list[int], max_total: int) -> None:
    batches = list(equal_length_batches(lengths, max_total))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[row] for row in batch}) == 1
        assert len(batch) == 1 or sum(lengths[row] for row in batch) <= max_total


def test_inference_is_full_precision_and_leaves_the_settings_alone() -> None:
    before = torch.backends.cudnn.allow_tf32
    with exact_inference():
        assert torch.is_inference_mode_enabled()
        assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cudnn.deterministic is True
    assert torch.backends.cudnn.allow_tf32 == before
    assert not torch.is_inference_mode_enabled()


def test_tf32_is_set_for_a_while_and_a_callers_own_setting_stays() -> None:
    settings = torch.backends.cuda.matmul
    assert not settings.allow_tf32
    with tf32_products(False):
        assert not settings.allow_tf32
    for inner in (True, False):
        with tf32_products(True), tf32_products(inner):
            assert settings.allow_tf32
        assert not settings.allow_tf32


def test_a_network_is_built_from_a_state_dict_ready_to_run() -> None:
    source = nn.Linear(3, 2).half()
    network = build(lambda: nn.Linear(3, 2), source.state_dict(), path=Path("net.pt"), what="a net", device=CPU)
    torch.testing.assert_close(network.weight, source.weight.float(), atol=0, rtol=0)
    assert not network.training
    assert not network.weight.requires_grad
    with pytest.raises(CheckpointError, match=r"net\.pt is not a net: of another shape: weight \(2, 3\) for \(2, 4\)"):
        build(lambda: nn.Linear(4, 2), source.state_dict(), path=Path("net.pt"), what="a net", device=CPU)


@pytest.mark.parametrize(
    ("device", "message"), [("tpu9", "is not a device"), ("cuda:99", "PyTorch finds"), ("meta", "is not supported")]
)
def test_devices_that_are_not_there_are_refused(device: str, message: str) -> None:
    with pytest.raises(ReaudioError, match=f"--device {device}.*{message}"):
        open_device(device)


def test_the_hash_of_a_network_is_that_of_its_weights() -> None:
    torch.manual_seed(0)
    network, other = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    first = network_sha256(network)
    assert first == network_sha256(other)
    other.num_batches_tracked += 1
    assert network_sha256(other) != first
    assert network_sha256(network.half()) != first
    assert network_sha256(nn.Linear(2, 3)) != network_sha256(nn.Linear(2, 3))


def test_the_hash_reads_every_kind_of_tensor() -> None:
    """Transposed views, scalars, bfloat16 (NumPy has none), empty tensors."""
    network = nn.Module()
    network.register_buffer("scalar", torch.tensor(3))
    network.register_buffer("empty", torch.zeros(0, 4))
    network.register_buffer("bfloat", torch.ones(3, dtype=torch.bfloat16))
    network.register_buffer("strided", torch.arange(6.0).reshape(2, 3).T)
    first = network_sha256(network)
    network.strided = network.strided.contiguous()
    assert network_sha256(network) == first
