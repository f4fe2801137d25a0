"""Memory-mapped tensors: copies for other processes, damaged files."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.tensor_files import TensorFiles


def test_files_are_opened_once_and_again_in_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"rows": torch.arange(6).reshape(3, 2)}, path)
    files = TensorFiles()
    assert files[path]["rows"][1].tolist() == [2, 3]
    assert files[path] is files[path]
    assert len(pickle.dumps(files)) == len(pickle.dumps(TensorFiles()))
    assert pickle.loads(pickle.dumps(files))[path]["rows"].tolist() == files[path]["rows"].tolist()  # own


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for _ in range(2):
        with pytest.raises(ReaudioError, match=r"x\.safetensors is missing or damaged: repeat the command"):
            TensorFiles()[path]
        path.write_bytes(b"noise")
