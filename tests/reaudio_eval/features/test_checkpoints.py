"""Checkpoints: where they are found, how they are fetched, and that reading them runs nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reaudio_eval.features import download as _download
from reaudio_eval.features.active import ActiveEmbedder, activate
from reaudio_eval.features.checkpoints import checkpoint_notes, published_name, resolve
from reaudio_eval.features.embedders import (
    CheckpointFile,
    EmbedderSpec,
    audiobox_aesthetics,
    clap,
    efficientat,
    msclap,
    openl3,
    panns,
    passt,
    vggish,
)
from reaudio_eval.features.feature_set import Undefined
from reaudio_eval.features.protocols import PROTOCOLS, get_protocol
from reaudio_model.common.errors import CheckpointError, ReaudioError

CONTENT = b"weights" * 1000
RATE = 16_000


def spec_for(url: str, sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> EmbedderSpec:
    file = CheckpointFile("net.pth", url, sha256, n_bytes=7_000_000, licence="MIT", sample_rate=RATE)
    other = replace(file, filename="other.pth")
    return replace(panns.PLUGIN.spec, title="Net", checkpoints=(file, other), tokenizer=None)


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
    with pytest.raises(
        CheckpointError, match=r"--checkpoint net=.*gone\.pth: there is no such file; Net needs one such as net\.pth"
    ):
        find(spec, tmp_path, explicit=tmp_path / "gone.pth")


def test_folders_are_for_embedders_that_take_them(spec: EmbedderSpec, tmp_path: Path) -> None:
    assert find(replace(spec, folder=True), tmp_path, explicit=tmp_path) == tmp_path
    with pytest.raises(CheckpointError, match=r"is a folder; Net needs a file such as net\.pth"):
        find(spec, tmp_path, explicit=tmp_path)


def test_the_clap_of_a_saved_pipeline_is_found_in_its_folder(spec: EmbedderSpec, tmp_path: Path) -> None:
    (tmp_path / "clap").mkdir()
    (tmp_path / "clap" / "model.safetensors").write_bytes(CONTENT)
    with_text = replace(spec, folder=True, has_text=True)
    assert find(with_text, tmp_path, explicit=tmp_path) == tmp_path / "clap"
    assert find(with_text, tmp_path, explicit=tmp_path / "clap") == tmp_path / "clap"


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


@pytest.mark.parametrize(
    "spec",
    [each.PLUGIN.spec for each in (audiobox_aesthetics, clap, efficientat, msclap, openl3, panns, passt, vggish)],
    ids=lambda s: s.title,
)
def test_every_published_file_says_where_it_comes_from(spec: EmbedderSpec) -> None:
    names = [file.filename for file in spec.checkpoints]
    assert len(set(names)) == len(names)
    assert spec.checkpoints[0].sha256 or spec is openl3.PLUGIN.spec, "the default file can be downloaded and verified"
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


def test_nothing_imports_torch_before_a_network_is_loaded() -> None:
    code = (
        "import sys, reaudio_eval.features.checkpoints\n"
        "from reaudio_eval.features.embedders import audiobox_aesthetics, clap, efficientat, msclap, openl3, panns, passt, vggish\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- notes on a given file ---

SHA = hashlib.sha256(CONTENT).hexdigest()


def notes(spec: EmbedderSpec, name: str, sha256: str = SHA, preferred: str | None = None) -> tuple[str, ...]:
    return checkpoint_notes(spec, Path("somewhere") / name, sha256, "some-protocol", preferred)


def test_the_published_file_needs_no_note_and_is_recognised_under_any_name(spec: EmbedderSpec) -> None:
    assert notes(spec, "net.pth") == ()
    assert notes(spec, "mine.pth") == ()
    assert published_name(spec, SHA) == "net.pth"
    assert published_name(spec, "0" * 64) is None
    short = replace(spec, checkpoints=(replace(spec.checkpoints[0], sha256=SHA[:8]),))
    assert published_name(short, SHA) == "net.pth"


def test_a_published_name_with_other_bytes_is_noted(spec: EmbedderSpec) -> None:
    (note,) = notes(spec, "net.pth", "0" * 64)
    assert "net.pth differs from the published file of that name: it is damaged or retrained" in note
    assert notes(spec, "mine.pth", "0" * 64) == ()


def test_one_published_file_under_the_name_of_another_is_noted(spec: EmbedderSpec) -> None:
    first, second = spec.checkpoints
    both = replace(spec, checkpoints=(first, replace(second, sha256="1" * 64)))
    assert notes(both, "other.pth") == ("other.pth is the published net.pth, not the file that its name says.",)


def test_a_checkpoint_that_is_not_the_protocols_is_noted(spec: EmbedderSpec) -> None:
    assert notes(spec, "renamed.pth", preferred="net.pth") == ()
    (note,) = notes(spec, "renamed.pth", preferred="third.pth")
    assert "some-protocol uses third.pth for Net, this run uses net.pth" in note
    (note,) = notes(spec, "mine.pth", "0" * 64, preferred="net.pth")
    assert "this run uses mine.pth" in note


def test_the_musical_clap_is_noted_under_all_protocols_but_audiocraft() -> None:
    file = next(f for f in clap.PLUGIN.spec.checkpoints if f.filename == "music_audioset_epoch_15_esc_90.14.pt")
    used = {name: protocol.checkpoint("clap") for name, protocol in PROTOCOLS.items()}
    silent = [n for n, it in used.items() if not notes(clap.PLUGIN.spec, file.filename, file.sha256, it)]
    assert silent == ["audiocraft"]
    assert {protocol.checkpoint("panns") for protocol in PROTOCOLS.values()} == {None}


def test_flipped_bits_of_a_published_file_are_noted(tmp_path: Path, spec: EmbedderSpec) -> None:
    for position in range(0, len(CONTENT), 500):
        damaged = bytearray(CONTENT)
        damaged[position] ^= 1
        path = tmp_path / str(position) / "net.pth"
        path.parent.mkdir()
        path.write_bytes(damaged)
        found = activate(
            "panns", spec, get_protocol("miniature"), checkpoint=path, cache_dir=tmp_path, device="cpu", allow_download=False
        )
        assert isinstance(found, ActiveEmbedder)
        assert found.published is None
        assert "damaged or retrained" in found.checkpoint_notes[0]
