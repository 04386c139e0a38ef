"""What the routes of one server share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from mendpix.errors import MendError
from mendpix.server import api_errors
from mendpix.server.api_errors import ApiError
from mendpix.server.job_queue import Jobs
from mendpix.server.model_registry import ModelRegistry
from mendpix.server.prometheus import Counts
from mendpix.server.safe_directory import SafeDirectory
from mendpix.server.settings import MEGABYTE, Settings
from mendpix.server.store import Store

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

HELPERS = 2
"""Threads for what is quick: reading uploads, views, lists."""
MOST_WAITING = 64


class Context:
    """One server's settings, pictures, jobs and figures."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.counts = Counts()
        self.store = Store(settings.keep * MEGABYTE, settings.pixels)
        self.jobs = Jobs(settings.workers, settings.queue)
        self.offers = ModelRegistry(settings)
        self.jail = None if settings.folder is None else SafeDirectory(settings.folder)
        self.warm = False
        self._helpers = ThreadPoolExecutor(HELPERS, "mendpix-helper")
        self._waiting = 0

    async def aside(
        self, call: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs
    ) -> Answer:
        """Call something quick in a thread.

        Raises:
            Refusal: 429 where too many wait for one; and for what the user can put right.
        """
        if self._waiting >= MOST_WAITING:
            raise ApiError(429, "too much is asked at once; try again", retry_after=1)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._helpers, lambda: call(*args, **named))
        except MendError as error:
            raise api_errors.of(error) from None
        except MemoryError:
            raise ApiError(413, "the picture is too large for this machine's memory") from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads go."""
        self._helpers.shutdown(wait=False, cancel_futures=True)

    def gauges(self) -> dict[str, float]:
        """Figures of this moment."""
        return {
            **self.jobs.gauges(),
            "mendpix_pictures": len(self.store),
            "mendpix_picture_bytes": self.store.size,
            "mendpix_ready": float(self.warm and not self.jobs.draining),
        }


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Here = Annotated[Context, Depends(_context)]
"""What a route takes to get at the context."""
