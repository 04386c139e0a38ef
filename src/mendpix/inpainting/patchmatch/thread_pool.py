"""Threads that share the work on a list, and tell how far it has come."""

import os
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from mendpix.types import Progress

_STRETCH = 4096  # items below which a second thread does not pay
_PATIENCE = 0.2  # seconds between two reports while threads are busy


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class ThreadPool:
    """Plain threads over compiled loops that hold no interpreter lock.

    Numba's own threads are not used: where only its work-queue layer is at hand, two Python
    threads that fill at once would end the process.

    Args:
        threads: how many to use.
        progress: called with the share done, in [0,1]; what it raises stops the work.
    """

    def __init__(self, threads: int, progress: Progress | None = None) -> None:
        self.threads = max(1, threads)
        self.progress = progress
        self._base, self._share = 0.0, 1.0  # of the whole work, this part's start and size
        self._planned, self._done = 1.0, 0.0
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, share: float) -> None:
        """Start a part that is ``share`` of the whole work."""
        self._base += self._share if self._done else 0.0
        self._share, self._planned, self._done = share, 1.0, 0.0

    def plan(self, units: float) -> None:
        """Say how many units of work this part takes."""
        self._planned = units

    def report(self, units: float = 0.0) -> None:
        """Count units as done and say so."""
        self._done += units
        if self.progress is not None:
            part = min(1.0, self._done / self._planned)
            self.progress(min(1.0, self._base + self._share * part))

    def split(self, count: int, work: Callable[[int, int], None], size: int = 1) -> None:
        """Call ``work(first, last)`` for stretches of ``range(count)``, each item ``size`` big."""
        pieces = max(1, count * size // _STRETCH)
        if self.threads == 1 or pieces == 1:
            pieces = max(1, min(pieces // 16, count))  # only so that progress is told in time
            for first, last in _cuts(count, pieces):
                work(first, last)
                self.report()
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, "patchmatch")
        pieces = min(count, max(4 * self.threads, pieces // 16))
        jobs = [self._pool.submit(work, first, last) for first, last in _cuts(count, pieces)]
        try:
            while jobs:
                done, left = wait(jobs, _PATIENCE, FIRST_EXCEPTION)
                for job in done:
                    job.result()
                jobs = list(left)
                self.report()
        finally:
            for job in jobs:
                job.cancel()
            wait(jobs)

    def each(self, order: NDArray[Any], call: Callable[[Any], None]) -> None:
        """Call ``call(stretch)`` for stretches of ``order``."""
        self.split(len(order), lambda first, last: call(order[first:last]))


def _cuts(count: int, pieces: int) -> list[tuple[int, int]]:
    edges = [count * i // pieces for i in range(pieces + 1)]
    return list(pairwise(edges))
