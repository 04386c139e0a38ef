"""A background job: its state, progress, listeners, time limit and outcome."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from mendpix.errors import Cancelled, MendError
from mendpix.server import api_errors
from mendpix.server.api_errors import ApiError
from mendpix.server.schemas import State

log = logging.getLogger("mendpix.server")

RECONNECT_SECONDS = 5.0
"""Seconds that a job runs on after its last listener disconnected."""
UNPOLLED_SECONDS = 30.0
"""Seconds that a job runs on while nobody listens or polls."""


class JobTimeout(Exception):  # noqa: N818  (raised through fillers, which pass it on)
    """A job exceeded its time limit."""


class Job:
    """A function that runs in a worker thread and is watched from the event loop.

    Args:
        work: called with the job; it calls ``report_progress`` and either returns the outcome or
            appends to ``results`` and ``errors`` as it goes.
        device: whose worker pool runs it.
        detached: do not cancel it when no client is interested any more.
        limit: seconds for each of its pictures.
        total: expected number of results.
        on_finish: called in the event loop when it has ended.
    """

    def __init__(
        self,
        work: "Callable[[Job], Any]",
        device: str = "cpu",
        detached: bool = False,
        limit: float = 600.0,
        total: int = 1,
        on_finish: "Callable[[Job], None]" = lambda job: None,
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.work, self.device, self.detached, self.limit = work, device, detached, limit
        self.total, self.on_finish = total, on_finish
        self.state: State = "queued"
        self.progress = 0.0
        self.version = 0  # incremented by every change except progress
        self.outcome: Any = None
        self.results: list[Any] = []
        self.errors: list[Any] = []
        self.error: ApiError | None = None
        self.finished = asyncio.Event()
        self.listeners = 0
        self.abandoned_after = time.monotonic() + UNPOLLED_SECONDS
        self.started_at = self.ended_at = 0.0
        self._deadline = float("inf")
        self._stopped = False

    @property
    def seconds(self) -> float:
        """Run time so far."""
        if not self.started_at:
            return 0.0
        return (self.ended_at or time.monotonic()) - self.started_at

    def report_progress(self, share: float) -> None:
        """Record the share done, in [0, 1]; called by the work at least twice a second.

        Raises:
            Cancelled: `stop` was called.
            JobTimeout: the time limit is exceeded.
        """
        if self._stopped:
            raise Cancelled
        if time.monotonic() > self._deadline:
            raise JobTimeout
        self.progress = min(1.0, max(self.progress, share))

    def start_clock(self) -> None:
        """Restart the time limit, for the next picture."""
        self._deadline = time.monotonic() + self.limit

    def mark_changed(self) -> None:
        """Notify listeners of a change."""
        self.version += 1

    def stop(self) -> None:
        """End the work at its next call of `report_progress`."""
        self._stopped = True

    def add_listener(self) -> None:
        """Count a client that follows the job's events."""
        self.listeners += 1

    def remove_listener(self) -> None:
        """Count a client that disconnected."""
        self.listeners -= 1
        self.abandoned_after = time.monotonic() + RECONNECT_SECONDS

    def postpone_abandonment(self) -> None:
        """Keep the job alive for a client that polls it."""
        self.abandoned_after = max(self.abandoned_after, time.monotonic() + UNPOLLED_SECONDS)

    @property
    def is_abandoned(self) -> bool:
        """Whether no client follows or polls it any more, so that it should be cancelled."""
        unwatched = self.listeners == 0 and time.monotonic() > self.abandoned_after
        return unwatched and not self.detached and not self.finished.is_set()

    def run(self) -> None:
        """Run the work in the current thread; an exception becomes the job's state and error."""
        self.started_at = time.monotonic()
        self.start_clock()
        try:
            self.outcome = self.work(self)
            self.state = "done"
        except Cancelled:
            self.state = "cancelled"
        except JobTimeout:
            self._fail(
                ApiError(504, f"the fill took longer than {self.limit:g} s; try another model")
            )
        except ApiError as error:
            self._fail(error)
        except MendError as error:
            self._fail(api_errors.from_mend_error(error))
        except MemoryError:
            self._fail(ApiError(413, "the picture is too large for this machine's memory"))
        except Exception:
            log.exception("a job failed")
            self._fail(ApiError(500, "the server made a mistake; its log says which"))
        self.ended_at = time.monotonic()

    def _fail(self, error: ApiError) -> None:
        self.state, self.error = "failed", error
