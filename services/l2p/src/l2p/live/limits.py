"""What one client may ask of a process, and how long one that does not read is waited for."""

import math
from dataclasses import dataclass

AUTH_SECONDS = 5.0
"""How long a client has for its first message."""

RENEWAL_SECONDS = 60
"""How long a client has to send a new token after the old one expired."""

REPLAYED_EVENTS = 1000
REPLAYED_SECONDS = 600
"""A client that missed more, or for longer, gets a new state."""

QUEUED_MESSAGES = 256
QUEUED_BYTES = 256 * 1024
"""Messages and bytes that wait for a client; one that reads more slowly is disconnected."""

STALLED_SECONDS = 10.0
"""A client that takes nothing for so long is disconnected."""

FRAME_BYTES = 48 * 1024
"""An array of messages is sent when it is as long."""

MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 10, 20
CHATS_PER_SECOND, CHATS_AT_ONCE = 1, 5
MOST_REFUSED = 100
"""Refused messages after which a socket is closed. They count until the client has been quiet for a while."""


@dataclass(frozen=True, kw_only=True)
class SocketLimits:
    """How many sockets and event streams there may be."""

    in_all: int = 2000
    """Of one process."""
    unauthenticated: int = 50
    """Of one network, an IPv4 address or the /64 of an IPv6 one, at one process."""
    of_user: int = 5
    """On one lobby, counted over all processes; one more closes the oldest."""
    spectators: int = 200
    """Users without a seat on one lobby, counted over all processes."""


class Allowance:
    """Lets `at_once` messages through, and `per_second` more each second. Times are seconds of one clock."""

    def __init__(self, *, per_second: float, at_once: int) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._left = float(at_once)
        self._at: float | None = None
        self.refused = 0
        """Messages refused since the allowance was last full."""

    def take(self, now: float) -> int:
        """0 for a message that is let through, otherwise the milliseconds until one would be."""
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._left = min(self._left + passed * self._per_second, self._at_once)
        if self._left >= self._at_once:
            self.refused = 0
        if self._left >= 1:
            self._left -= 1
            return 0
        self.refused += 1
        return math.ceil((1 - self._left) / self._per_second * 1000)
