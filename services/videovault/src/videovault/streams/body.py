"""A response with parts of a file, which is read on threads a little ahead of what the client takes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from videovault.files.identity import FileChanged
from videovault.streams.opening import OpenFile
from videovault.streams.readers import Readers
from webcommon.app.connection import Connection, find_connection

logger = logging.getLogger(__name__)

CHUNK = 256 * 1024
"""Bytes that are read at once. Of a stream three chunks are in memory at most: one read, one that waits, one being sent."""

STOPPING_SECONDS = 5
"""How long a stream goes on when the service stops; its client then asks for the rest, which another process answers."""


class Piece(NamedTuple):
    """A part of a body: some bytes, and then `length` bytes of the file from `first`."""

    lead: bytes
    first: int
    length: int


class OpenStreams:
    """The responses that are being sent, and the threads that read for them."""

    def __init__(self) -> None:
        self.readers = Readers()
        self._bodies: set[FileBody] = set()

    @contextlib.contextmanager
    def sending(self, body: "FileBody") -> Iterator[None]:
        """Know the response during the block."""
        self._bodies.add(body)
        try:
            yield
        finally:
            self._bodies.remove(body)

    def end_sessions(self, has_ended: Callable[[UUID], bool]) -> None:
        """End the responses to those whose session has ended."""
        for body in list(self._bodies):
            if has_ended(body.session_id):
                body.end()


class FileBody(Response):
    """Sends pieces of a file, and closes it as soon as they are sent or the client has gone.

    If the file is written to or shortened meanwhile, and when `end` is called, the connection ends, so that the client sees that
    the response is not whole.
    """

    def __init__(
        self,
        file: OpenFile,
        pieces: Iterable[Piece],
        *,
        streams: OpenStreams,
        session_id: UUID,
        status: int,
        headers: Mapping[str, str],
        stopping_seconds: float = STOPPING_SECONDS,
    ) -> None:
        super().__init__(status_code=status, headers=dict(headers))
        self.session_id = session_id
        self._file = file
        self._chunks = _split(pieces)
        self._streams = streams
        self._stopping_seconds = stopping_seconds
        self._has_gone = asyncio.Event()
        self._reading: Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._connection: Connection | None = None
        self._is_ended = False
        self._is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        self._connection = connection = find_connection(scope)
        watch = asyncio.create_task(self._watch(receive))
        try:
            if connection is not None:
                connection.bound_unsent()
                connection.when_stopping(self._stop)
            with self._streams.sending(self):
                is_whole = await self._send(send)
            if not is_whole and connection is not None:
                connection.cut_off()
                await self._has_gone.wait()
        finally:
            self._is_over = True
            watch.cancel()
            if self._timer is not None:
                self._timer.cancel()
            self._close()

    def end(self) -> None:
        """End the response before its end."""
        self._is_ended = True
        if self._connection is not None:
            self._connection.cut_off()

    async def _send(self, send: Send) -> bool:
        """False when the response has to end before its end."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        self._read_ahead()
        while self._reading is not None:
            try:
                chunk = await asyncio.wrap_future(self._reading)
            except (FileChanged, OSError) as error:
                logger.warning("a stream was cut off: %s", type(error).__name__)
                return False
            if self._has_gone.is_set():
                return True
            if self._is_ended:
                return False
            self._read_ahead()
            await send({"type": "http.response.body", "body": chunk, "more_body": self._reading is not None})
        return True

    def _read_ahead(self) -> None:
        piece = next(self._chunks, None)
        self._reading = (
            None if piece is None else self._streams.readers.begin(partial(_read, self._file, piece))
        )

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._has_gone.set()

    def _stop(self) -> None:
        # The connection may be at a later request by now.
        if not self._is_over:
            self._timer = asyncio.get_running_loop().call_later(self._stopping_seconds, self.end)

    def _close(self) -> None:
        # Not while a thread reads: the descriptor could be another file's by then.
        if self._reading is None:
            self._file.close()
        else:
            self._reading.add_done_callback(lambda _: self._file.close())


def _split(pieces: Iterable[Piece]) -> Iterator[Piece]:
    for lead, first, length in pieces:
        yield Piece(lead, first, min(length, CHUNK))
        for done in range(CHUNK, length, CHUNK):
            yield Piece(b"", first + done, min(length - done, CHUNK))


def _read(file: OpenFile, piece: Piece) -> bytes:
    content = file.read(piece.first, piece.length)
    return piece.lead + content if piece.lead else content
