"""A response with parts of a file, which is read on threads a little ahead of what the client takes."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from typing import NamedTuple

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


class FileBody(Response):
    """Sends pieces of a file, and closes it as soon as they are sent or the client has gone.

    A file that is written to or shortened meanwhile, or a reader who `may_read` no more, ends the response by ending the
    connection, so that the client sees that it is not whole.
    """

    def __init__(
        self,
        file: OpenFile,
        pieces: Iterable[Piece],
        *,
        readers: Readers,
        may_read: Callable[[], bool],
        status: int,
        headers: Mapping[str, str],
        stopping_seconds: float = STOPPING_SECONDS,
    ) -> None:
        super().__init__(status_code=status, headers=dict(headers))
        self._file = file
        self._chunks = _split(pieces)
        self._readers = readers
        self._may_read = may_read
        self._stopping_seconds = stopping_seconds
        self._has_gone = asyncio.Event()
        self._reading: Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        connection = find_connection(scope)
        if connection is not None:
            connection.when_stopping(partial(self._stop, connection))
        watch = asyncio.create_task(self._watch(receive))
        try:
            if not await self._send(send) and connection is not None:
                connection.cut_off()
                await self._has_gone.wait()
        finally:
            self._is_over = True
            watch.cancel()
            if self._timer is not None:
                self._timer.cancel()
            self._close()

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
            if not self._may_read():
                return False
            self._read_ahead()
            await send({"type": "http.response.body", "body": chunk, "more_body": self._reading is not None})
        return True

    def _read_ahead(self) -> None:
        piece = next(self._chunks, None)
        self._reading = None if piece is None else self._readers.begin(partial(_read, self._file, piece))

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._has_gone.set()

    def _stop(self, connection: Connection) -> None:
        # The connection may be at a later request by now.
        if not self._is_over:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._stopping_seconds, connection.cut_off)

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
