"""Work that takes long: a bounded queue, a pool of threads per device, progress, a way out."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor

from mendpix.server.api_errors import ApiError
from mendpix.server.job import Job

log = logging.getLogger("mendpix.server")

KEPT_JOBS = 500
KEPT_SECONDS = 3600.0


class Pool:
    """The workers of one device and what waits for them."""

    def __init__(self, device: str, workers: int) -> None:
        self.device = device
        self.waiting: deque[Job] = deque()
        self.running: set[Job] = set()
        self.wake = asyncio.Condition()
        self.threads = ThreadPoolExecutor(workers, f"mendpix-{device}")
        self.workers = workers
        self.pace = 1.0  # seconds that a job took lately


class Jobs:
    """All jobs of a server. Its methods are called from the event loop only.

    Args:
        workers: jobs at once on each device.
        queue: jobs that may wait on each device.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.workers, self.queue = workers, queue
        self.draining = False
        self._pools: dict[str, Pool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._known: OrderedDict[str, Job] = OrderedDict()

    def start(self) -> None:
        """Begin to look after jobs."""
        self._keep(asyncio.create_task(self._watch()))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pool(self, device: str) -> Pool:
        if device not in self._pools:
            pool = self._pools[device] = Pool(device, self.workers)
            for _ in range(self.workers):
                self._keep(asyncio.create_task(self._serve(pool)))
        return self._pools[device]

    async def submit(self, job: Job) -> Job:
        """Put a job into the queue of its device.

        Raises:
            Refusal: 429 where the queue is full, 503 where the server shuts down.
        """
        if self.draining:
            raise ApiError(503, "the server is shutting down", retry_after=10)
        pool = self._pool(job.device)
        ahead = len(pool.waiting) + len(pool.running)
        if ahead >= self.queue + pool.workers:
            wait = max(1, min(120, round(pool.pace * ahead / pool.workers)))
            raise ApiError(429, f"{ahead} fills are before yours; try again", retry_after=wait)
        self._known[job.id] = job
        async with pool.wake:
            pool.waiting.append(job)
            pool.wake.notify()
        return job

    async def _serve(self, pool: Pool) -> None:
        """One worker: takes what waits longest, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            async with pool.wake:
                await pool.wake.wait_for(lambda: pool.waiting)
                job = pool.waiting.popleft()
                pool.running.add(job)
                job.state = "running"
                job.changed()
            await loop.run_in_executor(pool.threads, job.run)
            pool.running.discard(job)
            pool.pace = 0.7 * pool.pace + 0.3 * job.seconds
            self._finish(job)

    def _finish(self, job: Job) -> None:
        job.work = _nothing  # lets go of all that it holds
        job.ending(job)
        job.changed()
        job.finished.set()

    def get(self, key: str) -> Job:
        """A job by its id.

        Raises:
            Refusal: 410 where there is none, or none any more.
        """
        if key not in self._known:
            raise ApiError(410, "there is no such job, or it was dropped")
        return self._known[key]

    def position(self, job: Job) -> int:
        """How many wait before it."""
        waiting = self._pool(job.device).waiting
        return waiting.index(job) if job in waiting else 0

    def cancel(self, job: Job, why: ApiError | None = None) -> None:
        """Stop a job: at once while it waits, at its next word of progress while it runs."""
        pool = self._pool(job.device)
        if job in pool.waiting:
            pool.waiting.remove(job)
            job.state, job.refusal = "cancelled", why
            self._finish(job)
        else:
            job.stop()

    def forget(self, job: Job) -> None:
        """Keep no record of it."""
        self._known.pop(job.id, None)

    async def _watch(self) -> None:
        """Cancel what nobody wants, and forget what is over."""
        while True:
            await asyncio.sleep(0.5)
            for job in list(self._known.values()):
                if job.forsaken:
                    self.cancel(job)
            done = [job for job in self._known.values() if job.finished.is_set()]
            now = time.monotonic()
            for index, job in enumerate(done):
                if now - job.ended > KEPT_SECONDS or index < len(done) - KEPT_JOBS:
                    self.forget(job)

    def drain(self) -> None:
        """Take nothing more, and let go of what waits; what runs goes on."""
        self.draining = True
        why = ApiError(503, "the server is shutting down", retry_after=10)
        for pool in self._pools.values():
            for job in list(pool.waiting):
                self.cancel(job, why)

    async def close(self) -> None:
        """Wait for what runs, then end."""
        self.drain()
        for pool in self._pools.values():
            for job in list(pool.running):
                await job.finished.wait()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in self._pools.values():
            pool.threads.shutdown(wait=True)

    def running(self) -> list[Job]:
        """What is being worked on."""
        return [job for pool in self._pools.values() for job in pool.running]

    def gauges(self) -> dict[str, float]:
        """How much waits and runs."""
        pools = self._pools.values()
        return {
            "mendpix_jobs_waiting": sum(len(pool.waiting) for pool in pools),
            "mendpix_jobs_running": sum(len(pool.running) for pool in pools),
        }


def _nothing(job: Job) -> None:
    """The work of a job that is over."""
