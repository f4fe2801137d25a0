"""Ctrl-C and SIGTERM as a wish to stop, not as an end in the middle of a step."""

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
    """Inside the block Ctrl-C and SIGTERM pull accelerate's trigger instead of ending the process; a second one ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def pull(number: int, frame: FrameType | None) -> None:
        accelerator.set_trigger()
        signal.signal(number, old[number])

    try:
        for number in old:
            signal.signal(number, pull)
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
