"""``reaudio-eval score`` and its cache: what is computed again, interruption, a cache that cannot be used, two processes."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import tone, write_clips
from score_command import arguments, refuse, runner, score

from reaudio_eval import plugins
from reaudio_eval.cli.app import app


def _calls(world: Path) -> list[int]:
    return plugins.load_module("embedders", "bands").CALLS


def test_a_second_run_computes_nothing(world: Path) -> None:
    first = score(world)
    calls = _calls(world)
    calls.clear()
    assert score(world) == first
    assert calls == []


def test_a_changed_file_is_computed_again(world: Path) -> None:
    first = score(world)
    write_clips(world / "generated", {"c00": tone(5000, 0.5)})
    calls = _calls(world)
    calls.clear()
    assert score(world)["metrics"]["fd_bands"]["value"] != first["metrics"]["fd_bands"]["value"]
    assert sum(calls) > 0


def test_ctrl_c_is_one_line_and_the_next_run_goes_on(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = plugins.load_module("embedders", "bands")
    honest = module.Bands.embed

    def interrupted(self: Any, waveforms: list[Any]) -> Any:
        if len(module.CALLS) >= 2:
            raise KeyboardInterrupt
        return honest(self, waveforms)

    module.CALLS.clear()
    monkeypatch.setattr(module.Bands, "embed", interrupted)
    assert "Interrupted. Finished work is kept" in refuse(world, "--batch-size", "4")
    monkeypatch.setattr(module.Bands, "embed", honest)
    module.CALLS.clear()
    score(world, "--batch-size", "4")
    assert len(module.CALLS) == 4  # 24 clips in batches of 4, two of them done before


def test_disk_full_while_writing_the_cache_costs_one_line(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = score(world, "--cache-dir", str(world / "other"))["metrics"]

    def full(_self: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = runner.invoke(app, arguments(world, "--json"))
    assert json.loads(result.stdout)["metrics"] == right
    assert "Warning: the cache cannot be written, so features are computed again next time: Cannot write" in result.stderr
    assert "the disk is full" in result.stderr
    assert not (world / "cache" / "features").exists() or not list((world / "cache").rglob("*.safetensors"))


def without_rights(*command: str) -> list[str]:
    """A command that root's right to read everything does not help; skips where that cannot be arranged."""
    if os.geteuid():
        return list(command)
    if shutil.which("setpriv") is None:
        pytest.skip("root without setpriv")
    capabilities = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", *command]


@pytest.mark.slow
def test_a_cache_of_another_user_and_a_home_that_is_a_file_cost_one_line(world: Path) -> None:
    right = score(world, "--cache-dir", str(world / "other"))["metrics"]
    cache = world / "cache"
    (cache / "checkpoints").mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(cache, 65534, 65534)
    cache.chmod(0o000 if os.geteuid() else 0o700)
    try:
        command = without_rights(sys.executable, "-m", "reaudio_eval")
        done = subprocess.run(
            [*command, *arguments(world, "--json")],
            env=os.environ | {"HOME": os.devnull},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["metrics"] == right
        assert "Warning: the cache cannot be written" in done.stderr
        checked = subprocess.run([*command, "doctor"], capture_output=True, text=True, check=False)
        assert "Traceback" not in checked.stderr
        assert "cache: " in checked.stdout
    finally:
        cache.chmod(0o700)


@pytest.mark.slow
def test_two_processes_fill_one_cache_to_the_same_result(world: Path) -> None:
    command = [sys.executable, "-m", "reaudio_eval", *arguments(world, "--json", "--quiet", "--batch-size", "3")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=300)[0]) for process in both]
    assert results[0] == results[1] == score(world, "--batch-size", "3")
    assert not list((world / "cache").rglob(".tmp-*"))


@pytest.mark.slow
def test_killed_run_resumes_to_the_same_result(world: Path) -> None:
    """SIGKILL in the middle of embedding; the same command then gives what an uninterrupted run gives, to the byte."""
    slow = world / "plugins" / "embedders" / "bands.py"
    wait = 'import os, time; time.sleep(float(os.environ.get("BANDS_SECONDS", 0))); CALLS.append'
    slow.write_text(slow.read_text(encoding="utf-8").replace("CALLS.append", wait))
    command = arguments(world, "--json", "--quiet", "--batch-size", "3")
    process = subprocess.Popen(
        [sys.executable, "-m", "reaudio_eval", *command],
        env=os.environ | {"BANDS_SECONDS": "0.3"},
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(list((world / "cache").rglob("features/**/*.safetensors"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    done = len(list((world / "cache").rglob("features/**/*.safetensors")))
    assert 4 <= done < 24
    resumed = runner.invoke(app, command)
    fresh = runner.invoke(app, [*command, "--cache-dir", str(world / "fresh")])
    assert resumed.exit_code == fresh.exit_code == 0
    assert resumed.stdout == fresh.stdout
