"""Worker processes that end with their parent.

Work of a process that was killed, as by a system that is out of memory, is repeated once.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from reaudio_model.common.errors import ReaudioError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

Task = TypeVar("Task")
Done = TypeVar("Done")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ATTEMPTS = 2  # of a task whose process was lost


def map_processes(work: Callable[[Task], Done], tasks: Sequence[Task], jobs: int, *, what: str) -> Iterator[Done]:
    """``work`` of each task, in order, in ``jobs`` processes; none of them outlives this one.

    If a process is killed, the tasks without a result are given to new processes; a second loss without a result in between is an
    error. On an error, and when the iterator is closed, tasks that were not begun are dropped.

    Args:
        work: a function of a module, with the same result when it is repeated.
        tasks: each is one call; tasks and results can be pickled.
        jobs: processes, 1 or more.
        what: what they do, for messages, e.g. "synthesises clips".

    Raises:
        ReaudioError: processes were killed repeatedly.
        Exception: of ``work``, unchanged.
    """
    done = lost = 0
    while done < len(tasks):
        waiting: list[Future[Done]] = []
        with ProcessPoolExecutor(jobs, initializer=_begin) as pool:
            try:
                waiting += (pool.submit(work, task) for task in tasks[done:])
                for future in waiting:
                    yield future.result()
                    done, lost = done + 1, 0
            except BrokenProcessPool as error:
                lost += 1
                if lost == _ATTEMPTS:
                    raise ReaudioError(
                        f"A process that {what} was killed twice (the system may be out of memory): free some memory and repeat "
                        "the command; finished work is kept."
                    ) from error
            finally:
                for future in waiting:
                    future.cancel()


def _begin() -> None:
    end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the handler of the command line, which it inherits


def end_with_parent() -> None:
    """To call first in a worker process: it is killed when its parent ends, however that ends.

    It ignores Ctrl-C, which reaches the whole process group: the parent ends its workers after what it must still save.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None:  # also where it ended before the line above
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
