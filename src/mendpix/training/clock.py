"""How fast a run goes, and when it is asked to stop."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Clock:
    """Steps per second, and the share of time spent waiting for data, since the last lap."""

    def __init__(self, step: int) -> None:
        self.step, self.begun, self.waited = step, time.monotonic(), 0.0

    def lap(self, step: int) -> tuple[float, float]:
        """Rate and waiting share since the last lap."""
        now = time.monotonic()
        spent = max(now - self.begun, 1e-9)
        rate, share = (step - self.step) / spent, self.waited / spent
        self.step, self.begun, self.waited = step, now, 0.0
        return rate, share


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C asks for a stop between two steps; pressed again it stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {name: signal.signal(name, ask) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
