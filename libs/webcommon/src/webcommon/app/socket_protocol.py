"""Web sockets whose clients cannot hurt: bounded messages and buffers, and an end for who does not read."""

import asyncio
import time
from collections.abc import MutableMapping
from typing import Any, cast

from websockets.frames import Frame
from websockets.http11 import Request

from webcommon.app.connection import CLOSING_SECONDS, EXTENSION, Connection
from webcommon.app.http_protocol import AnsweredHandshakeProtocol

MESSAGE_LIMIT = 64 * 1024
"""The maximum size in bytes of a client's message; a larger one closes with 1009."""

MOST_FRAGMENTS = 1024
"""Of one message. Empty ones do not count towards its size."""

PING_SECONDS = 5.0
PONG_SECONDS = 5.0
"""A client that does not answer a ping for so long is gone."""

TOO_BIG, INVALID_TEXT = 1009, 1007


class BoundedSocketProtocol(AnsweredHandshakeProtocol):
    """Web sockets by websockets. uvicorn alone waits for ever for a client that does not read: `close` waits for room in
    the buffer, and a close of the transport for its last byte."""

    connection: Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection was made."""
        super().connection_made(transport)
        self.connection = Connection(self.transport)
        self.connection.bound_send_buffer()
        self._is_refusing = False
        self._pinged = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.connection.lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        if not self._is_refusing:
            super().data_received(data)

    def handle_connect(self, event: Request) -> None:
        """A handshake arrived."""
        super().handle_connect(event)
        if self.handshake_initiated and not self.handshake_complete:
            extensions = cast("MutableMapping[str, Any]", self.scope["extensions"])
            extensions[EXTENSION] = self.connection

    def start_keepalive(self) -> None:
        """Ping at once, so that the round trip is known before the first answer to a question."""
        if self.ping_interval:
            self.send_keepalive_ping()

    def send_keepalive_ping(self) -> None:
        """Ask the client for a pong."""
        # The loop's own time stands still within one of its turns.
        self._pinged = time.perf_counter()
        super().send_keepalive_ping()

    def handle_ping(self) -> None:
        """A ping arrived. Its answer is left out while the client does not read the others (RFC 6455 §5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def handle_pong(self, event: Frame) -> None:
        """A pong arrived."""
        is_awaited = self.pending_ping_payload is not None
        super().handle_pong(event)
        if is_awaited and self.pending_ping_payload is None:
            self.connection.note_round_trip(time.perf_counter() - self._pinged)

    def keepalive_timeout(self) -> None:
        """A ping was not answered, or its answer waits behind a message that is still being handled."""
        if self.read_paused:
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
            return
        super().keepalive_timeout()
        self.connection.end_soon()

    def handle_cont(self, event: Frame) -> None:
        """A fragment arrived."""
        if len(self.frames) >= MOST_FRAGMENTS:
            self._refuse_message(TOO_BIG)
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """A message is complete. Closes with 1007 when a text is not UTF-8."""
        if self.curr_msg_data_type == "text" and not _is_text(self.frames):
            self._refuse_message(INVALID_TEXT)
        else:
            super().send_receive_event_to_app()

    def handle_close(self, event: Frame) -> None:
        """The client closes, or answers a close."""
        super().handle_close(event)
        self.connection.end_soon()

    def handle_parser_exception(self) -> None:
        """The bytes are no frames, or too many. What follows is read and thrown away: a connection that is closed with
        unread bytes is reset, and the client would not see the code."""
        if self._is_refusing or self.conn.close_sent is None:
            return
        self._is_refusing = True
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        if not self.transport.is_closing():
            self.transport.write_eof()
            self.transport.resume_reading()
        # While uvicorn waits for the other side's close, it does not close the transport when the application ends.
        self.close_timer = self.loop.call_later(CLOSING_SECONDS, self.connection.cut_off)

    def shutdown(self) -> None:
        """The server stops."""
        super().shutdown()
        self.connection.end_soon()

    def on_task_complete(self, task: "asyncio.Task[None]") -> None:
        """The application is done with the socket."""
        super().on_task_complete(task)
        self.connection.end_soon()

    async def send(self, message: Any) -> None:
        """Send a message. A close does not wait for the client to read what is before it."""
        if message["type"] != "websocket.close" or not self.handshake_complete:
            await super().send(message)
            return
        self.writable.set()
        await super().send(message)
        self.connection.end_soon()

    def _refuse_message(self, code: int) -> None:
        self.frames = []
        self.conn.fail(code)
        self.handle_parser_exception()


def _is_text(parts: list[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True
