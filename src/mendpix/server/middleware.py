"""What stands before every route: who may ask, how much may be sent, and what every answer says."""

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mendpix.server.api_errors import ApiError
from mendpix.server.prometheus import Counts
from mendpix.server.settings import Settings

log = logging.getLogger("mendpix.server")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # with none, fetch sends "Origin: null" to ourselves
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
"""Of every answer."""

UPLOADS = ("/api/v1/pictures", "/api/v1/fill", "/api/v1/scratches")
"""Where a body may be as large as a picture; elsewhere it is a little JSON."""

SMALL = 1 << 20
SLOWEST = 64 << 10
"""Bytes a second that an upload must keep up, beyond the patience it is given."""

FREE = ("/health", "/ready")
"""What is answered without a token."""

COOKIE = "mendpix"
SAFE = ("GET", "HEAD", "OPTIONS")


class Guards:
    """The outermost layer of the application, for HTTP only."""

    def __init__(self, app: ASGIApp, settings: Settings, counts: Counts) -> None:
        self.app, self.settings, self.counts = app, settings, counts
        self.under_way = 0  # bytes of all uploads that are being received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await _Visit(self, scope, receive, send).run()


class _Visit:
    """One request on its way through."""

    def __init__(self, guards: Guards, scope: Scope, receive: Receive, send: Send) -> None:
        self.guards, self.settings = guards, guards.settings
        self.scope, self.receive, self.send = scope, receive, send
        self.headers = _headers(scope)
        self.began = time.monotonic()
        self.received = self.sent = self.status = 0
        self.whole = False  # whether all of the body has come

    async def run(self) -> None:
        try:
            await self._answered()
        except ApiError as refusal:  # from a body that a route was reading
            await self._refuse(refusal)
        except (TimeoutError, ClientDisconnect):
            log.info("a client left, or did not take its answer in time")
        except Exception:
            log.exception("a request failed")
            await self._refuse(ApiError(500, "the server made a mistake; its log says which"))
        finally:
            self.guards.under_way -= self.received
            self._count()

    async def _answered(self) -> None:
        try:
            allow(self.scope, self.headers, self.settings)
            check_length(self.headers, self._most())
        except ApiError as refusal:
            await self._refuse(refusal)
            return
        if _offers_token(self.scope, self.settings):
            await _welcome(self.settings)(self.scope, self.receive, self._send)
            return
        await self.guards.app(self.scope, self._receive, self._send)

    async def _refuse(self, refusal: ApiError) -> None:
        if not self.status:
            await refusal.response()(self.scope, self.receive, self._send)

    def _most(self) -> int:
        large = self.scope["path"] in UPLOADS
        return self.settings.bytes + SMALL if large else SMALL

    async def _receive(self) -> Message:
        """The next piece of the body, within its limits of length and time."""
        if self.whole or self.status:  # waiting for the client to leave: that may take its time
            return await self.receive()
        late = self.began + self.settings.patience + self.received / SLOWEST
        message = await self._in_time(self.receive, late)
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.received += size
            self.guards.under_way += size
            if self.received > self._most():
                raise too_long(self._most())
            if self.guards.under_way > 4 * self.settings.bytes:
                raise ApiError(429, "too much is being uploaded at once; try again", retry_after=5)
            self.whole = not message.get("more_body", False)
        return message

    async def _in_time(self, call: Receive, late: float) -> Message:
        left = late - time.monotonic()
        try:
            return await asyncio.wait_for(call(), max(0.001, left))
        except TimeoutError:
            raise ApiError(408, "the upload is too slow; send it over a faster line") from None

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            names = {name.lower() for name, _ in message.get("headers", ())}
            extra = [(name, value) for name, value in HEADERS if name not in names]
            if b"cache-control" not in names:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        self.sent += len(message.get("body", b""))
        await asyncio.wait_for(self.send(message), max(60.0, self.settings.patience))

    def _count(self) -> None:
        route = getattr(self.scope.get("route"), "path", "other")
        seconds = time.monotonic() - self.began
        self.guards.counts.request(self.scope["method"], route, self.status, seconds)
        log.info(
            "request",
            extra={
                "facts": {
                    "method": self.scope["method"],
                    "route": route,  # the pattern: the path itself may name pictures
                    "status": self.status,
                    "seconds": round(seconds, 4),
                    "received": self.received,
                    "sent": self.sent,
                }
            },
        )


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def allow(scope: Scope, headers: dict[str, list[str]], settings: Settings) -> None:
    """Let a request in.

    Raises:
        Refusal: 403 for another Host (DNS rebinding) or Origin (another site's page), 401 for a
            missing token.
    """
    host = headers.get("host", [])
    if len(host) != 1 or not is_ours(host[0], settings):
        raise ApiError(
            403, "the Host header names another machine; start with --host-name to add it"
        )
    foreign = headers.get("sec-fetch-site", [""])[0] in ("cross-site", "same-site")
    if foreign and (scope["method"] not in SAFE or scope["path"].startswith("/api/")):
        raise ApiError(403, "another site's page may not call this server")
    for origin in headers.get("origin", []):
        if urlsplit(origin).netloc.lower() != host[0].lower():
            raise ApiError(403, "the Origin header names another site")
    if settings.token and scope["path"] not in FREE and not _knows_token(scope, headers, settings):
        raise ApiError(
            401, "the token is missing or wrong; open the address with ?token=... at its end"
        )


def is_ours(host: str, settings: Settings) -> bool:
    """Whether a Host header names this server.

    A number cannot be rebound to another machine, a name can: names are listed.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        _ = urlsplit(f"//{host}").port
    except ValueError:
        return False
    if name in ("localhost", settings.host, *(given.lower() for given in settings.hosts)):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not settings.local


def check_length(headers: dict[str, list[str]], most: int) -> None:
    """Refuse a body by what its header says, before any of it is read."""
    for length in headers.get("content-length", []):
        if length.isdecimal() and int(length) > most:
            raise too_long(most)


def too_long(most: int) -> ApiError:
    """The answer to a body of more than ``most`` bytes."""
    return ApiError(413, f"the body is longer than the {most / 1e6:.0f} MB that are taken")


def seal(token: str) -> str:
    """What the cookie holds: proof of the token that does not give it away."""
    return hmac.new(token.encode(), b"mendpix page", hashlib.sha256).hexdigest()


def _knows_token(scope: Scope, headers: dict[str, list[str]], settings: Settings) -> bool:
    for given in headers.get("authorization", []):
        kind, _, value = given.partition(" ")
        if kind.lower() == "bearer" and _same(value.strip(), settings.token):
            return True
    try:
        cookies = SimpleCookie("; ".join(headers.get("cookie", [])))
    except CookieError:
        cookies = SimpleCookie()
    if COOKIE in cookies and _same(cookies[COOKIE].value, seal(settings.token)):
        return True
    return _offers_token(scope, settings)


def _offers_token(scope: Scope, settings: Settings) -> bool:
    """Whether the page is opened with the right token at its address's end."""
    if not settings.token or scope["path"] != "/" or scope["method"] != "GET":
        return False
    given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
    return _same(given, settings.token)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _welcome(settings: Settings) -> RedirectResponse:
    """To the page, without the token in the address, and with a cookie instead."""
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, seal(settings.token), httponly=True, samesite="strict", path="/")
    return answer
