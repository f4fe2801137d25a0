"""Rows of safetensors files: the library's own reader agrees, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.rows import RowFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "half": torch.randn(5, 3, 2, generator=generator).half(),
        "single": torch.randn(5, 7, generator=generator),
        "mask": torch.rand(5, 3, generator=generator) < 0.5,  # an odd number of bytes: what follows is not aligned
        "number": torch.arange(5),
    }
    save_file(tensors, tmp_path / "rows.safetensors", {"keys": "[1, 2]"})
    return tmp_path / "rows.safetensors"


def test_tensors_and_metadata_are_the_librarys(path: Path) -> None:
    file = RowFile(path)
    expected = load_file(path)
    assert file.metadata == {"keys": "[1, 2]"}
    assert file.tensors.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(file.tensors[name], value.numpy()), name
        assert np.array_equal(file.tensors[name][3], value[3].numpy()), name
        assert file.tensors[name].dtype == value.numpy().dtype


def test_the_file_is_not_changed_through_a_row(path: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        RowFile(path).tensors["half"][0] = 0


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no header", "no json", "offsets", "type"])
def test_damage_is_named(path: Path, damage: str) -> None:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if damage == "missing":
        path.unlink()
    elif damage in ("offsets", "type"):
        header["half"] |= {"data_offsets": [0, 2]} if damage == "offsets" else {"dtype": "F8_E4M3"}
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
    else:
        path.write_bytes(
            {"empty": b"", "cut": content[:-50], "no header": b"\xff" * 64, "no json": content[:8] + b"x" * 400}[damage]
        )
    with pytest.raises(ReaudioError, match=r"rows\.safetensors is missing or damaged"):
        RowFile(path)
