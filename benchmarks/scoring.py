"""Seconds and peak memory of ``reaudio-eval score`` on two folders, cold and from the cache, and of ``--help``.

``python benchmarks/scoring.py GENERATED REFERENCE EMBEDDER=CHECKPOINT...`` runs each command in a process of its own.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 5


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds, and peak resident memory in MB of the largest child so far."""
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    generated, reference, *checkpoints = sys.argv[1:]
    program = [sys.executable, "-m", "reaudio_eval"]
    seconds = min(measure([*program, "--help"], dict(os.environ))[0] for _ in range(REPEATS))
    print(f"--help: {seconds:.2f} s (best of {REPEATS})")
    options = [word for c in checkpoints for word in ("--embedder", c.partition("=")[0], "--checkpoint", c)]
    command = [*program, "score", generated, reference, *options, "--json", "--quiet"]
    with tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ) | {"REAUDIO_CACHE": str(Path(cache))}
        # The memory of the second run is below the first's, so only the first's is shown.
        cold, memory = measure(command, environment)
        warm, _ = measure(command, environment)
    print(f"score, cold: {cold:.1f} s, peak {memory:.0f} MB")
    print(f"score, from the cache: {warm:.1f} s")


if __name__ == "__main__":
    main()
