"""Files that carry their digest: every changed byte is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save, save_file

from reaudio_model.common.digests import (
    SEAL,
    altered_files,
    check_safetensors,
    check_sealed,
    folder_digests,
    open_sealed_json,
    seal_safetensors,
    sealed_json,
    sealed_safetensors,
)

TENSORS = {"frames": np.arange(6, dtype=np.float32).reshape(2, 3), "logits": np.zeros(2, dtype=np.float32)}


def test_a_sealed_file_is_valid_and_holds_the_same_tensors() -> None:
    data = sealed_safetensors(save(TENSORS, metadata=SEAL))
    assert check_sealed(data)
    back = load(data)
    assert all(np.array_equal(back[name], value) for name, value in TENSORS.items())


def test_every_flipped_bit_is_seen(tmp_path: Path) -> None:
    data = sealed_safetensors(save(TENSORS, metadata=SEAL))
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << (place % 8)
        assert not check_sealed(bytes(changed)), place
    assert not any(check_sealed(data[:n]) for n in range(len(data)))
    assert not check_sealed(data + b"\0")


def test_a_file_is_sealed_in_place_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(TENSORS, path, metadata=SEAL)
    assert not check_safetensors(path)
    seal_safetensors(path)
    assert check_safetensors(path)
    assert path.read_bytes() == sealed_safetensors(save(TENSORS, metadata=SEAL))
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert not check_safetensors(path)
    assert not check_safetensors(tmp_path / "absent.safetensors")
    path.write_bytes((2**62).to_bytes(8, "little") + path.read_bytes()[8:])  # no memory holds such a header
    assert not check_safetensors(path)


def test_a_file_without_a_digest_is_not_accepted() -> None:
    data = save(TENSORS)
    assert not check_sealed(data)
    with pytest.raises(ValueError, match="without a digest"):
        sealed_safetensors(data)


def test_sealed_json() -> None:
    value = {"b": [1, 2.5, None, "ü"], "a": {}}
    data = sealed_json(value)
    assert open_sealed_json(data) == value
    for damaged in (data.replace(b"2.5", b"2.6"), data[:-3], b"{}", b"[]", b"null", b"\xff", b"", b'{"value": 1}'):
        assert open_sealed_json(damaged) is None


def test_altered_files_are_named(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    digests = folder_digests(tmp_path, "abc")
    assert altered_files(tmp_path, digests) == []
    (tmp_path / "b").write_text("other")
    (tmp_path / "c").unlink()
    assert altered_files(tmp_path, digests) == ["b", "c"]
