"""The connection under a request or a web socket, for what ASGI has no words for."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

EXTENSION = "quartet.connection"
"""The name in a scope's `extensions`."""

SEND_BUFFER = 128 * 1024
"""Bytes that the kernel may keep for a client that reads slowly. By default it keeps 2.8 MB on loopback."""

UNSENT = 256 * 1024
"""Bytes of a large response that the kernel may keep beyond what the client has room for."""

CLOSING_SECONDS = 4.0
"""How long a client has to read what was written before a close."""

_ROUND_TRIPS = 3

# Closing then discards what the client has not read, and frees the descriptor at once.
_NO_LINGER = struct.pack("ii", 1, 0)


class Connection:
    """A TCP connection. Only its protocol makes one."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._round_trips: deque[float] = deque(maxlen=_ROUND_TRIPS)
        self._timer: asyncio.TimerHandle | None = None
        self._is_lost = False
        self._stop: Callable[[], None] | None = None

    @property
    def round_trip(self) -> float:
        """Seconds from a ping of the server to its answer: the least of the last three; 0 before the first.

        A pause of either side makes one too long, and nothing makes one too short.
        """
        return min(self._round_trips, default=0.0)

    def note_round_trip(self, seconds: float) -> None:
        """A ping was answered."""
        self._round_trips.append(seconds)

    def bound_send_buffer(self) -> None:
        """Let the kernel keep no more than `SEND_BUFFER` for this client."""
        if (endpoint := self._transport.get_extra_info("socket")) is not None:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)

    def bound_unsent(self) -> None:
        """Let the kernel keep no more than `UNSENT` that it cannot send yet, where it can be told so. What is on its way does
        not count, so that a far client is sent as much at once as before."""
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        endpoint = self._transport.get_extra_info("socket")
        # The descriptor of a lost connection may be another's by now.
        if option is not None and endpoint is not None and not self._is_lost:
            endpoint.setsockopt(socket.IPPROTO_TCP, option, UNSENT)

    def end_soon(self) -> None:
        """The connection is closing: cut it off when the client has not read the rest within `CLOSING_SECONDS`."""
        if self._timer is None and not self._is_lost:
            self._timer = asyncio.get_running_loop().call_later(CLOSING_SECONDS, self.cut_off)

    def cut_off(self) -> None:
        """End the connection now, without what the client has not read."""
        # The descriptor of a lost connection may be another's by now.
        if self._is_lost:
            return
        if (endpoint := self._transport.get_extra_info("socket")) is not None:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def when_stopping(self, stop: Callable[[], None]) -> None:
        """Call `stop` when the server stops: it waits for requests, and one that has no end of its own must end then."""
        self._stop = stop

    def stop(self) -> None:
        """The server stops."""
        if self._stop is not None:
            self._stop()

    def lost(self) -> None:
        """The connection has ended."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()


def find_connection(scope: Mapping[str, Any]) -> Connection | None:
    """The connection of a request or a web socket; None in tests that have no server."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, Connection) else None
