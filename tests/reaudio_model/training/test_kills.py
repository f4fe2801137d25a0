"""Training and index building killed at random moments: the same command finishes with the same bytes, without litter or orphans."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from training_worlds import arguments, overrides, training_world

pytestmark = pytest.mark.slow  # each start of the program takes seconds
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
KILLS = 6


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_world(tmp_path_factory.mktemp("world"))


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "reaudio_model", *map(str, words)]


def kill_often(words: list[str], seed: int) -> None:
    """Start, kill after a random time, repeat; then run to the end."""
    rng = random.Random(seed)
    for i in range(KILLS):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(rng.uniform(4, 14))
        process.send_signal(SIGNALS[i % len(SIGNALS)])
        process.wait(timeout=60)
        time.sleep(2)
        assert not orphans(process.pid), "processes that outlive their parent"
    subprocess.run(words, check=True, capture_output=True, timeout=300)


def orphans(group: int) -> list[int]:
    """Processes that the killed one has left, by their process group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return []
    return [group]


def content(folder: Path, *suffixes: str) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in suffixes and "checkpoints" not in path.parts
    }


def litter(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob(".*")]


def test_training(world: Path, tmp_path: Path) -> None:
    settings = overrides(
        world, "loop.steps=40", "loop.checkpoint_every=3", "loop.workers=2", f"data.validation=[{world / 'pairs.csv'}]",
        "loop.validate_every=7",
    )  # fmt: skip
    words = ["train", "diffusion", "--config", "tiny", *arguments(settings), "--device", "cpu", "-o"]
    kill_often(command(*words, tmp_path / "killed"), seed=1)
    subprocess.run(command(*words, tmp_path / "whole"), check=True, capture_output=True, timeout=300)
    kinds = (".safetensors", ".csv", ".parquet")
    assert content(tmp_path / "killed", *kinds) == content(tmp_path / "whole", *kinds)
    assert litter(tmp_path / "killed") == []


def test_index_build(world: Path, tmp_path: Path) -> None:
    words = ["index", "build", world / "pairs.csv", "--clap", world / "clap", "--batch-size", 1, "--jobs", 1, "-o"]
    kill_often(command(*words, tmp_path / "killed"), seed=2)
    subprocess.run(command(*words, tmp_path / "whole"), check=True, capture_output=True, timeout=300)
    kinds = (".safetensors", ".json", ".parquet")
    assert content(tmp_path / "killed", *kinds) == content(tmp_path / "whole", *kinds)
    assert litter(tmp_path / "killed") == []


def test_two_processes_train_together_and_one_alone_is_refused(world: Path, tmp_path: Path) -> None:
    """Under torch's launcher, over gloo."""
    settings = overrides(world, "loop.steps=3", "loop.checkpoint_every=1")
    words = ["train", "diffusion", "--config", "tiny", *arguments(settings), "--device", "cpu", "-o", str(tmp_path)]
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "reaudio_model",
    ]
    first = subprocess.run([*launcher, *words, "--steps", "2"], check=True, capture_output=True, text=True, timeout=600)
    assert "6 training clips, 2 steps of 4 clips, 2 processes on cpu" in " ".join(first.stderr.split())
    alone = subprocess.run(command(*words), check=False, capture_output=True, text=True, timeout=300)
    assert alone.returncode == 2
    assert "a run with 2 training processes" in alone.stderr
    subprocess.run([*launcher, *words], check=True, capture_output=True, timeout=600)
    assert (tmp_path / "pipeline/model_index.json").is_file()
