"""Threads that share the work on a list, and report how far it has come."""

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mendpix.types import Progress

_STRETCH = 4096  # items below which a second thread does not pay
_PATIENCE = 0.2  # seconds between two reports while threads are busy


class ThreadPool(ThreadPoolExecutor):
    """Plain threads over compiled loops that release the interpreter lock.

    Numba's own threads are not used: where only its work-queue layer is at hand, two Python
    threads that fill at once would end the process.

    Args:
        threads: how many to use; none is started before it is needed.
        progress: called with the share done, in [0,1]; what it raises stops the work.

    Attributes:
        total: units of work to do, as :meth:`report` counts them.
    """

    def __init__(self, threads: int, progress: Progress | None = None) -> None:
        super().__init__(threads, "patchmatch")
        self.threads, self.progress = threads, progress
        self.total, self._done = 1.0, 0.0

    def report(self, units: float = 0.0) -> None:
        """Count units as done and report progress."""
        self._done += units
        if self.progress is not None:
            self.progress(min(1.0, self._done / self.total))

    def share(
        self,
        work: Callable[..., None],
        order: NDArray[Any],
        *arguments: Any,
        scratch: tuple[NDArray[Any], ...] = (),
        size: int = 1,
    ) -> None:
        """Call ``work(stretch, *arguments, *scratch)`` for stretches that make up ``order``.

        Args:
            scratch: arrays that every call gets its own of, with any values.
            size: how much work an item is, in pixels.
        """
        pieces = len(order) * size // _STRETCH
        alone = self.threads == 1 or pieces < 2
        # Sixteen stretches' worth of work is soon done, so progress is reported in time; four
        # pieces for each thread keep all busy though some of them take longer.
        count = max(1 if alone else 4 * self.threads, pieces // 16)
        stretches = np.array_split(order, max(1, min(count, len(order))))
        calls = ((part, *arguments, *map(np.empty_like, scratch)) for part in stretches)
        if alone:
            for call in calls:
                work(*call)
                self.report()
            return
        jobs = {self.submit(work, *call) for call in calls}
        try:
            while jobs:
                done, jobs = wait(jobs, _PATIENCE, FIRST_EXCEPTION)
                for job in done:
                    job.result()
                self.report()
        finally:
            for job in jobs:
                job.cancel()
            wait(jobs)
