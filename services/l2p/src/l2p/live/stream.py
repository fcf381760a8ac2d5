"""One open event stream: the log of a lobby as server-sent events, for networks that block sockets."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dbcommon.errors import DatabaseError
from l2p.live import frames
from l2p.live.codes import LOBBY_CLOSED, NOT_ALLOWED, RESTART, TOO_SLOW, TRY_LATER, Closed, first_of
from l2p.live.errors import TooManySpectators
from l2p.live.outbox import Outbox
from l2p.live.parts import LiveParts
from l2p.lobbies.errors import LobbyClosed, LobbyNotFound
from l2p.log.events import Message
from webcommon.api.problems import Problem
from webcommon.app.connection import CLOSING_SECONDS, Connection, find_connection
from webcommon.auth.bearer import Caller

SILENT_SECONDS = 15.0
"""A comment is sent after so long without an event, so that no proxy cuts the connection."""

_REFUSALS: dict[int, Callable[[], Problem]] = {
    NOT_ALLOWED: LobbyNotFound,
    LOBBY_CLOSED: LobbyClosed,
    TRY_LATER: TooManySpectators,
}


class EventStream(Response):
    """The events of a lobby from `last_seq` on; without it from the state of now on, which is the first event.

    The last event, `closed`, has the code with which a socket would be closed.
    """

    media_type = "text/event-stream"

    def __init__(
        self, parts: LiveParts, caller: Caller, lobby_id: UUID, *, last_seq: int | None, stream: UUID | None
    ) -> None:
        super().__init__(
            headers={"Cache-Control": "no-store", "Connection": "close", "X-Accel-Buffering": "no"},
        )
        del self.headers["content-length"]
        self.lobby_id = lobby_id
        self.caller = caller
        self.outbox = Outbox(parts.clock, caller.id)
        self._parts = parts
        self._last_seq = last_seq
        self._stream = stream
        self._has_begun = False
        self._send: Send

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream until either side ends it. Raises `Problem` and `DatabaseError` before its first byte."""
        self._send = send
        connection = find_connection(scope)
        if connection is not None:
            connection.bound_send_buffer()
            connection.when_stopping(lambda: self.outbox.end(RESTART))
        try:
            with self._parts.sessions.place():
                await self._serve(receive)
        except Closed as closed:
            await self._end(closed.code, connection)

    async def _serve(self, receive: Receive) -> None:
        ending: Exception | None = None
        try:
            async with self._parts.following(self), asyncio.TaskGroup() as tasks:
                tasks.create_task(self.outbox.watch())
                tasks.create_task(_wait_for_end(receive))
                await self._parts.beginning.begin(
                    self.outbox,
                    self.lobby_id,
                    last_seq=self._last_seq,
                    stream=self._stream,
                    write=self._write,
                )
                tasks.create_task(self.outbox.write_for_ever(self._write, seconds=SILENT_SECONDS))
        except* _Gone:
            pass
        except* DatabaseError as group:
            ending = Closed(TRY_LATER) if self._has_begun else first_of(group)
        except* Closed as group:
            ending = first_of(group)
        # Until Python 3.11.4 what is raised within `except*` becomes a group.
        if ending is not None:
            raise ending

    async def _write(self) -> None:
        message = self.outbox.take()
        await self._send_text(": \n\n" if message is None else _write_event(message))

    async def _send_text(self, text: str) -> None:
        if not self._has_begun:
            self._has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await self._send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def _end(self, code: int, connection: Connection | None) -> None:
        if not self._has_begun and code in _REFUSALS:
            raise _REFUSALS[code]()
        if connection is not None:
            if code == TOO_SLOW:
                connection.cut_off()
                return
            connection.end_soon()
        text = frames.write("closed", {"code": code}, at=self._parts.clock.now())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._send_text(f"data: {text}\n\n")
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Gone(Exception):
    """The client has left."""


async def _wait_for_end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise _Gone


def _write_event(message: Message) -> str:
    identifier = "" if message.seq is None else f"id: {message.seq}\n"
    return f"{identifier}data: {message.text}\n\n"
