"""HTTP/1.1 on a connection: headers of a bounded size, and problem documents for requests that no application sees."""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from webcommon.api.problem_handlers import problem_class
from webcommon.api.problems import BadRequest, Problem, ProblemResponse, problem_document
from webcommon.app.connection import EXTENSION, Connection
from webcommon.app.request_middleware import NOSNIFF, NOT_STORED, Header, read_request_id
from webcommon.observability.context import request_id

logger = logging.getLogger(__name__)

HEADER_LIMIT = 64 * 1024
"""The maximum size in bytes of a request's headers."""

FIRST_REQUEST_SECONDS = 1.0
"""How long a connection without a request is kept when the server stops."""

HeadersTooLarge = problem_class(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


class BoundedHeadersProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, which alone would buffer headers without limit."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._reads_headers = False
        self._unfinished = 0
        self._is_stopping = False
        self._connection: Connection

    def connection_made(self, transport: Any) -> None:
        """A connection was made."""
        super().connection_made(transport)
        self._connection = Connection(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._connection.lost()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server stops. Running requests are answered, and so is the first request of a new connection: its client
        was accepted, and does not know that it should go elsewhere."""
        self._is_stopping = True
        self._connection.stop()
        if self.cycle is None:
            self.loop.call_later(FIRST_REQUEST_SECONDS, self._close_unused)
        else:
            super().shutdown()

    def _close_unused(self) -> None:
        if self.cycle is None:
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._reads_headers, self._unfinished = True, 0
        super().on_message_begin()
        extensions: dict[str, Any] = {EXTENSION: self._connection}
        self.scope["extensions"] = extensions

    def on_headers_complete(self) -> None:
        """The headers of a request are complete."""
        self._reads_headers = False
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = cast(asyncio.Transport, _JoiningTransport(self.transport, self.loop))
            if self._is_stopping:
                self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        """Bytes arrived. Answers 431 and closes when there are too many of them without an end of the headers."""
        super().data_received(data)
        if self._reads_headers:
            self._unfinished += len(data)
            if self._unfinished > HEADER_LIMIT and not self.transport.is_closing():
                self._refuse(HeadersTooLarge(f"Send at most {HEADER_LIMIT // 1024} KiB of headers."))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; its text is for no reader
        """Answer 400 and close: the bytes are no request."""
        self._refuse(BadRequest("The bytes are no HTTP/1.1 request; look at its first line and its headers."))

    def _refuse(self, problem: Problem) -> None:
        transport = self.transport if self.cycle is None else self.cycle.transport
        # A second answer in the middle of one that has begun would be read as part of it.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            # Between two requests the headers are those of the previous one.
            received = self.headers if self._reads_headers else []
            transport.write(_write_answer(problem, received, more=self.server_state.default_headers))
        transport.close()


class _JoiningTransport:
    """A request's transport: what is written in one turn of the loop, a response's headers and its body, is sent at once.

    Each call of the kernel costs a tenth of a small request, and wakes the client.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._is_first = True
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """Send the bytes now with those that are held, or hold them until the loop's next turn."""
        held, self._held = self._held, None
        if held is not None:
            self._transport.writelines((held, data))
        elif self._is_first:
            self._is_first, self._held = False, data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._transport.write(held)

    def close(self) -> None:
        """Close the connection after what was written."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self._transport.is_closing()


class AnsweredHandshakeProtocol(WebSocketsSansIOProtocol):
    """Web sockets by websockets, which alone refuses handshakes with plain text, or with nothing."""

    def data_received(self, data: bytes) -> None:
        """Bytes arrived. Answers 400 and closes when they are no handshake, which uvicorn ignores."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete:
            self._refuse(
                BadRequest("The handshake has a body, or headers that are too many or too long."), []
            )

    def handle_connect(self, event: Request) -> None:
        """A handshake arrived. Answers a fault and closes, or continues as uvicorn does."""
        answer = self.conn.accept(event)
        if answer.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            super().handle_connect(event)
            return
        problem = problem_class(answer.status_code)(
            "The handshake opens no web socket; see RFC 6455, section 4.1."
        )
        received = [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in event.headers.raw_items()
        ]
        kept = [
            (name.lower(), answer.headers[name]) for name in ("Allow", "Upgrade") if name in answer.headers
        ]
        self._refuse(problem, received, kept=[(name.encode(), value.encode()) for name, value in kept])

    def _refuse(self, problem: Problem, received: list[Header], *, kept: Sequence[Header] = ()) -> None:
        self.handshake_complete = self.close_sent = True
        self.transport.write(_write_answer(problem, received, more=[*self.default_headers, *kept]))
        self.transport.close()


def _write_answer(problem: Problem, received: list[Header], *, more: list[Header]) -> bytes:
    """The bytes of an answer to a request with the headers `received`; `more` are added to its headers."""
    identifier = read_request_id(received)
    token = request_id.set(identifier.decode("ascii"))
    try:
        logger.warning("a request was refused by the parser", extra={"fields": {"status": problem.status}})
        body = bytes(ProblemResponse(problem_document(problem, path=None)).body)
    finally:
        request_id.reset(token)
    headers: list[Header] = [
        *more,
        (b"x-request-id", identifier),
        NOSNIFF,
        NOT_STORED,
        (b"content-type", ProblemResponse.media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    first_line = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}".encode()
    lines = [first_line, *(b": ".join(header) for header in headers)]
    return b"\r\n".join([*lines, b"", body])
