"""HTTP/1.1 on a connection: headers of a bounded size, and problem documents for what no application gets to see."""

import logging
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webcommon.api.problem_handlers import problem_class
from webcommon.api.problems import BadRequest, Problem, ProblemResponse, problem_document
from webcommon.app.frame import NOSNIFF, NOT_STORED, Header, read_request_id
from webcommon.observability.context import request_id

logger = logging.getLogger(__name__)

HEADER_LIMIT = 64 * 1024
"""Bytes of a request's headers that may wait for their end."""

FIRST_REQUEST_SECONDS = 1.0
"""How long a connection on which no request has come yet is kept when the server stops."""

HeadersTooLarge = problem_class(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


class BoundedHeadersProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, which itself would gather the headers of one request without end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._reads_headers = False
        self._unfinished = 0
        self._is_stopping = False

    def shutdown(self) -> None:
        """The server stops. What runs is answered, and so is the first request of a connection that has just come: its
        client was let in, and nobody told it to ask elsewhere."""
        self._is_stopping = True
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

    def on_headers_complete(self) -> None:
        """Its headers are all there."""
        self._reads_headers = False
        super().on_headers_complete()
        if self._is_stopping and self.cycle is not None:
            self.cycle.keep_alive = False

    def data_received(self, data: bytes) -> None:
        """Bytes came. Answers 431 and closes when there are too many of them and the headers still have no end."""
        super().data_received(data)
        if self._reads_headers:
            self._unfinished += len(data)
            if self._unfinished > HEADER_LIMIT and not self.transport.is_closing():
                self._refuse(HeadersTooLarge(f"Send at most {HEADER_LIMIT // 1024} KiB of headers."))

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; its text is for no reader
        """Answer 400 and close: the parser could make no request of the bytes."""
        self._refuse(BadRequest("The bytes are no HTTP/1.1 request; look at its first line and its headers."))

    def _refuse(self, problem: Problem) -> None:
        # A second answer in the middle of one that has begun would be read as a part of it.
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(self._write_answer(problem))
        self.transport.close()

    def _write_answer(self, problem: Problem) -> bytes:
        # Between two requests the headers are those of the one before.
        identifier = read_request_id(self.headers if self._reads_headers else ())
        token = request_id.set(identifier.decode("ascii"))
        try:
            logger.warning(
                "a request was refused by the parser", extra={"fields": {"status": problem.status}}
            )
            body = bytes(ProblemResponse(problem_document(problem, path=None)).body)
        finally:
            request_id.reset(token)
        headers: list[Header] = [
            *self.server_state.default_headers,
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
