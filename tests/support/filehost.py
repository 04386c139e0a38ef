"""A server of one file on this machine, for tests of downloads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Host(ThreadingHTTPServer):
    """Serves ``body``; told to break connections, to ignore ranges, or to answer with an error."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.breaks = 0
        self.ranges = True
        self.says = 0
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.bin"


class Handler(BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        server = self.server
        server.asked.append(self.headers["Range"])
        if server.says:
            self.send_error(server.says)
            return
        start = self._start()
        if start >= len(server.body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        rest = server.body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def _start(self) -> int:
        asked = self.headers["Range"]
        return int(asked[6:-1]) if asked and self.server.ranges else 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


@contextmanager
def hosting(body: bytes) -> Iterator[Host]:
    with Host(body) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield host
        finally:
            host.shutdown()
            thread.join()
