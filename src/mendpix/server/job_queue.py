"""Bounded job queues with one pool of worker threads per device."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor

from mendpix.server.api_errors import ApiError
from mendpix.server.job import Job

log = logging.getLogger("mendpix.server")

MAX_FINISHED_JOBS = 500
FINISHED_JOB_SECONDS = 3600.0
"""How many finished jobs are remembered, and for how long."""


class WorkerPool:
    """The worker threads of one device and its queue."""

    def __init__(self, device: str, workers: int) -> None:
        self.device = device
        self.waiting: deque[Job] = deque()
        self.running: set[Job] = set()
        self.changed = asyncio.Condition()
        self.threads = ThreadPoolExecutor(workers, f"mendpix-{device}")
        self.workers = workers
        self.recent_seconds = 1.0  # moving average of the jobs' run times


class JobQueue:
    """All jobs of a server. Its methods must be called from the event loop.

    Args:
        workers: jobs that run at once on each device.
        queue: jobs that may wait on each device.
    """

    def __init__(self, workers: int, queue: int) -> None:
        self.workers, self.queue = workers, queue
        self.draining = False
        self._pools: dict[str, WorkerPool] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def start(self) -> None:
        """Start the task that cancels abandoned jobs and forgets finished ones."""
        self._track(asyncio.create_task(self._clean_up()))

    def _track(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _get_pool(self, device: str) -> WorkerPool:
        if device not in self._pools:
            pool = self._pools[device] = WorkerPool(device, self.workers)
            for _ in range(self.workers):
                self._track(asyncio.create_task(self._run_worker(pool)))
        return self._pools[device]

    async def submit(self, job: Job) -> Job:
        """Append a job to the queue of its device.

        Raises:
            ApiError: 429 if the queue is full, 503 if the server is shutting down.
        """
        if self.draining:
            raise ApiError(503, "the server is shutting down", retry_after=10)
        pool = self._get_pool(job.device)
        ahead = len(pool.waiting) + len(pool.running)
        if ahead >= self.queue + pool.workers:
            wait = max(1, min(120, round(pool.recent_seconds * ahead / pool.workers)))
            raise ApiError(429, f"{ahead} fills are before yours; try again", retry_after=wait)
        self._jobs[job.id] = job
        async with pool.changed:
            pool.waiting.append(job)
            pool.changed.notify()
        return job

    async def _run_worker(self, pool: WorkerPool) -> None:
        """Run one worker: take the oldest waiting job, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            async with pool.changed:
                await pool.changed.wait_for(lambda: pool.waiting)
                job = pool.waiting.popleft()
                pool.running.add(job)
                job.state = "running"
                job.mark_changed()
            await loop.run_in_executor(pool.threads, job.run)
            pool.running.discard(job)
            pool.recent_seconds = 0.7 * pool.recent_seconds + 0.3 * job.seconds
            self._finish(job)

    def _finish(self, job: Job) -> None:
        job.work = _do_nothing  # releases the pictures that it holds
        job.on_finish(job)
        job.mark_changed()
        job.finished.set()

    def get(self, key: str) -> Job:
        """Return the job with this id.

        Raises:
            ApiError: 410 if it is unknown or forgotten.
        """
        if key not in self._jobs:
            raise ApiError(410, "there is no such job, or it was dropped")
        return self._jobs[key]

    def get_position(self, job: Job) -> int:
        """How many jobs wait before this one."""
        waiting = self._get_pool(job.device).waiting
        return waiting.index(job) if job in waiting else 0

    def cancel(self, job: Job, reason: ApiError | None = None) -> None:
        """Cancel a job: at once if it waits, at its next progress report if it runs."""
        pool = self._get_pool(job.device)
        if job in pool.waiting:
            pool.waiting.remove(job)
            job.state, job.error = "cancelled", reason
            self._finish(job)
        else:
            job.stop()

    def forget(self, job: Job) -> None:
        """Drop the record of a job."""
        self._jobs.pop(job.id, None)

    async def _clean_up(self) -> None:
        """Cancel abandoned jobs and forget finished ones, twice a second."""
        while True:
            await asyncio.sleep(0.5)
            for job in list(self._jobs.values()):
                if job.is_abandoned:
                    self.cancel(job)
            finished = [job for job in self._jobs.values() if job.finished.is_set()]
            now = time.monotonic()
            surplus = len(finished) - MAX_FINISHED_JOBS
            for index, job in enumerate(finished):
                if index < surplus or now - job.ended_at > FINISHED_JOB_SECONDS:
                    self.forget(job)

    def drain(self) -> None:
        """Refuse new jobs and cancel waiting ones; running jobs go on."""
        self.draining = True
        reason = ApiError(503, "the server is shutting down", retry_after=10)
        for pool in self._pools.values():
            for job in list(pool.waiting):
                self.cancel(job, reason)

    async def close(self) -> None:
        """Drain, wait for the running jobs, then stop the workers."""
        self.drain()
        for pool in self._pools.values():
            for job in list(pool.running):
                await job.finished.wait()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pool in self._pools.values():
            pool.threads.shutdown(wait=True)

    def list_running(self) -> list[Job]:
        """The running jobs of all devices."""
        return [job for pool in self._pools.values() for job in pool.running]

    def gauges(self) -> dict[str, float]:
        """Numbers of waiting and running jobs, for Prometheus."""
        pools = self._pools.values()
        return {
            "mendpix_jobs_waiting": sum(len(pool.waiting) for pool in pools),
            "mendpix_jobs_running": sum(len(pool.running) for pool in pools),
        }


def _do_nothing(job: Job) -> None:
    """The work of a finished job."""
