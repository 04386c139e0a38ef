"""Run the application in uvicorn: header time-outs, and a shutdown that finishes running jobs."""

import asyncio
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from mendpix.errors import MendError
from mendpix.server import app, log_formatters
from mendpix.server.context import Context
from mendpix.server.middleware import SecurityMiddleware
from mendpix.server.settings import ServerSettings

log = logging.getLogger("mendpix.server")

MAX_HEADER_BYTES = 16 << 10
HEADER_SECONDS = 10.0
"""Time limit for a request's headers; uvicorn itself has none."""
MAX_CONNECTIONS = 512


class HeaderTimeoutProtocol(H11Protocol):
    """A connection that is closed if a request's headers take too long."""

    _timer: asyncio.TimerHandle | None = None
    seconds = HEADER_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer."""
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Parse data; between two requests the timer starts at the first byte."""
        if self._idle() and self._timer is None:
            self._start_timer()
        super().data_received(data)
        if not self._idle():
            self._stop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.seconds, self._close_idle)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_idle(self) -> None:
        self._timer = None
        if self._idle() and not self.transport.is_closing():
            self.transport.close()


class DrainingServer(uvicorn.Server):
    """A server whose shutdown cancels waiting jobs and finishes running ones."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self.context = context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT and SIGTERM; a second SIGINT cancels the running jobs."""
        if sig == signal.SIGINT and self.should_exit:
            for job in self.context.jobs.list_running():
                job.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain the job queue, then let uvicorn finish open requests."""
        self.context.jobs.drain()
        await super().shutdown(sockets)


def serve(settings: ServerSettings, announce: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        announce: called with the page's address once the server listens.

    Raises:
        MendError: unsafe settings, or the address is in use.
    """
    keep_temporary_files_in_memory()
    token_is_generated = settings.token == "auto"
    settings = settings.validate()
    log_formatters.configure(settings.log)
    listener = open_listener(settings)
    server = build_server(settings)
    # Print no token that the user chose: output is often kept in logs.
    token = settings.token if token_is_generated else ""
    announce(page_url(settings.host, listener.getsockname()[1], token))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn raises it again after a clean shutdown
        log.info("stopped")
    finally:
        listener.close()


def keep_temporary_files_in_memory(memory: str = "/dev/shm") -> None:
    """Put temporary files, which the JPEG encoder needs, into memory instead of on disk (Linux)."""
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK | os.X_OK):
        tempfile.tempdir = memory


def build_server(settings: ServerSettings, **changes: Any) -> DrainingServer:
    """Build a server that does not listen yet."""
    middleware = app.create_app(settings)
    assert isinstance(middleware, SecurityMiddleware)
    context: Context = middleware.app.state.context  # type: ignore[attr-defined]
    config = uvicorn.Config(
        middleware,
        http=HeaderTimeoutProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=30,
        **changes,
    )
    return DrainingServer(config, context)


def open_listener(settings: ServerSettings) -> socket.socket:
    """Open a socket that listens at the address.

    Raises:
        MendError: the address is in use or not of this machine.
    """
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, settings.port))
        listener.listen(512)  # backlog: early clients wait until the application is ready
    except OSError as problem:
        listener.close()
        raise MendError(
            f"{host} port {settings.port} cannot be had ({problem.strerror}); "
            "choose another --port, or 0 for a free one"
        ) from None
    return listener


def page_url(host: str, port: int, token: str = "") -> str:
    """The page's address, with the token that opens it."""
    host = host.strip("[]")
    name = f"[{host}]" if ":" in host else host
    name = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)
    return f"http://{name}:{port}/{f'?token={token}' if token else ''}"
