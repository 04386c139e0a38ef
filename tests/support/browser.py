"""A real Chromium without a window, told what to do over a pipe: no driver, no dependency.

The Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/) as messages
of JSON that end with a zero byte, on the browser's file descriptors 3 (in) and 4 (out).
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
CONTROL, SHIFT = 2, 8
"""Modifiers of keys."""
_CODES = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
          "ArrowDown": 40, "Tab": 9, "Delete": 46, " ": 32}  # fmt: skip


def program() -> str | None:
    """Where a Chromium is, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Pipe:
    """Messages to and from a browser."""

    def __init__(self, read: int, write: int) -> None:
        self.read, self.write = read, write
        self._rest = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        while True:
            got = self._next()
            if got.get("id") == self._count:
                assert "error" not in got, got
                result: dict[str, Any] = got["result"]
                return result
            self.events.append(got)

    def _next(self, seconds: float = 90.0) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self.read, 1 << 20)
            assert piece, "the browser is gone"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found


class Tab:
    """A page in the browser with a store of its own, and a hand and a keyboard for it."""

    def __init__(self, pipe: Pipe, downloads: Path) -> None:
        self.pipe, self.downloads = pipe, downloads
        self.context = pipe.ask("Target.createBrowserContext")["browserContextId"]
        within = {"browserContextId": self.context}
        target = pipe.ask("Target.createTarget", url="about:blank", **within)["targetId"]
        flat = pipe.ask("Target.attachToTarget", targetId=target, flatten=True)
        self.session = flat["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.ask(f"{domain}.enable")
        where = {"downloadPath": str(downloads)}
        pipe.ask("Browser.setDownloadBehavior", behavior="allow", **where, **within)

    def close(self) -> None:
        """Close the tab and forget what it stored."""
        self.pipe.ask("Target.disposeBrowserContext", browserContextId=self.context)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send the page a command."""
        return self.pipe.ask(method, self.session, **params)

    def size(self, width: int, height: int, *, ratio: float = 1, phone: bool = False) -> None:
        """Set the viewport."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=ratio,
            mobile=phone,
        )
        self.ask("Emulation.setTouchEmulationEnabled", enabled=phone, maxTouchPoints=2)

    def media(self, **features: str) -> None:
        """Emulate media features, such as ``prefers_color_scheme="dark"``."""
        pairs = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self.ask("Emulation.setEmulatedMedia", features=pairs)

    def go(self, url: str) -> None:
        """Open an address and wait for its body to say that it is ready."""
        self.ask("Page.navigate", url=url)
        self.until("document.body?.classList.contains('ready')")

    def js(self, expression: str) -> Any:
        """The value of an expression, awaited."""
        got = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in got, got["exceptionDetails"]
        return got["result"].get("value")

    def until(self, expression: str, seconds: float = 60.0) -> None:
        """Wait for an expression to be true; far beyond what it should take."""
        end = time.monotonic() + seconds
        while not self.js(f"Boolean({expression})"):
            assert time.monotonic() < end, f"never true: {expression}; {self.complaints()}"
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """What the page threw or the browser logged as an error, broken policies included."""
        found = []
        for event in self.pipe.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                found.append(str(details.get("exception", details).get("description", details)))
            if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        return found

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One mouse event: moved, pressed, released or wheel."""
        name = {"wheel": "mouseWheel"}.get(kind, f"mouse{kind.title()}")
        self.ask("Input.dispatchMouseEvent", type=name, x=x, y=y, **more)

    def drag(self, *path: tuple[float, float]) -> None:
        """Press at the first place, move over the others, and let go."""
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.mouse("moved", *path[0])
        self.mouse("pressed", *path[0], **held)
        for place in path[1:]:
            self.mouse("moved", *place, **held)
        self.mouse("released", *path[-1], **held)

    def click(self, selector: str) -> None:
        """Click the middle of an element, scrolled into sight, as a person would."""
        self.js(f"document.querySelector({selector!r}).scrollIntoView({{block: 'nearest'}})")
        x, y = self.js(
            f"(() => {{const r = document.querySelector({selector!r}).getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]})()"
        )
        self.drag((x, y))

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        """One touch event: start, move or end."""
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        self.ask("Input.dispatchTouchEvent", type=f"touch{kind.title()}", touchPoints=points)

    def key(self, name: str, modifiers: int = 0) -> None:
        """Press and release a key."""
        code = _CODES.get(name, ord(name[0].upper()))
        text = "\r" if name == "Enter" else name if len(name) == 1 and modifiers in (0, 8) else ""
        common = {"key": name, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        down = {"text": text} if text else {}
        self.ask(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **down
        )
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def choose(self, selector: str, *files: Path) -> None:
        """Click a button that asks for files, and give it some."""
        self.ask("Page.setInterceptFileChooserDialog", enabled=True)
        for attempt in range(3):  # a field that is not on the page may be collected meanwhile
            field = self._open_chooser(selector)
            try:
                names = [str(file) for file in files]
                self.ask("DOM.setFileInputFiles", files=names, backendNodeId=field)
                return
            except AssertionError as error:
                if "No node found" not in str(error) or attempt == 2:
                    raise

    def _open_chooser(self, selector: str) -> int:
        """Click a button and wait for its file chooser; the field that asks."""
        before = len(self._choosers())
        self.click(selector)
        end = time.monotonic() + 60
        while len(self._choosers()) == before:
            assert time.monotonic() < end, "nothing asked for a file"
            self.js("new Promise((done) => setTimeout(done, 20))")
        return int(self._choosers()[-1]["params"]["backendNodeId"])

    def _choosers(self) -> list[dict[str, Any]]:
        """The file choosers that opened."""
        return [one for one in self.pipe.events if one.get("method") == "Page.fileChooserOpened"]

    def drop(self, file: Path, selector: str = "#welcome") -> None:
        """Drop a file on an element."""
        x, y = self.js(
            f"(() => {{const r = document.querySelector({selector!r}).getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]})()"
        )
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.ask("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def picture(self, path: Path) -> None:
        """Save what is seen."""
        shot = self.ask("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(shot))

    def download(self, name: str, seconds: float = 60.0) -> bytes:
        """Wait for a downloaded file."""
        end = time.monotonic() + seconds
        path = self.downloads / name
        while not path.is_file() or path.with_name(f"{name}.crdownload").exists():
            have = sorted(one.name for one in self.downloads.iterdir())
            assert time.monotonic() < end, f"{name} never came; there are {have}"
            time.sleep(0.05)
        return path.read_bytes()


def _high(pair: tuple[int, int]) -> list[int]:
    """The same pipe on descriptors that 3 and 4 cannot overwrite."""
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 64) for end in pair]
    for end in pair:
        os.close(end)
    return moved


@contextmanager
def running() -> Iterator[Pipe]:
    """A fresh browser, which is ended with the block."""
    path = program()
    assert path
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        to_browser, from_browser = _high(os.pipe()), _high(os.pipe())
        pid = os.posix_spawn(
            path,
            [path, *FLAGS, f"--user-data-dir={home}/profile", "about:blank"],
            {**os.environ, "HOME": home},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, to_browser[0], 3),
                (os.POSIX_SPAWN_DUP2, from_browser[1], 4),
            ],
            setpgroup=0,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        try:
            yield Pipe(from_browser[0], to_browser[1])
        finally:
            _end(pid)
            os.close(from_browser[0])
            os.close(to_browser[1])


def _end(pid: int) -> None:
    """End the browser and its children, which are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@contextmanager
def tab() -> Iterator[Tab]:
    """A tab of a fresh browser."""
    with running() as pipe, tempfile.TemporaryDirectory() as downloads:
        yield Tab(pipe, Path(downloads))
