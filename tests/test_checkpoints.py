"""Checkpoints: where they are found, how they are fetched, and that reading them runs nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from reaudio_eval import _download, checkpoints
from reaudio_eval.checkpoints import resolve
from reaudio_eval.embedders import CheckpointFile, EmbedderSpec, clap, efficientat, panns, vggish
from reaudio_eval.metrics import Undefined
from reaudio_model.common.errors import CheckpointError, ReaudioError
from reaudio_model.common.weights import check_keys, checkpoint_sha256, load_state_dict, sha256_file

CONTENT = b"weights" * 1000
RATE = 16_000


def spec_for(url: str, sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> EmbedderSpec:
    file = CheckpointFile("net.pth", url, sha256, n_bytes=7_000_000, licence="MIT", sample_rate=RATE)
    other = replace(file, filename="other.pth")
    return replace(panns.SPEC, title="Net", checkpoints=(file, other), tokenizer=None)


@pytest.fixture
def spec() -> EmbedderSpec:
    return spec_for("http://127.0.0.1:9/net.pth")  # port 9: nobody answers


@pytest.fixture
def server() -> Iterator[str]:
    """A web server that answers every request with CONTENT."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/net.pth"
    running.shutdown()
    running.server_close()


def find(
    spec: EmbedderSpec, cache: Path, *, explicit: Path | None = None, download: bool = False, preferred: str | None = None
) -> Path | Undefined:
    return resolve(
        "net",
        spec,
        explicit=explicit,
        sample_rate=RATE,
        cache_dir=cache,
        allow_download=download,
        preferred_filename=preferred,
    )


def put(cache: Path, name: str, content: bytes = CONTENT) -> Path:
    path = cache / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- finding ---


def test_the_named_file_wins_over_the_cache_and_is_taken_as_it_is(spec: EmbedderSpec, tmp_path: Path) -> None:
    put(tmp_path, "net.pth")
    mine = tmp_path / "mine.pth"
    mine.write_bytes(b"fine-tuned")
    assert find(spec, tmp_path, explicit=mine) == mine


def test_a_named_file_that_does_not_exist_is_an_error(spec: EmbedderSpec, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"--checkpoint net=.*gone\.pth: there is no such file; Net needs net\.pth"):
        find(spec, tmp_path, explicit=tmp_path / "gone.pth")


def test_folders_are_for_embedders_that_take_them(spec: EmbedderSpec, tmp_path: Path) -> None:
    assert find(replace(spec, folder=True), tmp_path, explicit=tmp_path) == tmp_path
    with pytest.raises(CheckpointError, match=r"is a folder; Net needs a file such as net\.pth"):
        find(spec, tmp_path, explicit=tmp_path)


def test_a_hub_id_outside_the_local_cache_needs_permission(spec: EmbedderSpec, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match="'nobody/no-such-model' is neither a file nor in the local Hugging Face cache"
    ):
        find(replace(spec, folder=True), tmp_path, explicit=Path("nobody/no-such-model"))


def test_a_hub_id_is_found_in_the_local_cache(spec: EmbedderSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def snapshot(hub_id: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        assert hub_id == "org/model"
        assert local_files_only
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert find(replace(spec, folder=True), tmp_path, explicit=Path("org/model")) == tmp_path


def test_permission_to_download_also_fetches_the_tokenizer(
    spec: EmbedderSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def snapshot(hub_id: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append((hub_id, local_files_only))
        raise OSError("no network")  # not an error: a tokenizer may lie beside the checkpoint

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    path = put(tmp_path, "net.pth")
    with_tokenizer = replace(spec, tokenizer="org/tokenizer")
    assert find(with_tokenizer, tmp_path) == path
    assert asked == []
    assert find(with_tokenizer, tmp_path, download=True) == path
    assert asked == [("org/tokenizer", False)]


def test_a_published_file_in_the_cache_is_found_and_verified(spec: EmbedderSpec, tmp_path: Path) -> None:
    path = put(tmp_path, "other.pth")
    assert find(spec, tmp_path) == path
    put(tmp_path, "net.pth", b"something else")
    with pytest.raises(CheckpointError, match=r"net\.pth is not the published net\.pth: its SHA-256 is .*fetch it again"):
        find(spec, tmp_path)
    assert (tmp_path / "checkpoints" / "net.pth").read_bytes() == b"something else"


def test_a_protocols_file_is_not_replaced_by_another(spec: EmbedderSpec, tmp_path: Path) -> None:
    put(tmp_path, "net.pth")
    found = find(spec, tmp_path, preferred="other.pth")
    assert isinstance(found, Undefined)
    assert "put other.pth into" in found.reason
    unknown = find(spec, tmp_path, preferred="third.pth")
    assert unknown == Undefined("no published Net checkpoint called third.pth works at 16000 Hz")


def test_without_a_checkpoint_the_reason_names_the_three_ways(spec: EmbedderSpec, tmp_path: Path) -> None:
    found = find(spec, tmp_path)
    assert found == Undefined(
        f"no checkpoint: give --checkpoint net=PATH, put net.pth into {tmp_path / 'checkpoints'}, "
        "or give --allow-download (7 MB, MIT)"
    )


@pytest.mark.parametrize("spec", [vggish.SPEC, panns.SPEC, efficientat.SPEC, clap.SPEC], ids=lambda s: s.title)
def test_every_published_file_says_where_it_comes_from(spec: EmbedderSpec) -> None:
    names = [file.filename for file in spec.checkpoints]
    assert len(set(names)) == len(names)
    assert spec.checkpoints[0].sha256, "the default file can be downloaded and verified"
    for file in spec.checkpoints:
        assert file.url.startswith("https://")
        assert file.sample_rate in spec.sample_rates
        assert set(file.sha256) <= set("0123456789abcdef")


# --- downloading ---


def test_a_download_is_verified_and_leaves_nothing_else(server: str, tmp_path: Path) -> None:
    path = find(spec_for(server), tmp_path, download=True)
    assert isinstance(path, Path)
    assert path.read_bytes() == CONTENT
    assert {p.name for p in path.parent.iterdir()} <= {"net.pth", "net.pth.lock"}


def test_other_bytes_than_the_published_are_not_kept(server: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not the published net\.pth"):
        find(spec_for(server, sha256="0" * 64), tmp_path, download=True)
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} <= {"net.pth.lock"}


def test_a_file_without_a_published_hash_is_not_downloaded(server: str, tmp_path: Path) -> None:
    found = find(spec_for(server, sha256=""), tmp_path, download=True)
    assert isinstance(found, Undefined)
    assert found.reason.endswith(f"(from {server})")


def test_without_a_network_the_remedy_is_named(spec: EmbedderSpec, tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"net\.pth cannot be downloaded .*: fetch http://127\.0\.0\.1:9/net\.pth by hand"
    ):
        find(spec, tmp_path, download=True)


def test_a_full_disk_is_one_sentence(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_download.os, "fsync", full)
    with pytest.raises(ReaudioError, match=r"Cannot write .*net\.pth: the disk is full"):
        find(spec_for(server), tmp_path, download=True)
    assert not (tmp_path / "checkpoints" / "net.pth").exists()


# --- reading ---


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
    monkeypatch.setattr(checkpoints, "_unpickle", lambda _: pytest.fail("the pickle was read a second time"))
    assert_same_bits(first, state)
    assert_same_bits(load_state_dict(path, wrapper=wrapper, cache_dir=tmp_path), state)


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
    assert "was not kept" in caplog.text


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
    with pytest.raises(CheckpointError, match=r"evil\.pth contains code.* and was refused, nothing of it was run"):
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
    with pytest.raises(CheckpointError, match=r"holds no weights \(looked under 'model'\)"):
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


def test_nothing_imports_torch_before_a_network_is_loaded() -> None:
    code = (
        "import sys, reaudio_eval.checkpoints\n"
        "from reaudio_eval.embedders import clap, efficientat, panns, vggish\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
