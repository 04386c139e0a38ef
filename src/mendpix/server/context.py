"""State shared by the routes of one server."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Request

from mendpix.errors import MendError
from mendpix.server import api_errors
from mendpix.server.api_errors import ApiError
from mendpix.server.job_queue import JobQueue
from mendpix.server.model_registry import ModelRegistry
from mendpix.server.picture_store import PictureStore
from mendpix.server.prometheus import ServerMetrics
from mendpix.server.safe_directory import SafeDirectory
from mendpix.server.settings import MEGABYTE, ServerSettings

Params = ParamSpec("Params")
Returned = TypeVar("Returned")

HELPER_THREADS = 2
"""Threads for short work: decoding uploads, previews, lists."""
MAX_PENDING = 64
"""Calls that may run or wait in these threads; further ones are answered 429."""


class Context:
    """One server's settings, pictures, models, jobs and metrics."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.metrics = ServerMetrics()
        self.store = PictureStore(settings.keep * MEGABYTE, settings.max_pixels)
        self.jobs = JobQueue(settings.workers, settings.queue)
        self.models = ModelRegistry(settings)
        self.directory = None if settings.folder is None else SafeDirectory(settings.folder)
        self.ready = False
        self._helpers = ThreadPoolExecutor(HELPER_THREADS, "mendpix-helper")
        self._pending = 0

    async def run_in_thread(
        self, function: Callable[Params, Returned], *args: Params.args, **kwargs: Params.kwargs
    ) -> Returned:
        """Run a short function in a helper thread, off the event loop.

        Raises:
            ApiError: 429 if too many calls wait; and for each `MendError` of the function.
        """
        if self._pending >= MAX_PENDING:
            raise ApiError(429, "too much is asked at once; try again", retry_after=1)
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._helpers, lambda: function(*args, **kwargs))
        except MendError as error:
            raise api_errors.from_mend_error(error) from None
        except MemoryError:
            raise ApiError(413, "the picture is too large for this machine's memory") from None
        finally:
            self._pending -= 1

    def close(self) -> None:
        """Stop the helper threads."""
        self._helpers.shutdown(wait=False, cancel_futures=True)

    def gauges(self) -> dict[str, float]:
        """Current values for Prometheus."""
        return {
            **self.jobs.gauges(),
            "mendpix_pictures": len(self.store),
            "mendpix_picture_bytes": self.store.size,
            "mendpix_ready": float(self.ready and not self.jobs.draining),
        }


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ContextDep = Annotated[Context, Depends(_context)]
"""Parameter type that gives a route the server's context."""
