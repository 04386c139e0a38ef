"""The speed of a run, and requests to stop it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Clock:
    """Steps per second, and the share of time spent waiting for data, since the last lap."""

    def __init__(self, step: int) -> None:
        self._step, self._start, self._waited = step, time.monotonic(), 0.0

    @contextmanager
    def count_waiting(self) -> Iterator[None]:
        """Count the time inside as waiting for data."""
        start = time.monotonic()
        yield
        self._waited += time.monotonic() - start

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leave the time inside out: validation and saving are not training."""
        start = time.monotonic()
        yield
        self._start += time.monotonic() - start

    def lap(self, step: int) -> tuple[float, float]:
        """Steps per second and waiting share since the last lap; starts the next one."""
        now = time.monotonic()
        elapsed = max(now - self._start, 1e-9)
        rate, share = (step - self._step) / elapsed, self._waited / elapsed
        self._step, self._start, self._waited = step, now, 0.0
        return rate, share


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """Set an event at Ctrl-C, so that the run stops between two steps; again: stop at once."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested  # only the main thread may install signal handlers
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    previous = {name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield requested
    finally:
        for name, handler in previous.items():
            signal.signal(name, handler)
