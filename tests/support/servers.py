"""A real server on this machine's loopback, in a thread, for tests that talk to it."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tifffile
from PIL import Image

from mendpix.server.middleware import SecurityMiddleware
from mendpix.server.settings import ServerSettings
from mendpix.server.uvicorn_server import DrainingServer, build_server, open_listener

PHOTO = (np.random.default_rng(7).random((48, 64, 3)) * 80 + 90).astype(np.uint8)
HOLE = np.zeros((48, 64), np.uint8)
HOLE[10:20, 30:44] = 255
SLOW = {"model": "patchmatch", "options": {"rounds": 30, "last_rounds": 10, "sweeps": 6}}
"""With `big()`: a fill that takes many seconds, and can be stopped at any time."""


def png(values: np.ndarray, **options: Any) -> bytes:
    """A PNG file of values."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG", **options)
    return buffer.getvalue()


def tiff16() -> bytes:
    """A 16-bit TIFF file of the photo's size, with all its low bits in use."""
    buffer = io.BytesIO()
    values = np.random.default_rng(1).integers(0, 65536, (48, 64, 3), np.uint16)
    tifffile.imwrite(buffer, values, photometric="rgb")
    return buffer.getvalue()


def big() -> bytes:
    """A photo of 480x480 as PNG, of noise, which is hard to fill."""
    noise = np.random.default_rng(3).random((480, 480, 3)) * 255
    return png(noise.astype(np.uint8), compress_level=1)


class RunningServer:
    """A server that runs, and a client for it."""

    def __init__(self, server: DrainingServer, port: int, settings: ServerSettings) -> None:
        self.server, self.port, self.settings = server, port, settings
        self.url = f"http://127.0.0.1:{port}"
        self.client = httpx.Client(base_url=self.url, timeout=60)
        self.jobs, self.store = server.context.jobs, server.context.store
        app = server.config.app
        assert isinstance(app, SecurityMiddleware)
        self.middleware = app

    def upload(self, content: bytes, name: str = "photo.png") -> str:
        """Upload a picture; its id."""
        headers = {"Content-Type": "application/octet-stream"}
        answer = self.client.post(
            "/api/v1/pictures", params={"name": name}, content=content, headers=headers
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def order(self, **body: Any) -> httpx.Response:
        """Ask for a job."""
        return self.client.post("/api/v1/jobs", json=body)

    def slow_job(self, **body: Any) -> dict[str, Any]:
        """A job that runs until it is stopped."""
        key = self.upload(big())
        answer = self.order(pictures=[key], boxes=[[60, 60, 360, 360]], **SLOW, **body)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, key: str) -> dict[str, Any]:
        """A job's state."""
        found: dict[str, Any] = self.client.get(f"/api/v1/jobs/{key}").json()
        return found

    def until(self, true: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait for something to become true; far beyond what it should take."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.02)

    def events(self, key: str) -> list[tuple[str, dict[str, Any]]]:
        """All events of a job, to its end."""
        found = []
        with self.client.stream("GET", f"/api/v1/jobs/{key}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event":
                    name = value
                if field == "data":
                    found.append((name, json.loads(value)))
        return found


@contextmanager
def running(**changes: Any) -> Iterator[RunningServer]:
    """A server with these settings, stopped at the end of the block."""
    settings = ServerSettings(port=0, log="none", **changes)
    listening = open_listener(settings)
    server = build_server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        found = RunningServer(server, listening.getsockname()[1], settings)
        found.until(lambda: server.started)
        with found.client:
            yield found
    finally:
        for job in server.context.jobs.list_running():
            job.stop()
        server.should_exit = True
        thread.join()
        listening.close()


def code(answer: httpx.Response) -> str:
    """The code of an error."""
    body = answer.json()["error"]
    assert set(body) == {"code", "message", "retry_after"}
    assert "\n" not in body["message"]
    assert "Traceback" not in answer.text
    assert str(Path(__file__).parents[2]) not in answer.text
    return str(body["code"])
