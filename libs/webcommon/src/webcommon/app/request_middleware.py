"""The outermost layer of every request: its id, duration, log line and metrics.

One plain ASGI callable instead of a stack of middleware, since each layer costs every request.
"""

import logging
import re
import time
from collections.abc import Iterable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from webcommon.api.problems import ContentTooLarge, problem_response
from webcommon.observability.context import QUIET_PATHS, request_id
from webcommon.observability.logs import log_request
from webcommon.observability.metrics import RequestMetrics, known_method

Header = tuple[bytes, bytes]

NO_CONTENT = 204
CONTENT_TOO_LARGE = 413

NOSNIFF = (b"x-content-type-options", b"nosniff")
HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")
NOT_STORED = (b"cache-control", b"no-store")

_JSON = (b"application/json", b"application/problem+json")

_VISIBLE_ASCII = re.compile(rb"[\x21-\x7e]{1,128}")


class RequestMiddleware:
    """Wraps an application: gives every response `X-Request-ID` and security headers, counts and times it, and logs a
    line.

    With `is_https_only` browsers are told to use https only (RFC 6797). A web socket has a request id too.
    """

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics, is_https_only: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._standing = (NOSNIFF, HTTPS_ONLY) if is_https_only else (NOSNIFF,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        identifier = read_request_id(scope["headers"])
        token = request_id.set(identifier.decode("ascii"))
        started = time.perf_counter()
        answered = 0.0
        status = 0
        replaced: bytes | None = None

        async def send_framed(message: Message) -> None:
            nonlocal answered, status, replaced
            if message["type"] == "http.response.start":
                answered = time.perf_counter()
                status = message["status"]
                if status == CONTENT_TOO_LARGE:
                    replaced = _replace_plain_text(message, scope)
                message["headers"] = [
                    (b"x-request-id", identifier),
                    *self._standing,
                    *_choose_headers(message.get("headers", ()), status=status),
                ]
            elif replaced is not None:
                message["body"] = replaced
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        except Exception:
            # The handler of unexpected errors has logged it and answered, unless the answer had begun.
            if status == 0:
                raise
        finally:
            ended = time.perf_counter()
            self._record(scope, status=status, waited=(answered or ended) - started, lasted=ended - started)
            request_id.reset(token)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every log line of a web socket has the id of its handshake. The last one says how it ended: the first close
        code of either side, or the status of a refused handshake."""
        identifier = read_request_id(scope["headers"])
        token = request_id.set(identifier.decode("ascii"))
        started = time.perf_counter()
        ending = _Ending()
        level = logging.WARNING

        async def receive_noted() -> Message:
            message = await receive()
            ending.note(message)
            return message

        async def send_framed(message: Message) -> None:
            ending.note(message)
            if message["type"] in _HANDSHAKE_ANSWERS:
                self._frame_handshake(message, identifier)
            await send(message)

        try:
            await self._app(scope, receive_noted, send_framed)
            level = logging.INFO
        finally:
            duration = {"duration_ms": round((time.perf_counter() - started) * 1000, 1)}
            log_request(level, "web socket", {"route": _route_template(scope), **ending.fields, **duration})
            request_id.reset(token)

    def _frame_handshake(self, message: Message, identifier: bytes) -> None:
        headers = _choose_headers(message.get("headers", ()), status=message.get("status", _SWITCHED))
        message["headers"] = [(b"x-request-id", identifier), *self._standing, *headers]

    def _record(self, scope: Scope, *, status: int, waited: float, lasted: float) -> None:
        route = _route_template(scope)
        method = known_method(scope["method"])
        self._metrics.observe(method=method, route=route, status=status, seconds=waited)
        if scope["path"] not in QUIET_PATHS:
            level = logging.WARNING if status >= 500 or status == 0 else logging.INFO
            log_request(
                level,
                "request",
                {
                    "method": method,
                    "route": route,
                    "status": status,
                    "duration_ms": round(lasted * 1000, 1),
                },
            )


def _replace_plain_text(message: Message, scope: Scope) -> bytes | None:
    # The framework's body limit answers by itself, in plain text, whatever the application would answer.
    headers = MutableHeaders(raw=list(message["headers"]))
    if not headers.get("content-type", "").startswith("text/plain"):
        return None
    problem = ContentTooLarge("Send less at once; this is more than the route takes.")
    response = problem_response(Request(scope), problem)
    headers.update(response.headers)
    message["headers"] = headers.raw
    return bytes(response.body)


_OWN_HEADERS = frozenset({b"x-request-id", NOSNIFF[0]})
_NOT_WITHOUT_CONTENT = _OWN_HEADERS | {b"content-type", b"content-length"}


def _choose_headers(headers: Iterable[Header], *, status: int) -> list[Header]:
    """The application's headers, without those that the middleware sets, and with `no-store` for JSON without
    Cache-Control.

    JSON may be about the caller, so no cache and no browser stores it unless the route allows it (ASVS 5, 14.3.2). An
    answer without content (204), to which the framework gives a type, has none (RFC 9110 §8.3).
    """
    dropped = _NOT_WITHOUT_CONTENT if status == NO_CONTENT else _OWN_HEADERS
    kept = [pair for pair in headers if pair[0] not in dropped]
    is_json = False
    for name, value in kept:
        if name == b"cache-control":
            return kept
        if name == b"content-type":
            is_json = value.startswith(_JSON)
    return [*kept, NOT_STORED] if is_json else kept


_HANDSHAKE_ANSWERS = frozenset({"websocket.accept", "websocket.http.response.start"})

_SWITCHED = 101

_REFUSED_HANDSHAKE = 403
"""The server's answer when the application closes before accepting (ASGI)."""

_NORMAL_CLOSURE = 1000
"""The code of a close without one (ASGI)."""


class _Ending:
    """How a web socket ended: a close code, or the status of a refused handshake."""

    def __init__(self) -> None:
        self.fields: dict[str, int] = {}
        self._is_accepted = False

    def note(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self._is_accepted = True
        elif self.fields:
            return  # the first to close says why; the server tells the other side's end of it as well
        elif kind == "websocket.http.response.start":
            self.fields = {"status": message["status"]}
        elif kind == "websocket.close" and not self._is_accepted:
            self.fields = {"status": _REFUSED_HANDSHAKE}
        elif kind in ("websocket.close", "websocket.disconnect"):
            self.fields = {"close_code": message.get("code") or _NORMAL_CLOSURE}


def read_request_id(headers: Iterable[Header]) -> bytes:
    """The caller's `X-Request-ID`, or a new one when it is missing or unfit for a header and a log."""
    for name, value in headers:
        if name == b"x-request-id":
            return value if _VISIBLE_ASCII.fullmatch(value) else str(uuid7()).encode()
    return str(uuid7()).encode()


def _route_template(scope: Scope) -> str:
    route: Any = scope.get("route")
    # Never the path itself: ids, and the paths that scanners try, would each be a series.
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "(no route)"
