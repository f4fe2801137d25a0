"""What fetch lists, downloads and verifies; the hub and the web server are local."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hub_server import REVISION, hub_server
from typer.testing import CliRunner

from reaudio_eval.cli.app import make_app
from reaudio_eval.cli.needs import verify_snapshot
from reaudio_eval.clips.models.public.weights import REVISIONS
from reaudio_model.common.errors import CheckpointError

CONTENT = b"weights" * 1000
PLUGIN = '''"""{title}."""

from reaudio_eval.features.embedders import CheckpointFile, EmbedderPlugin, EmbedderSpec


class Plugin(EmbedderPlugin):
    spec = EmbedderSpec(
        title="{title}", sample_rates=(16_000,), many_frames=False, has_logits=False, has_text=False, vocabulary_name=None,
        min_seconds=0.0, source="a test",
        checkpoints=(CheckpointFile("{title}.pth", "{url}", "{sha256}", 7_000_000, "MIT", 16_000),),
        tokenizer={tokenizer!r},
    )

    def load(self, checkpoint, *, sample_rate, device, cache_dir=None):
        raise NotImplementedError


PLUGIN = Plugin()
'''


@pytest.fixture
def server() -> Iterator[str]:
    """A web server with /net.pth."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_there = self.path == "/net.pth"
            self.send_response(200 if is_there else 404)
            self.send_header("Content-Length", str(len(CONTENT) * is_there))
            self.end_headers()
            self.wfile.write(CONTENT * is_there)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    running.server_close()


@dataclass
class Hub:
    """A hub with the repositories ``files``: hub id -> file name -> content; offline where ``is_online`` is False."""

    cache: Path
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    is_online: bool = True

    def place(self, hub_id: str) -> Path:
        return self.cache / f"models--{hub_id.replace('/', '--')}"

    def snapshot_download(self, hub_id: str, *, local_files_only: bool, **options: Any) -> str:
        """As ``huggingface_hub.snapshot_download``, in its layout."""
        folder = self.place(hub_id) / "snapshots" / (options.get("revision") or "abc")
        is_asked = not local_files_only and self.is_online
        if not folder.is_dir() and not (is_asked and hub_id in self.files):
            raise huggingface_hub.errors.LocalEntryNotFoundError("It is not there.")
        for name, content in self.files[hub_id].items() if is_asked else ():
            blob = self.place(hub_id) / "blobs" / hashlib.sha256(content).hexdigest()
            for path in (blob, folder / name):
                path.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(content)
            if not (folder / name).exists():
                (folder / name).symlink_to(blob)
        return str(folder)


TANGO = {n: n.encode() for n in ("main_config.json", "vae_config.json", "pytorch_model_main.bin", "pytorch_model_vae.bin")}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    found = Hub(tmp_path / "hub", {"declare-lab/tango2": TANGO, "google/flan-t5-large": {"tokenizer.json": b"{}"}})
    found.files["org/words"] = {"vocab.txt": b"a b"}
    monkeypatch.setattr(huggingface_hub, "snapshot_download", found.snapshot_download)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(found.cache))
    return found


@pytest.fixture
def embedders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str) -> Path:
    """Plug-ins: ``net`` whose file the server has, ``gone`` whose file it lacks, ``unknown`` without a SHA-256."""
    folder = tmp_path / "plugins" / "embedders"
    folder.mkdir(parents=True)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    for name, digest, tokenizer in (("net", sha256, "org/words"), ("gone", sha256, None), ("unknown", "", None)):
        text = PLUGIN.format(title=name, url=f"{server}/{name}.pth", sha256=digest, tokenizer=tokenizer)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("REAUDIO_PLUGINS", str(folder.parent))
    return folder


def fetch(cache: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """What ``fetch --json`` prints: name -> item, and the counts."""
    result = CliRunner().invoke(make_app(), ["fetch", "--cache-dir", str(cache), "--json", "--quiet", *words])
    assert result.exit_code == code, result.output
    found = json.loads(result.stdout)
    return {item["name"]: item for item in found["items"]} | {
        "missing": found["n_missing"],
        "bytes": found["n_bytes_missing"],
    }


def test_a_dry_run_lists_source_size_licence_and_place_and_fetches_nothing(tmp_path: Path, hub: Hub) -> None:
    found = fetch(tmp_path / "cache", "--dry-run")
    panns = found["Cnn14_16k_mAP=0.438.pth"]
    assert list(found)[:4] == [
        "vggish-10086976.pth",
        "Cnn14_16k_mAP=0.438.pth",
        "music_speech_audioset_epoch_15_esc_89.98.pt",
        "FacebookAI/roberta-base",
    ]
    assert (panns["status"], panns["n_bytes"], panns["licence"]) == ("missing", 324_198_000, "CC BY 4.0")
    assert panns["source"].startswith("https://zenodo.org/")
    assert panns["place"] == str(tmp_path / "cache" / "checkpoints" / "Cnn14_16k_mAP=0.438.pth")
    assert found["bytes"] == 288_564_736 + 324_198_000 + 2_352_471_003
    assert not (tmp_path / "cache").exists()
    assert not hub.cache.exists()


def test_the_protocol_chooses_the_checkpoint(tmp_path: Path, hub: Hub) -> None:
    found = fetch(tmp_path, "--dry-run", "--embedder", "panns", "--protocol", "audioldm-eval-2023-06-32k")
    assert "Cnn14_mAP=0.431.pth" in found


def test_everything_is_fetched_and_then_there_without_a_network(tmp_path: Path, hub: Hub, embedders: Path) -> None:
    words = ("--embedder", "net", "--model", "tango2")
    first = fetch(tmp_path / "cache", *words)
    assert {name: item["status"] for name, item in first.items() if isinstance(item, dict)} == {
        "net.pth": "fetched",
        "org/words": "fetched",
        "declare-lab/tango2": "fetched",
        "google/flan-t5-large": "fetched",
    }
    assert (tmp_path / "cache" / "checkpoints" / "net.pth").read_bytes() == CONTENT
    assert json.loads((tmp_path / "cache" / REVISIONS).read_text()) == {"declare-lab/tango2": "abc"}
    hub.is_online = False
    for more in ((), ("--dry-run",)):
        again = fetch(tmp_path / "cache", *words, *more)
        assert {item["status"] for item in again.values() if isinstance(item, dict)} == {"there"}
        assert again["missing"] == 0


def test_one_failure_does_not_stop_the_others(tmp_path: Path, hub: Hub, embedders: Path) -> None:
    del hub.files["google/flan-t5-large"]
    words = ("--embedder", "gone", "--embedder", "unknown", "--embedder", "net", "--model", "tango2")
    found = fetch(tmp_path, *words, code=1)
    assert [found[name]["status"] for name in ("gone.pth", "unknown.pth", "google/flan-t5-large")] == ["failed"] * 3
    assert [found[name]["status"] for name in ("net.pth", "declare-lab/tango2")] == ["fetched"] * 2
    assert "HTTP Error 404" in found["gone.pth"]["reason"]
    assert "no SHA-256" in found["unknown.pth"]["reason"]
    assert found["missing"] == 3


def test_without_a_network_each_missing_thing_has_its_place(tmp_path: Path, hub: Hub) -> None:
    hub.is_online = False
    words = ["fetch", "--model", "tango2", "--cache-dir", str(tmp_path / "cache")]
    result = CliRunner().invoke(make_app(), words)
    assert result.exit_code == 1
    assert (
        f"copy its folder models--google--flan-t5-large, links included, to {hub.place('google/flan-t5-large')}"
        in result.stdout
    )
    assert "or give `reaudio-eval longtail --weights tango2=FOLDER`" in result.stdout
    assert "0 of 2 there, 2 missing: 5.3 GB, and 1 of unstated size." in result.stdout


def test_an_altered_checkpoint_fails(tmp_path: Path, hub: Hub, embedders: Path) -> None:
    path = tmp_path / "checkpoints" / "net.pth"
    path.parent.mkdir()
    path.write_bytes(b"other")
    assert "is not the published net.pth" in fetch(tmp_path, "--embedder", "net", code=1)["net.pth"]["reason"]


def test_a_damaged_file_of_a_repository_fails(tmp_path: Path, hub: Hub) -> None:
    fetch(tmp_path / "cache", "--model", "tango2")
    hub.is_online = False
    (hub.place("declare-lab/tango2") / "snapshots" / "abc" / "pytorch_model_vae.bin").resolve().write_bytes(b"cut")
    found = fetch(tmp_path / "cache", "--model", "tango2", code=1)
    assert "pytorch_model_vae.bin is damaged: delete" in found["declare-lab/tango2"]["reason"]


def test_a_repository_without_its_weights_is_not_whole(tmp_path: Path, hub: Hub) -> None:
    hub.files["declare-lab/tango2"] = {"main_config.json": b"{}"}
    found = fetch(tmp_path, "--model", "tango2", code=1)
    reason = found["declare-lab/tango2"]["reason"]
    assert reason == "it is not whole: pytorch_model_main.bin, pytorch_model_vae.bin is not there"
    assert fetch(tmp_path, "--model", "tango2", "--dry-run")["declare-lab/tango2"]["status"] == "missing"


def test_an_interrupted_download_is_missing(tmp_path: Path, hub: Hub) -> None:
    fetch(tmp_path / "cache", "--model", "tango2")
    (hub.place("declare-lab/tango2") / "blobs" / "123.incomplete").touch()
    assert fetch(tmp_path / "cache", "--model", "tango2", "--dry-run")["declare-lab/tango2"]["status"] == "missing"


def test_a_small_file_is_verified_by_the_digest_of_git(tmp_path: Path) -> None:
    blob = tmp_path / "blobs" / "ce013625030ba8dba906f756967f9e9ca394464a"  # of `git hash-object` for "hello\n"
    link = tmp_path / "snapshots" / "abc" / "hello.txt"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    blob.write_bytes(b"hello\n")
    link.symlink_to(blob)
    verify_snapshot(link.parent)
    blob.write_bytes(b"hullo\n")
    with pytest.raises(CheckpointError, match=r"hello\.txt is damaged"):
        verify_snapshot(link.parent)


def test_what_two_need_is_listed_once(tmp_path: Path, hub: Hub) -> None:
    found = fetch(tmp_path, "--dry-run", "--model", "tango", "--model", "tango2")
    assert found["google/flan-t5-large"]["needed_by"] == ["tango", "tango2"]


def test_a_package_that_is_not_installed_is_missing(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = fetch(tmp_path, "--dry-run", "--embedder", "laion_clap")
    assert found["laion_clap"]["by_hand"] == 'pip install "reaudio-eval[reference]"'


def test_a_model_without_published_weights_needs_nothing(tmp_path: Path, hub: Hub) -> None:
    result = CliRunner().invoke(make_app(), ["fetch", "--model", "re-audioldm-l", "--cache-dir", str(tmp_path)])
    assert result.exit_code == 0
    assert "re-audioldm-l: there are no published weights" in result.stderr
    assert result.stdout == "0 of 0 there.\n"


def test_an_unknown_name_is_refused_before_anything_is_fetched(tmp_path: Path, hub: Hub) -> None:
    result = CliRunner().invoke(make_app(), ["fetch", "--embedder", "pans", "--cache-dir", str(tmp_path / "cache")])
    assert result.exit_code == 2
    assert "Did you mean 'panns'" in result.stderr
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_the_client_of_the_hub_fetches_and_a_later_run_needs_no_network(tmp_path: Path) -> None:
    """With the client itself and its cache, in a process of its own: it reads the address of the hub when it is imported."""
    repositories = {"declare-lab/tango2": TANGO, "google/flan-t5-large": {"tokenizer.json": b"{}", "spiece.model": b"words"}}
    own = {"HF_HOME": str(tmp_path / "home"), "REAUDIO_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "reaudio_eval", "fetch", "--model", "tango2", "--json", "--quiet"]

    def run(address: str, offline: str) -> tuple[int, list[str]]:
        env = {**os.environ, **own, "HF_ENDPOINT": address, "HF_HUB_OFFLINE": offline}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, [item["status"] for item in json.loads(done.stdout)["items"]]

    with hub_server(repositories) as address:
        assert run(address, "0") == (0, ["fetched", "fetched"])
    assert run("http://127.0.0.1:9", "1") == (0, ["there", "there"])
    assert json.loads((tmp_path / "cache" / REVISIONS).read_text()) == {"declare-lab/tango2": REVISION}
    snapshot = tmp_path / "home" / "hub" / "models--declare-lab--tango2" / "snapshots" / REVISION
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == TANGO
    (snapshot / "pytorch_model_main.bin").resolve().write_bytes(b"damaged")
    assert run("http://127.0.0.1:9", "1") == (1, ["failed", "there"])
