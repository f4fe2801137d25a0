"""Walks the guide to full-size training with random weights in the published layouts.

    python benchmarks/full_size.py FOLDER --tiny [--only train]
    python benchmarks/full_size.py FOLDER --full-size [--only train]

Writes the files of section 1 of ``docs/pages/full-size.md`` into FOLDER, then runs every command of the page in order, each in a process of
its own, with few steps, and prints its wall time, its peak memory and what it left on disk. ``--tiny`` takes the sizes of the tests, in
minutes. ``--full-size`` takes those of the model: 5.7 GB of files, and several times that for what the commands write. ``--only`` runs
the commands that contain a text; earlier ones must have run in the same folder, whose files are kept.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from full_size_world import FULL, TINY, write_files  # noqa: E402
from guide import page_commands, shortened  # noqa: E402
from synthesise import write_random_tagger  # noqa: E402


class Cost(NamedTuple):
    """Of a command: exit status, wall time in s, peak resident memory in GB, growth of the folder in GB."""

    status: int
    seconds: float
    memory: float
    disk: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    sizes = parser.add_mutually_exclusive_group(required=True)
    sizes.add_argument("--tiny", action="store_true", help="sizes of the tests")
    sizes.add_argument("--full-size", action="store_true", help="sizes of the model")
    parser.add_argument("--only", default="", help="only commands that contain this text")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if not (folder / "tagger.safetensors").exists():  # written last
        folder.mkdir(parents=True, exist_ok=True)
        write_files(folder, TINY if options.tiny else FULL)
        write_random_tagger(folder / "tagger.safetensors")
    print(f"files: {size(folder):.2f} GB", flush=True)
    failed = 0
    for command in page_commands():
        if options.only in command:
            cost = run(shortened(command, tiny=options.tiny), folder)
            failed += cost.status != 0
            print(
                f"{cost.seconds:8.1f} s {cost.memory:6.2f} GB memory {cost.disk:+7.2f} GB disk  {what(command, cost)}",
                flush=True,
            )
    raise SystemExit(failed > 0)


def run(words: list[str], folder: Path) -> Cost:
    """A command in ``folder``; its output goes to ``walk.log`` there."""
    module = words[0].replace("-", "_")
    environment = os.environ | {"REAUDIO_CACHE": str(folder / "user-cache"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    before, start = size(folder), time.perf_counter()
    with (folder / "walk.log").open("a", encoding="utf-8") as log:
        print("$", *words, file=log, flush=True)
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words[1:]], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    return Cost(process.returncode, seconds, usage.ru_maxrss * 1024 / 1e9, size(folder) - before)


def size(folder: Path) -> float:
    """Bytes below a folder, in GB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9


def what(command: str, cost: Cost) -> str:
    """The command up to its settings, and whether it failed."""
    start = command.split(" --set")[0].split(" --data-root")[0]
    return start if cost.status == 0 else f"{start}: FAILED, see walk.log"


if __name__ == "__main__":
    main()
