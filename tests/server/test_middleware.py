"""Who may ask, how much may be sent, and how slowly: at a real server, over plain sockets too."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import HOLE, PHOTO, RunningServer, code, png, running

from mendpix.errors import MendError
from mendpix.server import middleware
from mendpix.server.settings import ServerSettings
from mendpix.server.uvicorn_server import HeaderTimeoutProtocol

TOKEN = "correct-horse-battery"
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A small server: 2 MB, a tenth of a megapixel, little patience."""
    with running(megabytes=2, megapixels=0.1, patience=1.0, hosts=("Photos.Example",)) as received:
        yield received


@pytest.fixture(scope="module")
def locked() -> Iterator[RunningServer]:
    """A server with a token."""
    with running(token=TOKEN) as received:
        yield received


def exchange(server: RunningServer, sent: bytes, pause: float = 0.0, more: bytes = b"") -> bytes:
    """What comes back over a plain socket, to the end of the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(sent)
        if more:
            time.sleep(pause)
            line.sendall(more)
        received = b""
        while piece := line.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "8.8.8.8", "[::2]",
     "localhost@evil.example", "127.0.0.1:80:80", "photos.example.", "a b"],
)  # fmt: skip
def test_a_name_that_was_rebound_is_refused(server: RunningServer, host: str) -> None:
    answer = server.client.get("/api/v1/models", headers={"Host": host})
    assert (answer.status_code, code(answer)) == (403, "forbidden")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:80", "127.8.8.8", "photos.example"]
)
def test_names_of_this_machine_are_taken(server: RunningServer, host: str) -> None:
    assert server.client.get("/health", headers={"Host": host}).status_code == 200


def test_one_host_header_and_no_more(server: RunningServer) -> None:
    for lines in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        reply = exchange(server, b"GET /health HTTP/1.1\r\n" + lines + b"Connection: close\r\n\r\n")
        assert reply.split(b" ")[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "https://localhost:1", "file://"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_other_sites_pages_are_refused(server: RunningServer, method: str, origin: str) -> None:
    answer = server.client.request(method, "/api/v1/jobs/x", headers={"Origin": origin})
    assert (answer.status_code, code(answer)) == (403, "forbidden")
    assert "access-control-allow-origin" not in answer.headers


def test_our_own_page_is_taken_and_a_link_from_elsewhere_too(server: RunningServer) -> None:
    answer = server.client.get("/api/v1/models", headers={"Origin": server.url})
    assert answer.status_code == 200
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert server.client.get("/", headers=foreign).status_code == 200
    assert server.client.get("/api/v1/folder", headers=foreign).status_code == 403
    assert server.client.post("/api/v1/fill", headers=foreign).status_code == 403


def test_every_answer_says_how_it_may_be_used(server: RunningServer) -> None:
    for path in ("/", "/docs", "/health", "/api/v1/models", "/api/v1/pictures/none", "/nothing"):
        headers = server.client.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert (policy["default-src"], policy["script-src"]) == ("'none'", "'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "cache-control" in headers
        assert "server" not in headers


def test_a_token_is_needed_everywhere_but_for_health(locked: RunningServer) -> None:
    for path in ("/", "/docs", "/metrics", "/openapi.json", "/api/v1/models", "/nothing"):
        answer = locked.client.get(path)
        assert (answer.status_code, code(answer)) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert locked.client.get("/health").status_code == 200
    for wrong in ("Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"):
        headers = {"Authorization": wrong.encode()}
        assert locked.client.get("/api/v1/models", headers=headers).status_code == 401
    right = {"Authorization": f"bearer {TOKEN}"}
    assert locked.client.get("/api/v1/models", headers=right).status_code == 200


def test_the_page_is_opened_with_the_token_and_goes_on_with_a_cookie(locked: RunningServer) -> None:
    with httpx.Client(base_url=locked.url) as browser:
        answer = browser.get("/", params={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
        assert browser.get("/").status_code == 200
        assert browser.get("/api/v1/models").status_code == 200
    with httpx.Client(base_url=locked.url, cookies={middleware.COOKIE: TOKEN}) as thief:
        assert thief.get("/").status_code == 401
    assert locked.client.get("/api/v1/models", params={"token": TOKEN}).status_code == 401


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"host": "0.0.0.0"}, "give a --token"),
        ({"host": "::"}, "give a --token"),
        ({"host": "photos.example"}, "give a --token"),
        ({"host": "0.0.0.0", "token": "short"}, "16 or more"),
        ({"token": "with a\nline break in it"}, "all ASCII"),
        ({"folder": Path("no-such-folder")}, "not a folder"),
        ({"runs": Path("no-such-folder")}, "not a folder"),
    ],
)
def test_unsafe_settings_are_refused(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(MendError, match=part):
        ServerSettings(**changes).validate()


def test_safe_settings_are_taken() -> None:
    assert ServerSettings(host="0.0.0.0", open=True).validate().token == ""
    made = [ServerSettings(host="0.0.0.0", token="auto").validate().token for _ in range(2)]
    assert made[0] != made[1] and min(map(len, made)) >= 32
    assert [ServerSettings(host=host).is_local for host in ("127.0.0.1", "localhost", "::1")] == [
        True
    ] * 3


def test_numbers_are_names_only_where_others_may_call() -> None:
    assert not middleware.is_own_host("192.168.1.7:8000", ServerSettings())
    assert middleware.is_own_host("192.168.1.7:8000", ServerSettings(host="0.0.0.0", open=True))
    assert not middleware.is_own_host("nas.example:8000", ServerSettings(host="0.0.0.0", open=True))


def test_too_long_a_body_is_refused_before_it_is_read(server: RunningServer) -> None:
    head = b"POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    reply = exchange(server, head + b"Content-Length: 99999999\r\n\r\n")
    assert b" 413 " in reply.split(b"\r\n")[0]
    assert json.loads(reply.split(b"\r\n\r\n")[1])["error"]["code"] == "too_large"


def test_too_long_a_body_without_a_length_is_refused(server: RunningServer) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    answer = server.client.post("/api/v1/pictures", content=chunks(), headers=JPEG)
    assert (answer.status_code, code(answer)) == (413, "too_large")
    small = server.client.post("/api/v1/jobs", content=b" " * 1_100_000)
    assert (small.status_code, code(small)) == (413, "too_large")


def test_an_upload_that_stands_still_is_ended(server: RunningServer) -> None:
    head = b"POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    reply = exchange(server, head + b"Content-Length: 1000\r\n\r\nstart")
    assert b" 408 " in reply.split(b"\r\n")[0]
    assert json.loads(reply.split(b"\r\n\r\n")[1])["error"]["code"] == "too_slow"


def test_an_upload_that_drips_is_ended(server: RunningServer) -> None:
    head = b"POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as line:
        line.sendall(head + b"Content-Length: 100000\r\n\r\n")
        began = time.monotonic()
        received = b""
        line.settimeout(0.1)
        while not received:
            assert time.monotonic() - began < 60, "nobody ended it"
            line.sendall(b"x")
            try:
                received = line.recv(65536)
            except TimeoutError:
                continue
    assert b" 408 " in received


def test_headers_that_do_not_come_end_the_connection(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeaderTimeoutProtocol, "seconds", 0.3)
    assert exchange(server, b"") == b""
    assert exchange(server, b"GET /health HTTP/1.1\r\nHost: is_local") == b""
    whole = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reply = exchange(server, whole, 0.1, b"GET /heal")  # the second request never ends
    assert reply.count(b"HTTP/1.1 200") == 1


def test_too_long_headers_are_refused(server: RunningServer) -> None:
    reply = exchange(
        server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40000 + b"\r\n"
    )
    assert b" 400 " in reply.split(b"\r\n")[0]


def test_bombs_are_refused_by_what_their_headers_say(server: RunningServer) -> None:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    for path in ("/api/v1/pictures", "/api/v1/fill?box=1,1,2,2", "/api/v1/scratches"):
        answer = server.client.post(path, content=bomb, headers={"Content-Type": "image/png"})
        assert (answer.status_code, code(answer)) == (413, "too_large")
        assert "3600 megapixels" in answer.json()["error"]["message"]
    files = {"photo": ("p.png", png(PHOTO)), "mask": ("m.png", bomb)}
    answer = server.client.post("/api/v1/fill", files=files)
    assert (answer.status_code, code(answer)) == (413, "too_large")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
def test_pictures_cut_short_are_refused(server: RunningServer, share: float) -> None:
    whole = png(PHOTO)
    files = {"photo": ("p.png", whole[: int(share * len(whole))]), "mask": ("m.png", png(HOLE))}
    answer = server.client.post("/api/v1/fill", files=files)
    assert answer.status_code in (400, 422)
    assert code(answer) in ("bad_request", "not_a_picture")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/html", b"<script>alert(1)</script>"),
        ("application/x-www-form-urlencoded", b"a=b"),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("image/png", b"%PDF-1.7"),
        ("application/octet-stream", b"\x80\x04\x95cos\nsystem\n"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=photo"),
    ],
)
def test_what_is_no_picture_is_refused(server: RunningServer, kind: str, content: bytes) -> None:
    answer = server.client.post("/api/v1/pictures", content=content, headers={"Content-Type": kind})
    assert answer.status_code in (400, 415, 422)
    code(answer)
    assert b"script" not in answer.content


def test_unknown_addresses_and_methods_are_json(server: RunningServer) -> None:
    assert code(server.client.get("/nothing")) == "not_found"
    assert code(server.client.get("/api/v1/nothing")) == "not_found"
    assert code(server.client.put("/api/v1/models")) == "not_allowed"
    for path in ("/..%2f..%2fetc/passwd", "/%2e%2e/settings.py", "/reference/..%5c..%5capp.py",
                 "/reference/../app.py", "//etc/passwd", "/reference//etc/passwd", "/app.py",
                 "/%00", "/index.html%00.png"):  # fmt: skip
        reply = exchange(
            server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        )
        assert b" 404 " in reply.split(b"\r\n")[0], path
