"""A web socket client on real sockets: JSON in both directions, a time limit on every wait, and the close code."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

ANSWER_SECONDS = 10.0
"""The time limit of a wait for a message, unless a test sets another."""


class Refused(Exception):
    """The server answered the handshake with an HTTP status."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the handshake was refused with {status}")
        self.status = status
        self.body = body


Check = Callable[[Any], None]
"""Raises when a message is not as it should be."""


class Socket:
    """An open web socket; every message that is received is checked."""

    def __init__(self, connection: ClientConnection, check: Check | None = None) -> None:
        self.connection = connection
        self._check = check

    async def send(self, message: Any) -> None:
        """Send a message as JSON."""
        await self.connection.send(json.dumps(message))

    async def send_text(self, text: str) -> None:
        """Send a text unchanged, which need not be JSON."""
        await self.connection.send(text)

    async def receive(self, *, seconds: float = ANSWER_SECONDS) -> Any:
        """The next message, from JSON. Raises `TimeoutError`, or `ConnectionClosed` of websockets."""
        return json.loads(await self.receive_text(seconds=seconds))

    async def receive_text(self, *, seconds: float = ANSWER_SECONDS) -> str:
        """The next message as received. Raises as `receive` does; AssertionError when it is binary."""
        async with asyncio.timeout(seconds):
            return await self._receive_text()

    async def receive_until(self, name: str, value: Any, *, seconds: float = ANSWER_SECONDS) -> Any:
        """The next message whose member `name` is `value`; earlier ones are dropped."""
        async with asyncio.timeout(seconds):
            while (message := json.loads(await self._receive_text())).get(name) != value:
                pass
        return message

    async def closed(self, *, seconds: float = ANSWER_SECONDS) -> int:
        """The server's close code; earlier messages are dropped. 1006 when the connection broke."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self._receive_text()
        close_code = self.connection.close_code
        assert close_code is not None
        return int(close_code)

    async def _receive_text(self) -> str:
        message = await self.connection.recv()
        assert isinstance(message, str), "a binary message"
        if self._check is not None:
            self._check(json.loads(message))
        return message


@contextlib.asynccontextmanager
async def open_socket(
    port: int,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    check: Check | None = None,
    **options: Any,
) -> AsyncIterator[Socket]:
    """A web socket to a port of 127.0.0.1 until the block ends; `options` are `websockets.connect`'s.

    Raises `Refused` when the server answers the handshake with a status.
    """
    url = f"ws://127.0.0.1:{port}{path}"
    try:
        connection = await connect(url, additional_headers=headers, proxy=None, **options)
    except InvalidStatus as error:
        raise Refused(error.response.status_code, bytes(error.response.body or b"")) from error
    async with connection:
        yield Socket(connection, check)
