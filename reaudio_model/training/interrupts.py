"""Graceful shutdown after Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelerate import Accelerator


@contextmanager
def stop_signals(accelerator: Accelerator) -> Iterator[None]:
    """In the block, Ctrl-C and SIGTERM set accelerate's trigger, so that a step is finished; a second signal ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def set_trigger(number: int, frame: FrameType | None) -> None:
        accelerator.set_trigger()
        signal.signal(number, old[number])

    try:
        for number in old:
            signal.signal(number, set_trigger)
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
