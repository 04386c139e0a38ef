"""Security middleware: access control, upload limits, response headers, access log, metrics."""

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
from mendpix.server.prometheus import ServerMetrics
from mendpix.server.settings import ServerSettings

log = logging.getLogger("mendpix.server")

CONTENT_SECURITY_POLICY = "; ".join(
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
SECURITY_HEADERS = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # with none, fetch sends "Origin: null" to ourselves
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
"""Added to every response."""

UPLOAD_PATHS = ("/api/v1/pictures", "/api/v1/fill", "/api/v1/scratches")
"""Routes whose body may be as large as a picture; all others take at most `MAX_JSON_BYTES`."""

MAX_JSON_BYTES = 1 << 20
MIN_UPLOAD_RATE = 64 << 10
"""Bytes a second that an upload must sustain, after the grace of ``settings.patience``."""

PUBLIC_PATHS = ("/health", "/ready")
"""Served without a token."""

COOKIE = "mendpix"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class SecurityMiddleware:
    """ASGI middleware around the whole application; HTTP only, no WebSocket."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: ServerMetrics) -> None:
        self.app, self.settings, self.metrics = app, settings, metrics
        self.uploading_bytes = 0  # received bytes of all unfinished requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await _GuardedRequest(self, scope, receive, send).run()


class _GuardedRequest:
    """One request passing through the middleware."""

    def __init__(
        self, middleware: SecurityMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.middleware, self.settings = middleware, middleware.settings
        self.scope, self.receive, self.send = scope, receive, send
        self.headers = _collect_headers(scope)
        self.started_at = time.monotonic()
        self.received = self.sent = self.status = 0
        self.body_complete = False  # whether the whole body was received

    async def run(self) -> None:
        try:
            await self._handle()
        except ApiError as error:  # raised by `_receive` inside a route
            await self._send_error(error)
        except (TimeoutError, ClientDisconnect):
            log.info("a client left, or did not take its answer in time")
        except Exception:
            log.exception("a request failed")
            await self._send_error(ApiError(500, "the server made a mistake; its log says which"))
        finally:
            self.middleware.uploading_bytes -= self.received
            self._count()

    async def _handle(self) -> None:
        try:
            check_access(self.scope, self.headers, self.settings)
            check_length(self.headers, self._body_limit())
        except ApiError as error:
            await self._send_error(error)
            return
        if _has_token_in_query(self.scope, self.settings):
            await _redirect_with_cookie(self.settings)(self.scope, self.receive, self._send)
            return
        await self.middleware.app(self.scope, self._receive, self._send)

    async def _send_error(self, error: ApiError) -> None:
        if not self.status:
            await error.to_response()(self.scope, self.receive, self._send)

    def _body_limit(self) -> int:
        large = self.scope["path"] in UPLOAD_PATHS
        return self.settings.max_bytes + MAX_JSON_BYTES if large else MAX_JSON_BYTES

    async def _receive(self) -> Message:
        """Receive the next message, within the limits of size, rate and total memory."""
        if self.body_complete or self.status:  # a route that waits for a disconnect
            return await self.receive()
        deadline = self.started_at + self.settings.patience + self.received / MIN_UPLOAD_RATE
        message = await self._receive_before(self.receive, deadline)
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.received += size
            self.middleware.uploading_bytes += size
            if self.received > self._body_limit():
                raise body_too_large(self._body_limit())
            if self.middleware.uploading_bytes > 4 * self.settings.max_bytes:
                raise ApiError(429, "too much is being uploaded at once; try again", retry_after=5)
            self.body_complete = not message.get("more_body", False)
        return message

    async def _receive_before(self, receive: Receive, deadline: float) -> Message:
        remaining = deadline - time.monotonic()
        try:
            return await asyncio.wait_for(receive(), max(0.001, remaining))
        except TimeoutError:
            raise ApiError(408, "the upload is too slow; send it over a faster line") from None

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            names = {name.lower() for name, _ in message.get("headers", ())}
            extra = [(name, value) for name, value in SECURITY_HEADERS if name not in names]
            if b"cache-control" not in names:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        self.sent += len(message.get("body", b""))
        await asyncio.wait_for(self.send(message), max(60.0, self.settings.patience))

    def _count(self) -> None:
        route = getattr(self.scope.get("route"), "path", "other")
        seconds = time.monotonic() - self.started_at
        self.middleware.metrics.count_request(self.scope["method"], route, self.status, seconds)
        log.info(
            "request",
            extra={
                "facts": {
                    "method": self.scope["method"],
                    "route": route,  # the pattern, as the path may hold names of pictures
                    "status": self.status,
                    "seconds": round(seconds, 4),
                    "received": self.received,
                    "sent": self.sent,
                }
            },
        )


def _collect_headers(scope: Scope) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return headers


def check_access(scope: Scope, headers: dict[str, list[str]], settings: ServerSettings) -> None:
    """Check that a request may pass.

    Raises:
        ApiError: 403 for a foreign Host (DNS rebinding) or Origin (cross-site request), 401 for a
            missing token.
    """
    host = headers.get("host", [])
    if len(host) != 1 or not is_own_host(host[0], settings):
        raise ApiError(
            403, "the Host header names another machine; start with --host-name to add it"
        )
    foreign = headers.get("sec-fetch-site", [""])[0] in ("cross-site", "same-site")
    if foreign and (scope["method"] not in SAFE_METHODS or scope["path"].startswith("/api/")):
        raise ApiError(403, "another site's page may not call this server")
    for origin in headers.get("origin", []):
        if urlsplit(origin).netloc.lower() != host[0].lower():
            raise ApiError(403, "the Origin header names another site")
    if (
        settings.token
        and scope["path"] not in PUBLIC_PATHS
        and not _carries_token(scope, headers, settings)
    ):
        raise ApiError(
            401, "the token is missing or wrong; open the address with ?token=... at its end"
        )


def is_own_host(host: str, settings: ServerSettings) -> bool:
    """Whether a Host header names this server.

    DNS rebinding needs a name: IP addresses pass where others may connect, names must be listed.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
        _ = urlsplit(f"//{host}").port
    except ValueError:
        return False
    if name in ("localhost", settings.host, *(listed.lower() for listed in settings.hosts)):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or not settings.is_local


def check_length(headers: dict[str, list[str]], limit: int) -> None:
    """Reject a body by its Content-Length, before any of it is read."""
    for length in headers.get("content-length", []):
        if length.isdecimal() and int(length) > limit:
            raise body_too_large(limit)


def body_too_large(limit: int) -> ApiError:
    """The error for a body of more than ``limit`` bytes."""
    return ApiError(413, f"the body is longer than the {limit / 1e6:.0f} MB that are taken")


def sign_token(token: str) -> str:
    """The cookie's value: an HMAC that proves knowledge of the token without revealing it."""
    return hmac.new(token.encode(), b"mendpix page", hashlib.sha256).hexdigest()


def _carries_token(scope: Scope, headers: dict[str, list[str]], settings: ServerSettings) -> bool:
    for header in headers.get("authorization", []):
        kind, _, value = header.partition(" ")
        if kind.lower() == "bearer" and _equal_constant_time(value.strip(), settings.token):
            return True
    try:
        cookies = SimpleCookie("; ".join(headers.get("cookie", [])))
    except CookieError:
        cookies = SimpleCookie()
    if COOKIE in cookies and _equal_constant_time(
        cookies[COOKIE].value, sign_token(settings.token)
    ):
        return True
    return _has_token_in_query(scope, settings)


def _has_token_in_query(scope: Scope, settings: ServerSettings) -> bool:
    """Whether the page is requested with the right ``?token=``."""
    if not settings.token or scope["path"] != "/" or scope["method"] != "GET":
        return False
    token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
    return _equal_constant_time(token, settings.token)


def _equal_constant_time(value: str, expected: str) -> bool:
    return hmac.compare_digest(value.encode("utf-8", "replace"), expected.encode())


def _redirect_with_cookie(settings: ServerSettings) -> RedirectResponse:
    """Redirect to the page, with a cookie in place of the token in the address."""
    response = RedirectResponse("/", 303)
    response.set_cookie(
        COOKIE, sign_token(settings.token), httponly=True, samesite="strict", path="/"
    )
    return response
