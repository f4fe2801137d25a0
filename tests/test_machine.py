"""Whole commands on a machine that lacks something: disk space, file handles, writable folders, a home, an open stdout."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from synthesise import write_dataset, write_random_tagger

pytestmark = pytest.mark.slow
FULL_AT = (100_000, 300_000, 700_000, 1_500_000)  # bytes; the command below writes about 2 MB
FEW_HANDLES = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_dataset(tmp_path_factory.mktemp("data"), takes=1)
    write_random_tagger(folder / "tagger.safetensors")
    return folder


def longtail(data: Path, output: Path | str) -> list[str]:
    clips = [f"--clips={name}={data / name}" for name in ("good", "poor")]
    return [
        "longtail", "--dataset", "folder", "--data-root", str(data), "--references", str(data / "reference"), *clips,
        "--embedder", "efficientat", "--checkpoint", f"efficientat={data / 'tagger.safetensors'}", "--media", "none",
        "--output", str(output),
    ]  # fmt: skip


def run(
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reaudio_eval", *arguments],
        cwd=cwd, env=os.environ | (environment or {}), preexec_fn=before, capture_output=True, text=True, check=False,
    )  # fmt: skip


def values(output: Path) -> dict[str, str]:
    """System -> digest of its scores."""
    return {path.parents[1].name: hashlib.sha256(path.read_bytes()).hexdigest() for path in output.rglob("scores.parquet")}


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.fixture(scope="module")
def expected(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    output = tmp_path_factory.mktemp("whole")
    done = run(longtail(data, output), environment={"REAUDIO_CACHE": str(output / "cache")})
    assert done.returncode == 0, done.stderr
    return values(output)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system; its size is set by mounting it again."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system of a given size can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_sentence_and_the_command_goes_on_later(
    data: Path, expected: dict[str, str], small_disk: Path
) -> None:
    command, cache = longtail(data, small_disk / "out"), {"REAUDIO_CACHE": str(small_disk / "cache")}
    for size in FULL_AT:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(small_disk)], check=True)
        done = run(command, environment=cache)
        assert_one_sentence(done, "the disk is full")
    subprocess.run(["mount", "-o", "remount,size=500m", str(small_disk)], check=True)
    done = run(command, environment=cache)
    assert done.returncode == 0, done.stderr
    assert values(small_disk / "out") == expected
    assert not [path for path in small_disk.rglob("*") if path.name.startswith(".tmp-")]


def test_few_file_handles(data: Path, expected: dict[str, str], tmp_path: Path) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_HANDLES, FEW_HANDLES))

    done = run(longtail(data, tmp_path / "out"), environment={"REAUDIO_CACHE": str(tmp_path / "cache")}, before=few)
    assert done.returncode == 0, done.stderr
    assert values(tmp_path / "out") == expected


@pytest.mark.parametrize("cache", ["/proc/reaudio", "/sys/reaudio", "a file"])
def test_a_cache_that_cannot_be_written_costs_time_only(
    data: Path, expected: dict[str, str], tmp_path: Path, cache: str
) -> None:
    """/proc and /sys refuse new files from everyone, root included."""
    if cache == "a file":
        (tmp_path / "a file").write_text("")
        done = run(longtail(data, tmp_path / "out"), environment={"REAUDIO_CACHE": str(tmp_path / cache)})
        assert_one_sentence(done, "a file")
        return
    done = run(longtail(data, tmp_path / "out"), environment={"REAUDIO_CACHE": cache})
    assert done.returncode == 0, done.stderr
    assert "not cached" in done.stderr or "cannot be written" in done.stderr
    assert values(tmp_path / "out") == expected


def test_no_home_and_a_working_directory_that_cannot_be_written(
    data: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    done = run(
        longtail(data, tmp_path / "out"), cwd=Path("/proc"), environment={"HOME": "/proc/nowhere", "XDG_CACHE_HOME": ""}
    )
    assert done.returncode == 0, done.stderr
    assert values(tmp_path / "out") == expected


def test_an_output_that_cannot_be_written_is_one_sentence(data: Path) -> None:
    assert_one_sentence(run(longtail(data, "/proc/reaudio")), "/proc/reaudio", "--output")
