"""Run the application: uvicorn, with patience for slow clients and for jobs that are under way."""

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
from mendpix.server import app, logs
from mendpix.server.context import Context
from mendpix.server.middleware import Guards
from mendpix.server.settings import Settings

log = logging.getLogger("mendpix.server")

LONGEST_HEADERS = 16 << 10
HEADER_SECONDS = 10.0
"""For the whole of a request's headers; uvicorn itself would wait for ever."""
CONNECTIONS = 512


class Protocol(H11Protocol):
    """A connection that is closed when a request's headers do not come in time."""

    _waiting: asyncio.TimerHandle | None = None
    seconds = HEADER_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; between two requests the clock runs from the first byte."""
        if self._idle() and self._waiting is None:
            self._wait()
        super().data_received(data)
        if not self._idle():
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(self.seconds, self._give_up)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._idle() and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """A server that lets waiting jobs go as soon as it is told to stop, and finishes the others."""

    def __init__(self, config: uvicorn.Config, context: Context) -> None:
        super().__init__(config)
        self.context = context

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on SIGINT and SIGTERM; the second SIGINT stops at once."""
        if sig == signal.SIGINT and self.should_exit:
            for job in self.context.jobs.running():
                job.stop()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer who waits, wait for what runs, and end."""
        self.context.jobs.drain()
        await super().shutdown(sockets)


def serve(settings: Settings, told: Callable[[str], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        told: called with the page's address once the server listens.

    Raises:
        MendError: unsafe settings, or an address that cannot be had.
    """
    pass_in_memory()
    made = settings.token == "auto"  # only this one has to be told: any other is known already
    settings = settings.checked()
    logs.configure(settings.log)
    listening = bind(settings)
    server = built(settings)
    told(address(settings.host, listening.getsockname()[1], settings.token if made else ""))
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # which uvicorn raises once more after a clean end
        log.info("stopped")
    finally:
        listening.close()


def pass_in_memory(memory: str = "/dev/shm") -> None:
    """Put passing files, which the writer of JPEG needs, where they reach no disk (Linux)."""
    if "TMPDIR" not in os.environ and os.access(memory, os.W_OK | os.X_OK):
        tempfile.tempdir = memory


def built(settings: Settings, **changes: Any) -> Server:
    """A server that does not listen yet."""
    guards = app.make(settings)
    assert isinstance(guards, Guards)
    context: Context = guards.app.state.context  # type: ignore[attr-defined]
    config = uvicorn.Config(
        guards,
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=30,
        **changes,
    )
    return Server(config, context)


def bind(settings: Settings) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        MendError: the address cannot be had.
    """
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, settings.port))
        found.listen(512)  # whoever calls before the application is ready waits a moment
    except OSError as problem:
        found.close()
        raise MendError(
            f"{host} port {settings.port} cannot be had ({problem.strerror}); "
            "choose another --port, or 0 for a free one"
        ) from None
    return found


def address(host: str, port: int, token: str = "") -> str:
    """Where the page is, with the token that opens it."""
    host = host.strip("[]")
    name = f"[{host}]" if ":" in host else host
    name = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)
    return f"http://{name}:{port}/{f'?token={token}' if token else ''}"
