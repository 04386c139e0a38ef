"""One piece of work that takes long: how far it is, who waits for it, and how it ends."""

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

GRACE = 5.0
"""Seconds that a job waits for a client whose connection broke."""
UNASKED = 30.0
"""Seconds that a job runs on while nobody listens or asks."""


class TooSlow(Exception):  # noqa: N818  (raised through fillers, which let everything pass)
    """A job has run for longer than it may."""


class Job:
    """Something to do in a thread, watched from the event loop.

    Args:
        work: called with the job; says how far it is by ``told``, and returns the outcome or
            leaves ``results`` and ``errors`` on the way.
        device: whose pool it runs in.
        detached: goes on when nobody asks for it.
        limit: seconds for each of its pictures.
        total: how many results are to come.
        ending: called in the event loop when it is over.
    """

    def __init__(
        self,
        work: "Callable[[Job], Any]",
        device: str = "cpu",
        detached: bool = False,
        limit: float = 600.0,
        total: int = 1,
        ending: "Callable[[Job], None]" = lambda job: None,
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.work, self.device, self.detached, self.limit = work, device, detached, limit
        self.total, self.ending = total, ending
        self.state: State = "queued"
        self.progress = 0.0
        self.version = 0  # raised with every change but progress
        self.outcome: Any = None
        self.results: list[Any] = []
        self.errors: list[Any] = []
        self.refusal: ApiError | None = None
        self.finished = asyncio.Event()
        self.listeners = 0
        self.needed_until = time.monotonic() + UNASKED
        self.began = self.ended = 0.0
        self._deadline = float("inf")
        self._stopped = False

    @property
    def seconds(self) -> float:
        """How long it has run."""
        if not self.began:
            return 0.0
        return (self.ended or time.monotonic()) - self.began

    def told(self, share: float) -> None:
        """Called by the work, at least twice a second, with the share done.

        Raises:
            Cancelled: the job is not wanted any more.
            TooSlow: it has run out of time.
        """
        if self._stopped:
            raise Cancelled
        if time.monotonic() > self._deadline:
            raise TooSlow
        self.progress = min(1.0, max(self.progress, share))

    def start_clock(self) -> None:
        """Give the next picture its full time."""
        self._deadline = time.monotonic() + self.limit

    def changed(self) -> None:
        """Let listeners know of a result."""
        self.version += 1

    def stop(self) -> None:
        """Let the work end at its next word of progress."""
        self._stopped = True

    def enter(self) -> None:
        """Somebody listens from now on."""
        self.listeners += 1

    def leave(self) -> None:
        """Somebody stopped listening."""
        self.listeners -= 1
        self.needed_until = time.monotonic() + GRACE

    def asked(self) -> None:
        """Somebody wants to know of it."""
        self.needed_until = max(self.needed_until, time.monotonic() + UNASKED)

    @property
    def forsaken(self) -> bool:
        """Whether nobody wants it any more."""
        alone = self.listeners == 0 and time.monotonic() > self.needed_until
        return alone and not self.detached and not self.finished.is_set()

    def run(self) -> None:
        """Do the work, in a thread; whatever it raises becomes part of the job."""
        self.began = time.monotonic()
        self.start_clock()
        try:
            self.outcome = self.work(self)
            self.state = "done"
        except Cancelled:
            self.state = "cancelled"
        except TooSlow:
            self._fail(
                ApiError(504, f"the fill took longer than {self.limit:g} s; try another model")
            )
        except ApiError as refusal:
            self._fail(refusal)
        except MendError as error:
            self._fail(api_errors.of(error))
        except MemoryError:
            self._fail(ApiError(413, "the picture is too large for this machine's memory"))
        except Exception:
            log.exception("a job failed")
            self._fail(ApiError(500, "the server made a mistake; its log says which"))
        self.ended = time.monotonic()

    def _fail(self, refusal: ApiError) -> None:
        self.state, self.refusal = "failed", refusal
