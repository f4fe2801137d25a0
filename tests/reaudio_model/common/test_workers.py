"""Worker processes: order, loss and repetition, and their end with their parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from reaudio_model.common.errors import ReaudioError
from reaudio_model.common.workers import map_processes

# Starts two workers that write their process ids and wait; prints when both have started.
PARENT = """
import os, sys, time
from pathlib import Path
from reaudio_model.common.workers import map_processes
def work(task):
    (Path(sys.argv[1]) / str(os.getpid())).touch()
    time.sleep(60)
if __name__ == "__main__":
    list(map_processes(work, range(4), 2, what="waits"))
"""


def double(task: int) -> int:
    return 2 * task


def die_first(marks: Path, times: int, task: int) -> int:
    """As the system's out-of-memory killer: the first ``times`` processes that get task 2 are killed."""
    if task == 2 and len(list(marks.iterdir())) < times:
        (marks / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * task


def die_once(marks: Path, losing: set[int], task: int) -> int:
    """The first process that gets a task of ``losing`` is killed."""
    if task in losing and not (marks / str(task)).exists():
        (marks / str(task)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * task


def interrupt(task: int) -> int:
    """As Ctrl-C, which reaches every process of a terminal."""
    os.kill(os.getpid(), signal.SIGINT)
    return 2 * task


def fail_at_2(task: int) -> int:
    if task == 2:
        raise ReaudioError("task 2")
    return task


def test_results_come_in_order() -> None:
    assert list(map_processes(double, range(7), 2, what="doubles")) == [0, 2, 4, 6, 8, 10, 12]
    assert list(map_processes(double, [], 2, what="doubles")) == []


def test_the_work_of_a_killed_process_is_repeated(tmp_path: Path) -> None:
    assert list(map_processes(partial(die_first, tmp_path, 1), range(4), 2, what="doubles")) == [0, 2, 4, 6]
    assert len(list(tmp_path.iterdir())) == 1


def test_losses_with_results_in_between_are_all_repeated(tmp_path: Path) -> None:
    found = map_processes(partial(die_once, tmp_path, {1, 3}), range(5), 1, what="doubles")
    assert list(found) == [0, 2, 4, 6, 8]
    assert len(list(tmp_path.iterdir())) == 2


def test_workers_leave_interrupts_to_their_parent() -> None:
    assert list(map_processes(interrupt, range(3), 2, what="doubles")) == [0, 2, 4]


def test_a_second_loss_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ReaudioError, match=r"^A process that doubles was killed twice .*free some memory and repeat"
    ) as raised:
        list(map_processes(partial(die_first, tmp_path, 9), range(4), 1, what="doubles"))
    assert "\n" not in str(raised.value)


def test_an_error_of_the_work_is_passed_on() -> None:
    with pytest.raises(ReaudioError, match=r"^task 2$"):
        list(map_processes(fail_at_2, range(50), 2, what="fails"))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def wait_until(done: object, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    script, marks = tmp_path / "parent.py", tmp_path / "marks"
    script.write_text(PARENT)
    marks.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(marks)])
    try:
        assert wait_until(lambda: len(list(marks.iterdir())) == 2, 30)
        parent.send_signal(how)
        parent.wait(10)
        workers = [int(mark.name) for mark in marks.iterdir()]
        assert wait_until(lambda: not any(map(alive, workers)), 2)
    finally:
        parent.kill()
