"""Seeded damaged inputs, each tried in a limited process.

A fuzz script defines ``check(group, seed, folder)``: it makes input number ``seed`` of a group (a file format, for instance) in
``folder``, tries it and returns the outcome. :func:`main` runs it over all inputs and prints how many had each outcome.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

CRASH, HANG = "crash", "hang"
EXAMPLES = 10


class Outcome(NamedTuple):
    """kind: a column of the table; detail: shown for kinds that must not occur."""

    kind: str
    detail: str = ""


class Limits(NamedTuple):
    """For one input: seconds of wall time, bytes of address space; processes: tried at the same time."""

    seconds: float = 20.0
    memory: int = 4 * 2**30
    processes: int = 2


LIMITS = Limits()
Check = Callable[[str, int, Path], Outcome]
Result = tuple[str, int, Outcome]


def fuzz(check: Check, groups: Sequence[str], seeds: Sequence[int], limits: Limits = LIMITS) -> list[Result]:
    """Try input ``seed`` of group ``groups[seed % len(groups)]`` for every seed.

    An exception that ``check`` lets through, or a process that dies, is a "crash"; one that takes too long is a "hang".

    Args:
        check: a function of a module's top level; returns the outcome.
        groups: names of kinds of inputs.
        seeds: each makes one input.
        limits: of every input.
    """
    todo: SimpleQueue[int] = SimpleQueue()
    for seed in seeds:
        todo.put(seed)
    results: list[Result] = []

    def serve() -> None:
        with _Worker(check, limits) as worker, contextlib.suppress(Empty):
            while True:
                seed = todo.get_nowait()
                group = groups[seed % len(groups)]
                results.append((group, seed, worker.run(group, seed)))

    with ThreadPoolExecutor(limits.processes) as pool:
        for done in [pool.submit(serve) for _ in range(limits.processes)]:
            done.result()
    return sorted(results, key=lambda result: result[1])


class _Worker:
    """A process that tries one input after the other, replaced when it dies or hangs."""

    def __init__(self, check: Check, limits: Limits) -> None:
        self.check, self.limits = check, limits
        self.process: multiprocessing.process.BaseProcess | None = None

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def run(self, group: str, seed: int) -> Outcome:
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=_serve, args=(self.check, self.limits, theirs), daemon=True)
            self.process.start()
            theirs.close()
            self.pipe.recv()  # its imports are not part of an input's time
        self.pipe.send((group, seed))
        try:
            if self.pipe.poll(self.limits.seconds):
                outcome: Outcome = self.pipe.recv()
                return outcome
            outcome = Outcome(HANG, f"no result after {self.limits.seconds:g} s")
        except (EOFError, ConnectionResetError):
            self.process.join(1)
            outcome = Outcome(CRASH, f"the process ended with {self.process.exitcode}")
        self._stop()
        return outcome

    def _stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None


def _serve(check: Check, limits: Limits, pipe: Connection) -> None:
    """The process: inputs arrive by ``pipe``, outcomes go back."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send(None)
    while True:
        group, seed = pipe.recv()
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            try:
                outcome = check(group, seed, Path(folder))
            except BaseException as error:  # noqa: BLE001  # an uncaught exception of any kind is what is looked for
                where = traceback.extract_tb(error.__traceback__)[-1]
                outcome = Outcome(CRASH, f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")
        pipe.send(outcome)


def table(results: Sequence[Result], kinds: Sequence[str]) -> str:
    """Rows are groups, columns the number of inputs and of each kind of outcome."""
    groups = list(dict.fromkeys(group for group, _, _ in results))
    counts = {group: Counter(outcome.kind for name, _, outcome in results if name == group) for group in groups}
    counts["all"] = sum(counts.values(), Counter())
    header = ["", "inputs", *kinds]
    rows = [[name, str(count.total()), *(str(count[kind]) for kind in kinds)] for name, count in counts.items()]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (header, *rows)
    )


def main(
    check: Check, groups: Sequence[str], kinds: Sequence[str], faults: Sequence[str] = (), limits: Limits = LIMITS
) -> int:
    """Command line of a fuzz script.

    Args:
        check, groups, limits: see :func:`fuzz`.
        kinds: outcomes of ``check`` that are right, the first columns of the table.
        faults: outcomes of ``check`` that must not occur, beside "crash" and "hang".

    Returns:
        Exit status: 1 if any fault occurred.
    """
    parser = argparse.ArgumentParser(description=sys.modules[check.__module__].__doc__)
    parser.add_argument("--inputs", type=int, default=2000, help="how many, seeds 0 to N - 1 (default: 2000)")
    parser.add_argument("--seed", type=int, help="only this one, with its detail")
    chosen = parser.parse_args()
    start = time.monotonic()
    results = fuzz(check, groups, range(chosen.inputs) if chosen.seed is None else [chosen.seed], limits)
    print(table(results, [*kinds, CRASH, HANG, *faults]))
    print(
        f"{time.monotonic() - start:.0f} s, {os.cpu_count()} cores; limits: {limits.seconds:g} s, {limits.memory / 2**30:g} GiB"
    )
    known = {*kinds}
    bad = [result for result in results if result[2].kind not in known]
    for group, seed, outcome in bad[:EXAMPLES] if chosen.seed is None else results:
        print(f"  --seed {seed} ({group}) {outcome.kind}: {outcome.detail}")
    return 1 if bad else 0
