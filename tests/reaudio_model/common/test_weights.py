"""Weights in files: read without running anything in them, converted once, compared with what a network needs."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reaudio_model.common import weights
from reaudio_model.common.errors import CheckpointError
from reaudio_model.common.weights import check_keys, checkpoint_sha256, load_state_dict, sha256_file, weights_file


@pytest.fixture
def state() -> dict[str, Tensor]:
    return {"a": torch.arange(6, dtype=torch.float32).reshape(2, 3), "b": torch.randn(5, generator=torch.manual_seed(0))}


def assert_same_bits(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapper", [None, "model"])
def test_pickles_are_read_and_converted_once(
    state: dict[str, Tensor], tmp_path: Path, wrapper: str | None, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.pth"
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path, _use_new_zipfile_serialization=zipped)
    first = load_state_dict(path, wrapper=wrapper, cache_dir=tmp_path)
    assert [p.name for p in (tmp_path / "converted").iterdir()] == [f"{sha256_file(path)}.safetensors"]
    monkeypatch.setattr(weights, "read_pickle", lambda _: pytest.fail("the pickle was read a second time"))
    assert_same_bits(first, state)
    assert_same_bits(load_state_dict(path, wrapper=wrapper, cache_dir=tmp_path), state)


@pytest.mark.parametrize("found", ["generator", "state_dict"])
def test_of_several_wrappers_the_first_one_found_counts(state: dict[str, Tensor], tmp_path: Path, found: str) -> None:
    torch.save({"epoch": 3, "state_dict": {"c": torch.zeros(1)}, found: state}, tmp_path / "net.pth")
    assert_same_bits(load_state_dict(tmp_path / "net.pth", wrapper=("generator", "state_dict")), state)
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    with pytest.raises(CheckpointError, match="looked under 'generator' and 'state_dict'"):
        load_state_dict(tmp_path / "empty.pth", wrapper=("generator", "state_dict"))


@pytest.mark.parametrize("folder", ["", "vae"])
def test_weights_may_lie_in_the_part_of_a_pipeline(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "b.bin").touch()
    assert weights_file(tmp_path, names=("a.safetensors", "b.bin"), part="vae") == tmp_path / folder / "b.bin"
    with pytest.raises(CheckpointError, match=r"has no a\.safetensors, nor has its folder vae"):
        weights_file(tmp_path, names=("a.safetensors",), part="vae")


def test_a_damaged_conversion_is_made_again(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(state, path)
    load_state_dict(path, cache_dir=tmp_path)
    (converted,) = (tmp_path / "converted").iterdir()
    converted.write_bytes(converted.read_bytes()[:20])
    assert_same_bits(load_state_dict(path, cache_dir=tmp_path), state)
    assert_same_bits(load_file(converted), state)


def test_a_cache_that_cannot_be_written_does_not_stop_the_load(
    state: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "net.pth"
    torch.save(state, path)
    (tmp_path / "converted").write_text("a file where the folder should be")
    assert_same_bits(load_state_dict(path, cache_dir=tmp_path), state)
    assert "was not cached" in caplog.text


def test_safetensors_are_read_directly(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(state, path)
    assert_same_bits(load_state_dict(path, cache_dir=tmp_path), state)
    assert not (tmp_path / "converted").exists()


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numpy_numbers_and_arrays_beside_the_weights_are_harmless(
    state: dict[str, Tensor], tmp_path: Path, module: str
) -> None:
    """As LAION's (scalars in the optimizer) and PANNs' files (arrays in the sampler) have them, from NumPy 1 and 2."""

    content = {
        "model": state,
        "sampler": {"indexes": [np.arange(4), np.zeros((2, 2), np.float32)], "pointer": np.int64(7)},
        "optimizer": {"lr": np.float64(1e-3), "done": np.bool_(True)},
    }
    path = tmp_path / "net.pth"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert b"numpy._core.multiarray\n" in data
    path.write_bytes(data.replace(b"numpy._core.multiarray\n", f"{module}\n".encode()))
    assert_same_bits(load_state_dict(path, wrapper="model"), state)


class Malicious:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.target), "w")


@pytest.mark.parametrize("zipped", [True, False, None], ids=["zip", "legacy", "plain pickle"])
def test_code_in_a_pickle_is_refused_and_not_run(state: dict[str, Tensor], tmp_path: Path, zipped: bool | None) -> None:
    path, target = tmp_path / "evil.pth", tmp_path / "it-ran"
    content = {"model": state, "extra": Malicious(target)}
    if zipped is None:
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"evil\.pth contains code.* and was refused; none of it was run"):
        load_state_dict(path, wrapper="model", cache_dir=tmp_path)
    assert not target.exists()
    assert not (tmp_path / "converted").exists()


def test_a_whole_pickled_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(CheckpointError, match=r"contains code \(torch\.nn\.modules\.linear\.Linear\)"):
        load_state_dict(path)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("layout", ["zip", "legacy", "safetensors"])
def test_truncated_files_are_damaged(tmp_path: Path, layout: str, kept: float) -> None:
    path = tmp_path / ("net.safetensors" if layout == "safetensors" else "net.pth")
    state = {"weight": torch.zeros(5000)}
    if layout == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=layout == "zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(CheckpointError, match="truncated or damaged: download it again"):
        load_state_dict(path, cache_dir=tmp_path)


@pytest.mark.parametrize("content", [b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_web_pages_and_pointers_are_not_checkpoints(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_state_dict(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"model": {"name": "x"}}, {"model": 3}])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "net.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"contains no weights \(looked under 'model'\)"):
        load_state_dict(path, wrapper="model")


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_state_dict(tmp_path / "gone.pth")
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        sha256_file(tmp_path / "gone.pth")


def test_hashes_follow_the_content(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"abc")
    assert sha256_file(path) == hashlib.sha256(b"abc").hexdigest()
    assert checkpoint_sha256(tmp_path) == sha256_file(path)
    path.write_bytes(b"abcd")
    assert sha256_file(path) == hashlib.sha256(b"abcd").hexdigest()


def test_keys_are_compared_and_a_few_named(tmp_path: Path) -> None:
    state = {"weight": torch.zeros(3, 2), **{f"extra{i}": torch.zeros(1) for i in range(5)}}
    with pytest.raises(CheckpointError) as raised:
        check_keys(state, nn.Linear(2, 2), tmp_path / "net.pth", "a linear layer")
    assert str(raised.value) == (
        f"{tmp_path / 'net.pth'} is not a linear layer: missing: bias; unexpected: extra0, extra1, extra2 and 2 more; "
        "of another shape: weight (3, 2) for (2, 2)."
    )
